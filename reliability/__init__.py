"""Mutation, fuzz, soak and GPU tests, too slow for every change. See docs/reliability.md."""
