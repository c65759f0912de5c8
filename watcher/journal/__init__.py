"""What outlives the process: the journal, its tables, and the lock on its folder."""
