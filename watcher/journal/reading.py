"""Where the journal is: in the state folder, or in PostgreSQL; opened by agents, and by readers alone."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from watcher.core.errors import ConfigError, NoJournal, Outdated, Outside
from watcher.disk.files import folder_target
from watcher.journal.lease import Lease
from watcher.journal.peers import LEASE_SECONDS
from watcher.journal.protocol import Journal
from watcher.journal.sqlite import SqliteJournal


def open_journal(folder: Path, url: str | None, *, lives: bool, lease: float = LEASE_SECONDS) -> Journal:
    """Open the journal to write. `url`: of a PostgreSQL database, instead of a file in the state folder;
    `lives`: by the agent itself, of which there is one, with a `lease` of so many seconds.
    Raises `Outside`, `ConfigError`.

    The agent's id is in the state folder in any case: it names its part of the work folder, too.
    """
    own = SqliteJournal(folder)
    if url is None:
        return own
    try:
        _require_extra()
        if left := len(own.under_way("drop")) + len(own.under_way("hand")):
            raise ConfigError(
                f"journal: {left} files are under way by the journal in the state folder; let the agent"
                " finish them before it uses PostgreSQL: run it once more without `journal`, or withdraw them"
            )
        from watcher.journal.postgres import PostgresJournal  # only here: the extra is not always there

        return PostgresJournal(url, own.agent_id, folder_target(folder), lives=lives, lease=Lease(lease))
    finally:
        own.close()


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


def _own_to_read(folder: Path) -> Journal | None:
    try:
        return SqliteJournal(folder, readonly=True)
    except NoJournal:
        return None
    except (Outside, Outdated):
        # A crash in the middle of a commit left SQLite's own journal behind, or the journal is of an older
        # version: only a writer can mend that.
        return SqliteJournal(folder)


def _require_extra() -> None:
    if find_spec("psycopg") is None:
        raise ConfigError(
            "journal: PostgreSQL needs more packages; install them: pip install 'wfm-watcher[postgres]'"
        )
