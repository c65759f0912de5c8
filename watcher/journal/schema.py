"""The journal's tables, how they came to be, and a row of them to an `Entry`."""

from __future__ import annotations

import os
from dataclasses import fields

from watcher.core.model import FINAL, Entry, FileState, Fingerprint
from watcher.journal.database import Row

# One item a version: the statements that bring a journal from the version before to it.
MIGRATIONS = (
    f"""
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name BLOB NOT NULL, origin TEXT NOT NULL, source BLOB NOT NULL, route TEXT, acd_type TEXT,
        state TEXT NOT NULL, push_token TEXT NOT NULL,
        device TEXT NOT NULL, inode TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns TEXT NOT NULL,
        sha256 TEXT, destination TEXT, position INTEGER NOT NULL DEFAULT 0, chunks INTEGER NOT NULL DEFAULT 0,
        sending_to INTEGER, target BLOB, started_at TEXT NOT NULL, finished_at TEXT,
        reason TEXT, what_to_do TEXT, lines TEXT, status INTEGER, server_said TEXT, note TEXT
    );
    CREATE INDEX files_open ON files (state)
        WHERE state NOT IN ({", ".join(f"'{state}'" for state in sorted(FINAL))});
    CREATE INDEX files_by_route ON files (route, id);
    CREATE INDEX files_by_state ON files (state, id);
    CREATE INDEX files_by_target ON files (target)
    """,
    """
    ALTER TABLE files ADD COLUMN problems TEXT;
    ALTER TABLE files ADD COLUMN aside BLOB;
    ALTER TABLE files ADD COLUMN records INTEGER;
    ALTER TABLE files ADD COLUMN total INTEGER
    """,
    """
    ALTER TABLE files ADD COLUMN first_line TEXT;
    ALTER TABLE files ADD COLUMN last_line TEXT;
    ALTER TABLE files ADD COLUMN earlier_tokens TEXT;
    ALTER TABLE files ADD COLUMN removed_at TEXT;
    CREATE INDEX files_by_content ON files (sha256, route) WHERE sha256 IS NOT NULL;
    CREATE INDEX files_by_finish ON files (state, finished_at)
    """,
    """
    CREATE TABLE holds (
        id INTEGER PRIMARY KEY, target TEXT NOT NULL, reason TEXT NOT NULL,
        began_at TEXT NOT NULL, ended_at TEXT NOT NULL
    );
    CREATE INDEX holds_by_end ON holds (ended_at);
    CREATE INDEX files_by_end ON files (finished_at)
    """,
)
_PLAIN = tuple(
    field.name
    for field in fields(Entry)
    if field.name not in ("name", "source", "target", "aside", "fingerprint")
)


def entry_of(row: Row) -> Entry:
    """Return a row of the table `files` as an `Entry`."""
    plain = {name: row[name] for name in _PLAIN}
    plain["state"] = FileState(plain["state"])
    return Entry(
        **plain,
        name=os.fsdecode(row["name"]),
        source=os.fsdecode(row["source"]),
        target=_path(row["target"]),
        aside=_path(row["aside"]),
        fingerprint=Fingerprint(int(row["device"]), int(row["inode"]), row["size"], int(row["mtime_ns"])),
    )


def _path(value: bytes | None) -> str | None:
    return None if value is None else os.fsdecode(value)
