"""The journal's long memory: what was delivered before, and what has been kept long enough.

Questions and deletions over rows that have come to their end; the questions are those of `protocol.Archive`.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from watcher.core.model import FINAL, FileState, Row
from watcher.core.units import utc_text
from watcher.journal.database import Database
from watcher.journal.schema import row_of, stored


class SqliteArchive:
    """The finished rows of one journal; safe to share between threads."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    def delivered_before(self, row: Row, sha256: str, destination: str) -> Row | None:
        """Return the newest row of another file with this content that was sent by the same route to the same
        place (`desk.destination`: another tenant is another place), and reached it; None: there is none."""
        found = self._database.query(
            "SELECT * FROM files WHERE sha256 = ? AND route IS ? AND destination = ? AND id != ?"
            " AND chunks > 0 AND state IN (?, ?) ORDER BY id DESC LIMIT 1",
            (sha256, stored("route", row.route), destination, row.id, FileState.DELIVERED, FileState.DONE),
        )
        return row_of(found[0]) if found else None

    def failed_at(self, target: Path) -> Row | None:
        """Return the newest row of a file that was moved to `target` in the failed folder."""
        found = self._database.query(
            "SELECT * FROM files WHERE state = ? AND target = ? ORDER BY id DESC LIMIT 1",
            (FileState.FAILED, os.fsencode(target)),
        )
        return row_of(found[0]) if found else None

    def newest(self) -> Row | None:
        """Return one's own newest row, whatever became of its file; None: there is none."""
        found = self._database.query(
            "SELECT * FROM files WHERE owner = ? ORDER BY id DESC LIMIT 1", (self._owner,)
        )
        return row_of(found[0]) if found else None

    def kept_since(
        self, state: FileState, *, before: datetime, after: tuple[str, int], limit: int
    ) -> list[Row]:
        """Return dropped files that came to `state` before a time and were not removed, in that order.

        `after` is where the last call ended: the `finished_at` and the id of its last row.
        """
        found = self._database.query(
            "SELECT * FROM files WHERE state = ? AND finished_at < ? AND (finished_at, id) > (?, ?)"
            " AND owner = ? AND origin = 'drop' AND target IS NOT NULL AND removed_at IS NULL"
            " ORDER BY finished_at, id LIMIT ?",
            (state, utc_text(before), *after, self._owner, limit),
        )
        return [row_of(record) for record in found]

    def is_latest_at(self, row: Row) -> bool:
        """Say whether no later file was put where this one was: a replay takes the name again."""
        assert row.place.target is not None, "only a file that was moved has a place"
        later = self._database.query(
            "SELECT 1 FROM files WHERE target = ? AND id > ? LIMIT 1", (os.fsencode(row.place.target), row.id)
        )
        return not later

    def removed(self, row: Row, now: datetime) -> None:
        """The file of this row has been kept long enough and was removed."""
        with self._database.writing() as connection:
            connection.execute("UPDATE files SET removed_at = ? WHERE id = ?", (utc_text(now), row.id))

    def forget(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` rows that came to their end before a time; returns how many."""
        marks = ", ".join("?" * len(FINAL))
        found = self._database.query(
            f"SELECT id FROM files WHERE state IN ({marks}) AND finished_at < ? AND owner = ? LIMIT ?",
            (*sorted(FINAL), utc_text(before), self._owner, limit),
        )
        if found:
            with self._database.writing() as connection:
                connection.executemany("DELETE FROM files WHERE id = ?", [(record[0],) for record in found])
        return len(found)
