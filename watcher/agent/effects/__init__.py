"""What the acts of a file's life do: where they meet disk, journal and server."""
