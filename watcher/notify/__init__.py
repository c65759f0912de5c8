"""Telling people: what is due to be told, when a file should have come, and the sending."""
