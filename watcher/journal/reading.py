"""Where the journal is: in the state folder, or in PostgreSQL; opened by agents, and by readers alone."""

from __future__ import annotations

from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.core.errors import ConfigError, NoJournal, Outdated, Outside
from watcher.core.model import Row
from watcher.disk.files import folder_target
from watcher.journal.lease import Lease
from watcher.journal.peers import LEASE_SECONDS
from watcher.journal.postgres_memory import accept, known_until, refuse_elsewhere
from watcher.journal.protocol import Journal
from watcher.journal.sql import SqlJournal
from watcher.journal.sqlite import SqliteJournal

if TYPE_CHECKING:
    from watcher.journal.postgres_look import Look


def open_journal(folder: Path, url: str | None, *, lives: bool, lease: float = LEASE_SECONDS) -> Journal:
    """Open the journal to write. `url`: of a PostgreSQL database, instead of a file in the state folder;
    `lives`: by the agent itself, of which there is one, with a `lease` of so many seconds.
    Raises `Outside`, `ConfigError`.

    The agent's id is in the state folder in any case: it names its part of the work folder, too.
    """
    if url is None:
        refuse_elsewhere(folder)
        return SqliteJournal(folder)
    with closing(SqliteJournal(folder)) as own:
        was_there = known_until(folder) is not None
        journal = _postgres(folder, url, own, lives=lives, lease=lease)
        try:
            open_rows = (*own.under_way("drop"), *own.under_way("hand"))
            if left := sum(not _is_known(journal, row) for row in open_rows):
                raise ConfigError(
                    f"journal: {left} files are under way by the journal in the state folder, and PostgreSQL"
                    " does not know them; `watcher journal copy` takes them over"
                )
        except BaseException:
            journal.close()
            if not was_there:  # and is not now: the settings may go back
                accept(folder)
            raise
        return journal


def open_both(folder: Path, url: str) -> tuple[SqlJournal, SqlJournal]:
    """Open the journal in the state folder, and this agent's in PostgreSQL, to copy from one to the other.
    Raises `Outside`, `ConfigError`, also where the agent runs."""
    own = SqliteJournal(folder)
    try:
        return own, _postgres(folder, url, own, lives=True, lease=LEASE_SECONDS)
    except BaseException:
        own.close()
        raise


def open_to_read(folder: Path, url: str | None) -> Journal | None:
    """Open the journal for reading; None where there is none yet. Raises `Outside`, `ConfigError`."""
    try:
        own = _own_to_read(folder)
        if url is None:
            return own
        # Who reads where no agent ever ran has no rows of its own.
        agent_id = own.agent_id if own else ""
        if own:
            own.close()
        _require_extra()
        from watcher.journal.postgres import PostgresJournal

        return PostgresJournal(url, agent_id, folder_target(folder), readonly=True)
    except NoJournal:
        return None


def look_at(url: str) -> Look:
    """Look at a database, and change nothing. Raises `Outside`, `ConfigError`."""
    _require_extra()
    from watcher.journal.postgres_look import look

    return look(url)


def _own_to_read(folder: Path) -> Journal | None:
    try:
        return SqliteJournal(folder, readonly=True)
    except NoJournal:
        return None
    except (Outside, Outdated):
        # A crash in the middle of a commit left SQLite's own journal behind, or the journal is of an older
        # version: only a writer can mend that.
        return SqliteJournal(folder)


def _postgres(folder: Path, url: str, own: Journal, *, lives: bool, lease: float) -> SqlJournal:
    _require_extra()
    from watcher.journal.postgres import PostgresJournal  # only here: the extra is not always there

    return PostgresJournal(
        url, own.agent_id, folder_target(folder), lives=lives, lease=Lease(lease), memory=folder
    )


def _is_known(journal: Journal, row: Row) -> bool:
    """Say whether a journal has this row, too."""
    known = journal.archive.of_token(row.push_token)
    return known is not None and known.file.started_at == row.file.started_at


def _require_extra() -> None:
    if find_spec("psycopg") is None:
        raise ConfigError(
            "journal: PostgreSQL needs more packages; install them: pip install 'wfm-watcher[postgres]'"
        )
