"""What outlives the process or is told to others: the journal, its tables, the lock, the live file."""
