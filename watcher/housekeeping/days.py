"""The done folder, flat or with a folder for each UTC day (`done: {by: day}`), and the move into it.

A folder of a day is made when a file goes there, and made again if somebody took it away meanwhile; what is
wrong with one is wrong with the done folder, which is what is held then.
"""

from __future__ import annotations

import re
from pathlib import Path

from watcher import disk, outcome
from watcher.errors import Outside
from watcher.model import Entry
from watcher.recovery import Places

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_day(name: str) -> bool:
    """Say whether a folder of this name is that of a day: `2026-11-23`."""
    return _DAY.fullmatch(name) is not None


def folder_for(places: Places, entry: Entry) -> Path:
    """Return the folder for a delivered file, which is there then. Raises `Outside`."""
    if not places.by_day or entry.finished_at is None:
        return places.done
    folder = places.done / entry.finished_at[:10]  # UTC
    _make(places, folder)
    return folder


def finish(places: Places, entry: Entry) -> bool:
    """Do what `outcome.finish` does, also where the target is in the folder of a day."""
    assert entry.target is not None, "the target is planned before the move"
    folder = Path(entry.target).parent
    if folder.parent != places.done:
        return outcome.finish(entry)
    _make(places, folder)
    try:
        return outcome.finish(entry)
    except Outside as fault:
        if fault.target != disk.folder_target(folder):
            raise
        raise Outside(disk.folder_target(places.done), fault.reason, check=fault.check) from fault


def _make(places: Places, folder: Path) -> None:
    with disk.blame(places.done):
        disk.make_subfolder(folder)
