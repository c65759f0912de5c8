"""The journal of one state folder, in an SQLite file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from watcher.core.errors import NoJournal, Outdated, Outside
from watcher.journal.database import Database, needs_a_writer
from watcher.journal.schema import MIGRATIONS
from watcher.journal.sql import SqlJournal

FILE = "journal.db"


class SqliteJournal(SqlJournal):
    """A `protocol.Journal` in a state folder; safe to share between threads, and between processes."""

    def __init__(self, folder: Path, *, readonly: bool = False) -> None:
        """Open `folder/journal.db`, made if need be. Raises what `Database` raises."""
        path = folder / FILE
        self._database = Database(path, migrations=MIGRATIONS, readonly=readonly)
        try:
            [found] = self._database.query("SELECT value FROM meta WHERE key = 'agent_id'")
        except BaseException:
            self._database.close()
            raise
        super().__init__(self._database, found[0])


def require_sound(folder: Path) -> None:
    """Look whether the journal in the state folder is whole, and change nothing.

    One that is not there is; so is one that the next agent brings up to date, or to the end of a commit that
    a crash cut off. Raises `ConfigError` where it is damaged, or of a newer version, and `Outside`.
    """
    try:
        with closing(Database(folder / FILE, migrations=MIGRATIONS, readonly=True)) as found:
            found.require_sound()
    except (NoJournal, Outdated):
        return
    except Outside as fault:
        if not needs_a_writer(fault):
            raise
