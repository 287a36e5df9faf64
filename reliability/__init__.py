"""What the tests have no time for: mutants, fuzzing, an hour of use. See docs/reliability.md."""
