"""Measures the agent against what users would pick instead; `python -m tests.bench`."""
