"""What becomes of files after their delivery: folders by day, duplicates, receipts, retention."""
