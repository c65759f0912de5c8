"""The journal's long memory: what was delivered before, and what has been kept long enough.

Questions and deletions over rows that have come to their end; the steps of a file's life are in `journal`.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from watcher.core.model import FINAL, Entry, FileState
from watcher.core.units import utc_text
from watcher.journal.database import Database
from watcher.journal.schema import entry_of


class Archive:
    """The finished rows of one journal; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def delivered_before(self, entry: Entry, sha256: str, destination: str) -> Entry | None:
        """Return the newest row of another file with this content that was sent by the same route to the same
        place (`desk.destination`: another tenant is another place), and reached it; None: there is none."""
        rows = self._database.query(
            "SELECT * FROM files WHERE sha256 = ? AND route IS ? AND destination = ? AND id != ?"
            " AND chunks > 0 AND state IN (?, ?) ORDER BY id DESC LIMIT 1",
            (sha256, entry.route, destination, entry.id, FileState.DELIVERED, FileState.DONE),
        )
        return entry_of(rows[0]) if rows else None

    def failed_at(self, target: Path) -> Entry | None:
        """Return the newest row of a file that was moved to `target` in the failed folder."""
        rows = self._database.query(
            "SELECT * FROM files WHERE state = ? AND target = ? ORDER BY id DESC LIMIT 1",
            (FileState.FAILED, os.fsencode(target)),
        )
        return entry_of(rows[0]) if rows else None

    def kept_since(
        self, state: FileState, *, before: datetime, after: tuple[str, int], limit: int
    ) -> list[Entry]:
        """Return dropped files that came to `state` before a time and were not removed, in that order.

        `after` is where the last call ended: the `finished_at` and the id of its last row.
        """
        rows = self._database.query(
            "SELECT * FROM files WHERE state = ? AND finished_at < ? AND (finished_at, id) > (?, ?)"
            " AND origin = 'drop' AND target IS NOT NULL AND removed_at IS NULL"
            " ORDER BY finished_at, id LIMIT ?",
            (state, utc_text(before), *after, limit),
        )
        return [entry_of(row) for row in rows]

    def is_latest_at(self, entry: Entry) -> bool:
        """Say whether no later file was put where this one was: a replay takes the name again."""
        assert entry.target is not None, "only a file that was moved has a place"
        later = self._database.query(
            "SELECT 1 FROM files WHERE target = ? AND id > ? LIMIT 1", (os.fsencode(entry.target), entry.id)
        )
        return not later

    def removed(self, entry: Entry, now: datetime) -> None:
        """The file of this row has been kept long enough and was removed."""
        with self._database.writing() as connection:
            connection.execute("UPDATE files SET removed_at = ? WHERE id = ?", (utc_text(now), entry.id))

    def forget(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` rows that came to their end before a time; returns how many."""
        marks = ", ".join("?" * len(FINAL))
        found = self._database.query(
            f"SELECT id FROM files WHERE state IN ({marks}) AND finished_at < ? LIMIT ?",
            (*sorted(FINAL), utc_text(before), limit),
        )
        if found:
            with self._database.writing() as connection:
                connection.executemany("DELETE FROM files WHERE id = ?", [(row[0],) for row in found])
        return len(found)
