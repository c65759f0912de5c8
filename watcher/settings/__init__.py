"""The settings: from YAML to checked models, to routes."""
