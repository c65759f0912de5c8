"""What happened, told to people and programs: log, status file, hold history, notices."""
