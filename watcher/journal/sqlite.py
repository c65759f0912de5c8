"""The journal of one state folder, in an SQLite file."""

from __future__ import annotations

from pathlib import Path

from watcher.journal.database import Database
from watcher.journal.schema import MIGRATIONS
from watcher.journal.sql import SqlJournal


class SqliteJournal(SqlJournal):
    """A `protocol.Journal` in a state folder; safe to share between threads, and between processes."""

    def __init__(self, folder: Path, *, readonly: bool = False) -> None:
        """Open `folder/journal.db`, made if need be. Raises what `Database` raises."""
        path = folder / "journal.db"
        self._database = Database(path, migrations=MIGRATIONS, readonly=readonly)
        try:
            [found] = self._database.query("SELECT value FROM meta WHERE key = 'agent_id'")
        except BaseException:
            self._database.close()
            raise
        super().__init__(self._database, found[0])
