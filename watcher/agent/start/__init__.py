"""What must be there before any file is moved: folders, lock, journal, and how the drop folder is watched."""
