"""The journal for those who only read it: commands and the status page."""

from __future__ import annotations

from pathlib import Path

from watcher.core.errors import NoJournal, Outdated, Outside
from watcher.journal.protocol import Journal
from watcher.journal.sqlite import SqliteJournal


def open_to_read(folder: Path) -> Journal | None:
    """Open the journal for reading; None where there is none yet. Raises `Outside`, `ConfigError`."""
    try:
        return SqliteJournal(folder, readonly=True)
    except NoJournal:
        return None
    except (Outside, Outdated):
        # A crash in the middle of a commit left SQLite's own journal behind, or the journal is of an older
        # version: only a writer can mend that.
        return SqliteJournal(folder)
