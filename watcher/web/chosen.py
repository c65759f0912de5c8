"""Which file an act on the page is about: the one that was shown, and never a newer one of its name.

A list shows a name with odd characters as escapes, and a `key` beside it, which its look or row has alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from watcher.agent.by_hand.withdrawing import Found
from watcher.core.model import Fingerprint, Row
from watcher.core.names import shown
from watcher.disk.failed import key_of, shown_as
from watcher.disk.others import Stranger

GONE = "it is not there any more as it was shown; look again"


def key_of_row(id: int) -> str:
    """Return the key of a file under way."""
    return f"row {id}"


def with_keys(found: dict[str, Any]) -> dict[str, Any]:
    """Return what `overview.collect` found, with keys for what is told by a row or by its place. What another
    agent has under way has none: it is taken out there."""
    return found | {
        "under_way": [
            row | {"key": "" if row["agent"] else key_of_row(row["id"])} for row in found["under_way"]
        ],
        "stranded": [row | {"key": row["path"]} for row in found["stranded"]],
    }


def failed_file(folder: Path, name: str, key: str) -> Path | None:
    """Return the file in the failed folder that was shown under this name and key; None: it is gone, or
    another one lies there. Raises `Outside`."""
    return next((path for path in shown_as(folder, name) if key_of(path) == key), None)


def is_in_queue(item: Found, name: str, key: str) -> bool:
    """Say whether a file that waits, is under way or is stranded is the one that was shown."""
    match item:
        case Row():
            # One that waited when it was shown may have been claimed meanwhile: it is the same file.
            return shown(item.name) == name and key in (key_of_row(item.id), item.file.fingerprint.key)
        case Stranger():
            return shown(str(item.path)) == key
    return shown(item.name) == name and _waiting_key(item) == key


def _waiting_key(path: Path) -> str | None:
    try:
        return Fingerprint.of(os.lstat(path)).key
    except OSError:
        return None
