"""Rows of the journal for tests that need one and no journal."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from watcher.core.model import Dropped, FileState, Fingerprint, Outcome, Placement, Row, Upload


def made_row(state: FileState, **facts: Any) -> Row:
    """A row with these facts, by the names that they have in its parts; the others are made up."""
    given: dict[str, Any] = {
        "name": "a.csv", "source": "/w/t/a.csv", "fingerprint": Fingerprint(1, 2, 3, 4), "route": "events",
        "acd_type": None, "origin": "drop", "started_at": "2026-11-23T19:24:39.000Z", "push_token": "t",
        **facts,
    }  # fmt: skip
    id = given.pop("id", 1)
    parts: list[Any] = []
    for kind in (Dropped, Upload, Outcome, Placement):
        names = {field.name for field in fields(kind)}
        parts.append(kind(**{name: given.pop(name) for name in names & given.keys()}))
    assert not given, f"no part of a row has {', '.join(given)}"
    return Row(id, "agent-1", state, *parts)
