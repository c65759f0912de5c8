"""Which files are there, which of them are whole, and who goes next."""
