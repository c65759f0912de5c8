"""What must be so before any file is moved: the folders are there, and no two of the settings are one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from watcher.agent.engine.runs import Attempt, Call, Script
from watcher.core.acts import Tell
from watcher.core.errors import ConfigError, Outside
from watcher.core.events import FolderCreated, Warned
from watcher.core.target import Target
from watcher.disk import files
from watcher.disk.answering import ACTING_SECONDS
from watcher.disk.days import is_day
from watcher.journal.protocol import Journal
from watcher.settings.settings import Config

_KEYS = ("drop", "done", "failed", "state")
_Place = tuple[int, int]  # device and inode


async def prepare(config: Config, journal: Journal) -> list[Script]:
    """Make the folders, on the very first start, and see that they are distinct. Raises `ConfigError`.

    Returns what goes on trying with those that could not be made, which are held: nobody else may need them.
    """
    state = files.folder_target(config.folders.state)
    is_first = await Call(lambda: journal.first_start, state, targets=(state,))
    left = await _make_folders(config) if is_first else set()
    if is_first and not left:
        await Call(journal.folders_made, state, targets=(state,))
    await require_distinct(config)
    return [_make_later(folder, left, journal, state) for folder in sorted(left)]


async def require_distinct(config: Config) -> None:
    """As `check_distinct`, for an agent that is at work."""
    places = {}
    for key in _KEYS:
        folder: Path = getattr(config.folders, key)
        look, target = partial(_place, folder), files.folder_target(folder)
        places[key] = await Call(look, target, seconds=ACTING_SECONDS)  # who starts it looks at the log
    _refuse_same(config, places)


def check_distinct(config: Config) -> None:
    """Raise `ConfigError` where two folders of the settings are one, by a link say: files would go round.
    Raises `Outside` where a folder cannot be looked at."""
    _refuse_same(config, {key: _place(getattr(config.folders, key)) for key in _KEYS})


async def _make_folders(config: Config) -> set[Path]:
    """Make those that are not there; returns those that could not be made. Never on a later start: a share
    that is not mounted must be a hold, not an empty folder on the local disk."""
    left = set()
    for folder in (config.folders.drop, config.folders.done, config.folders.failed):
        target = files.folder_target(folder)
        try:
            if await Attempt(partial(_make, folder), target, seconds=ACTING_SECONDS):
                await Tell(FolderCreated(str(folder)))
        except Outside as fault:
            left.add(folder)
            await Tell(Warned(f"{target} cannot be made: {fault.reason}"))
    return left


async def _make_later(folder: Path, left: set[Path], journal: Journal, state: Target) -> None:
    """Make this folder, which is held, however long that takes; the last one of those that are `left` writes
    down that all are made."""
    target = files.folder_target(folder)
    if await Call(partial(_make, folder), target, targets=(target,)):
        await Tell(FolderCreated(str(folder)))
    left.remove(folder)
    if not left:
        await Call(journal.folders_made, state, targets=(state,))


def _make(folder: Path) -> bool:
    with files.blame(folder):
        if folder.exists():
            return False
        files.make_shared_folder(folder)
        return True


def _place(folder: Path) -> _Place | None:
    """Return which folder this is; None: there is none."""
    with files.blame(folder):
        if not folder.is_dir():
            return None
        status = folder.stat()
        return status.st_dev, status.st_ino


def _refuse_same(config: Config, places: Mapping[str, _Place | None]) -> None:
    seen: dict[_Place, str] = {}
    for key, place in places.items():
        if place is not None and (other := seen.setdefault(place, key)) != key:
            raise ConfigError(f"folders.{key} and folders.{other} are the same folder; each needs its own")
    for key in ("drop", "failed", "state", "work_folder") if config.done.by == "day" else ():
        folder = getattr(config.folders, key)
        if folder.parent == config.folders.done and is_day(folder.name):
            raise ConfigError(
                f"folders.{key.removesuffix('_folder')} is where `done.by: day` puts files; choose another"
            )
