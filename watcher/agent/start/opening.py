"""What a start needs before anything else: the state folder, locked, with the journal in it."""

from __future__ import annotations

from pathlib import Path

from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.disk import files
from watcher.disk.mounts import network_cache_seconds
from watcher.journal.lock import AGENT_LOCK, Lock
from watcher.journal.peers import LEASE_SECONDS
from watcher.journal.protocol import Journal
from watcher.journal.reading import open_journal


def open_state(
    state: Path, url: str | None, *, lock: str, holder: str, lease: float = LEASE_SECONDS
) -> tuple[Lock, Journal]:
    """Make the state folder if need be, lock it and open the journal; `url`: where in PostgreSQL that is;
    `lease`: how long the agent's files are its own behind its last heartbeat there, in seconds.

    Raises `ConfigError` (on a network share, locked, damaged, of a newer version), `Outside` where the disk
    is in the way.
    """
    refuse_share(state)
    with files.blame(state):
        files.make_shared_folder(state.parent)
        files.make_folder(state)
        files.make_private(state)
    taken = Lock(state, lock, holder=holder)
    try:
        return taken, open_journal(state, url, lives=lock == AGENT_LOCK, lease=lease)
    except BaseException:
        taken.release()
        raise


def refuse_share(state: Path) -> None:
    """Raise `ConfigError` where the state folder is on a network share."""
    if network_cache_seconds(state) is not None:
        raise ConfigError(
            f"folders.state {shown(str(state))} is on a network share, where SQLite's locks are not safe;"
            " put it on a local disk"
        )
