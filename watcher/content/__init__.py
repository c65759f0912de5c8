"""What files are written in, and what goes out of them: encodings, dialects, columns, JSON, compression."""
