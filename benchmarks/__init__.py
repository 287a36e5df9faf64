"""Benchmarks: the cost of a call, as a ratio to a named peer measured in the same run."""
