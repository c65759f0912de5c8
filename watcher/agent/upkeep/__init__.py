"""What an agent does besides its files: what was left behind or kept too long, and what others are told."""
