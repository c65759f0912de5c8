"""Files and folders: the look into the drop folder, the claim, the filing, and all that changes a file."""
