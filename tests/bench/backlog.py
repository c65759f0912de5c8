"""Journals: an agent's past, made up, and what one durable commit costs on a disk."""

from __future__ import annotations

import sqlite3
import statistics
import time
import uuid
from pathlib import Path


def fill_journal(root: Path, *, rows: int, filed: int) -> None:
    """Add `rows` finished files to the journal, and put `filed` files into done and failed each."""
    connection = sqlite3.connect(root / "state" / "journal.db")
    with connection:
        connection.executemany(
            "INSERT INTO files (owner, name, origin, source, route, state, push_token, device, inode, size,"
            " mtime_ns, target, started_at, finished_at)"
            " VALUES ((SELECT value FROM meta WHERE key = 'agent_id'),"
            " ?, 'drop', ?, 'agent-events', ?, ?, '1', ?, 1024, '1', ?, ?, ?)",
            (_row(root, at) for at in range(rows)),
        )
    connection.close()
    for at in range(filed):
        (root / "done" / f"past{at}.csv").write_bytes(b"a\n")
        (root / "failed" / f"past{at}.csv").write_bytes(b"a\n")


def commit_seconds(root: Path, *, commits: int = 20) -> float:
    """Return what a commit takes where `root` is, as durable as the journal's: the median."""
    path = root / "commits.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode=TRUNCATE", "PRAGMA synchronous=FULL", "CREATE TABLE t (n)"):
        connection.execute(statement)
    took = []
    for number in range(commits):
        began = time.monotonic()
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        took.append(time.monotonic() - began)
    connection.close()
    path.unlink()
    return statistics.median(took)


def _row(root: Path, at: int) -> tuple[object, ...]:
    name = f"past{at}.csv"
    state = "failed" if at % 10 == 0 else "done"
    target = bytes(root / state / name)
    when = f"2026-01-01T00:00:00.{at % 1000:03d}Z"
    return name.encode(), bytes(root / "drop" / name), state, str(uuid.uuid4()), str(at), target, when, when
