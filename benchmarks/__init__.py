"""What a call costs, as a ratio to a named peer measured beside it in the same run."""
