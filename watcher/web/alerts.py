"""The alerts for Prometheus: a rules file, kept beside the metrics that it names."""

from __future__ import annotations

from importlib.resources import files


def rules() -> str:
    """Return the rules file; its comments say how it is put to use."""
    return (files("watcher.web") / "alerts.yaml").read_text(encoding="utf-8")
