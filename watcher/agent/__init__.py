"""The running agent: from its settings to its parts, and from its start to its stop."""
