"""What a start needs before anything else: the state folder, locked, and the folders of the settings."""

from __future__ import annotations

from pathlib import Path

from watcher.core.errors import ConfigError
from watcher.core.events import FolderCreated
from watcher.core.names import shown
from watcher.disk import files
from watcher.disk.filing import is_day
from watcher.disk.mounts import network_cache_seconds
from watcher.journal.lock import AGENT_LOCK, Lock
from watcher.journal.peers import LEASE_SECONDS
from watcher.journal.protocol import Journal
from watcher.journal.reading import open_journal
from watcher.report.stream import Stream
from watcher.settings.settings import Config


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


def check_distinct(config: Config) -> None:
    """Raise `ConfigError` where two folders of the settings are one, by a link say: files would go round."""
    seen: dict[tuple[int, int], str] = {}
    for key in ("drop", "done", "failed", "state"):
        folder: Path = getattr(config.folders, key)
        if folder.is_dir():
            status = folder.stat()
            other = seen.setdefault((status.st_dev, status.st_ino), key)
            if other != key:
                raise ConfigError(
                    f"folders.{key} and folders.{other} are the same folder; each needs its own"
                )
    for key in ("drop", "failed", "state", "work_folder") if config.done.by == "day" else ():
        folder = getattr(config.folders, key)
        if folder.parent == config.folders.done and is_day(folder.name):
            raise ConfigError(
                f"folders.{key.removesuffix('_folder')} is where `done.by: day` puts files; choose another"
            )


def create_folders(config: Config, stream: Stream) -> None:
    """On the very first start, make the folders that are not there. Never later: a share that is not
    mounted must be a hold, not an empty folder on the local disk. Raises `Outside`."""
    for folder in (config.folders.drop, config.folders.done, config.folders.failed):
        if not folder.exists():
            with files.blame(folder):
                files.make_shared_folder(folder)
            stream.emit(FolderCreated(str(folder)))
