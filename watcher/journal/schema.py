"""The journal's tables, how they came to be, and a record of them to a `Row` and back."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from watcher.core.model import FINAL, Dropped, FileState, Fingerprint, Outcome, Placement, Row, Upload
from watcher.journal.database import Connection, Migration
from watcher.journal.store import OddText, Record


def _owned_and_unpacked(connection: Connection) -> None:
    """Version 5: rows have an owner, and lists that were packed into strings are JSON arrays."""
    fresh = f"agent-{uuid.uuid4().hex[:12]}"
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('agent_id', ?)", (fresh,))
    connection.execute("ALTER TABLE files ADD COLUMN owner TEXT")
    connection.execute("ALTER TABLE files ADD COLUMN sends INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE files SET owner = (SELECT value FROM meta WHERE key = 'agent_id')")
    # A chunk whose answer is open went out at least once.
    connection.execute("UPDATE files SET sends = 1 WHERE sending_to IS NOT NULL")
    for column, separator in (("problems", "\n"), ("earlier_tokens", " ")):
        packed = connection.execute(f"SELECT id, {column} FROM files WHERE {column} IS NOT NULL").fetchall()
        arrays = [(json.dumps(text.split(separator)) if text else None, id) for id, text in packed]
        connection.executemany(f"UPDATE files SET {column} = ? WHERE id = ?", arrays)


# One item a version: the statements, or the function, that bring a journal from the version before to it.
MIGRATIONS: tuple[Migration, ...] = (
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
    _owned_and_unpacked,
)
_PARTS = {"file": Dropped, "upload": Upload, "outcome": Outcome, "place": Placement}
_PATHS = frozenset({"name", "source", "target", "aside"})
_LISTS = frozenset({"problems", "earlier_tokens"})
# The columns of each part, in the order of its fields.
_COLUMNS = {part: tuple(field.name for field in fields(kind)) for part, kind in _PARTS.items()}
_FINGERPRINT = ("device", "inode", "size", "mtime_ns")


def row_of(record: Record) -> Row:
    """Return a record of the table `files` as a `Row`."""
    device, inode, size, mtime_ns = (int(record[name]) for name in _FINGERPRINT)
    given = {"fingerprint": Fingerprint(device, inode, size, mtime_ns)}
    parts: dict[str, Any] = {}
    for part, kind in _PARTS.items():
        names = _COLUMNS[part]
        parts[part] = kind(*(given[name] if name in given else read(name, record[name]) for name in names))
    return Row(id=record["id"], owner=record["owner"], state=FileState(record["state"]), **parts)


def record_of(row: Row) -> dict[str, Any]:
    """Return a `Row` as the columns of the table `files`, but for its id."""
    look = row.file.fingerprint
    # As text: a device or an inode may have 64 bits without a sign, which SQLite's integers do not.
    columns: dict[str, Any] = {
        "owner": row.owner,
        "state": str(row.state),
        "device": str(look.device),
        "inode": str(look.inode),
        "size": look.size,
        "mtime_ns": str(look.mtime_ns),
    }
    for part, names in _COLUMNS.items():
        value = getattr(row, part)
        for name in names:
            if name != "fingerprint":
                columns[name] = stored(name, getattr(value, name))
    return columns


def insertion(columns: Collection[str]) -> str:
    """Return the statement that writes a record of these columns; with its id, where that is one of them:
    PostgreSQL has to be told then, and SQLite is never given one."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    overriding = " OVERRIDING SYSTEM VALUE" if "id" in columns else ""
    return f"INSERT INTO files ({names}){overriding} VALUES ({marks})"


def changes(before: Row, after: Row) -> dict[str, Any]:
    """Return the columns in which two versions of a row differ; whose it is does not change."""
    columns: dict[str, Any] = {}
    if before.state is not after.state:
        columns["state"] = str(after.state)
    for part, names in _COLUMNS.items():
        old, new = getattr(before, part), getattr(after, part)
        if old is new:
            continue
        for name in names:
            if (value := getattr(new, name)) != getattr(old, name):
                columns[name] = stored(name, value)
    return columns


def stored(name: str, value: Any) -> Any:
    """Return a value as the column `name` has it."""
    if value is None or isinstance(value, int):
        return value
    if name in _PATHS:
        return os.fsencode(value)
    if name in _LISTS:
        return json.dumps(value) if value else None
    # An unpaired surrogate (JSON may name one) is no text for SQLite: such a value is kept as bytes.
    raw = value.encode("utf-8", "surrogatepass")
    return value if raw == value.encode("utf-8", "replace") else OddText(raw)


def read(name: str, value: Any) -> Any:
    """Return the value that the column `name` has."""
    if name in _LISTS:
        return tuple(json.loads(value)) if value else ()
    if isinstance(value, bytes):
        return os.fsdecode(value) if name in _PATHS else value.decode("utf-8", "surrogatepass")
    return value
