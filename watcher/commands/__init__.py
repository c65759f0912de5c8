"""One small file for each command; each is a function that returns the exit code."""
