"""What happened over time, from the journal: files by the hour they ended in, and the holds that are over.

Holds stand in a table of their own, for people to look back at; nothing in the agent depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.core.model import FileState
from watcher.core.units import utc_text
from watcher.journal.database import Database

KEPT = timedelta(days=60)  # of holds: twice what is shown


@dataclass(frozen=True, slots=True)
class Ended:
    """Files of one outcome that came to their end within one hour."""

    hour: str  # UTC: 2026-11-23T19
    state: FileState
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PastHold:
    """A hold that is over."""

    target: str
    reason: str
    began_at: str  # UTC, ISO 8601
    ended_at: str


class Timeline:
    """The questions about time, and the one table that is only for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold_ended(self, target: str, reason: str, *, began: datetime, ended: datetime) -> None:
        """Write down a hold that is over, and let go of those of long ago. Raises `Outside`."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM holds WHERE ended_at < ?", (utc_text(ended - KEPT),))
            connection.execute(
                "INSERT INTO holds (target, reason, began_at, ended_at) VALUES (?, ?, ?, ?)",
                (target, reason, utc_text(began), utc_text(ended)),
            )

    def holds(self, since: datetime) -> list[PastHold]:
        """Return the holds that lasted until `since` or later, oldest first."""
        rows = self._database.query(
            "SELECT target, reason, began_at, ended_at FROM holds WHERE ended_at >= ? ORDER BY began_at",
            (utc_text(since),),
        )
        return [PastHold(*row) for row in rows]

    def files_by_hour(self, since: datetime) -> list[Ended]:
        """Return how many files, of how many bytes, were done and failed in each hour since then."""
        rows = self._database.query(
            "SELECT substr(finished_at, 1, 13), state, COUNT(*), SUM(size) FROM files"
            " WHERE finished_at >= ? AND state IN (?, ?) GROUP BY 1, 2 ORDER BY 1, 2",
            (utc_text(since), FileState.DONE, FileState.FAILED),
        )
        return [Ended(hour, FileState(state), files, size) for hour, state, files, size in rows]
