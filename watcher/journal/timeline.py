"""What happened over time, from the journal: files by the hour they ended in, and the holds that are over.

Holds stand in a table of their own, for people to look back at; nothing in the agent depends on it.
"""

from __future__ import annotations

from datetime import datetime

from watcher.core.model import FileState
from watcher.core.units import utc_text
from watcher.journal.protocol import KEPT, Ended, PastHold
from watcher.journal.schema import read, stored
from watcher.journal.store import Store


class SqlTimeline:
    """The questions about time, and the one table that is only for them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hold_ended(self, target: str, reason: str, *, began: datetime, ended: datetime) -> None:
        """Write down a hold that is over, and let go of those of long ago. Raises `Outside`."""
        with self._store.writing() as connection:
            connection.execute("DELETE FROM holds WHERE ended_at < ?", (utc_text(ended - KEPT),))
            connection.execute(
                "INSERT INTO holds (target, reason, began_at, ended_at) VALUES (?, ?, ?, ?)",
                (*(stored("reason", text) for text in (target, reason)), utc_text(began), utc_text(ended)),
            )

    def holds(self, since: datetime) -> list[PastHold]:
        """Return the holds that lasted until `since` or later, oldest first."""
        rows = self._store.query(
            "SELECT target, reason, began_at, ended_at FROM holds WHERE ended_at >= ? ORDER BY began_at",
            (utc_text(since),),
        )
        return [PastHold(*(read("reason", value) for value in row)) for row in rows]

    def files_by_hour(self, since: datetime) -> list[Ended]:
        """Return how many files, of how many bytes, were done and failed in each hour since then."""
        rows = self._store.query(
            "SELECT substr(finished_at, 1, 13), state, COUNT(*), SUM(size) FROM files"
            " WHERE finished_at >= ? AND state IN (?, ?) GROUP BY 1, 2 ORDER BY 1, 2",
            (utc_text(since), FileState.DONE, FileState.FAILED),
        )
        return [Ended(hour, FileState(state), files, int(size)) for hour, state, files, size in rows]
