"""The loop that drives the scripts of all files: whose turn it is, what is held, who does the acts."""
