"""One small file for each framework; none is imported before its framework is in use."""
