"""Where everything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from watcher.core.renaming import Keeps, any_name


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that files move between."""

    drop: Path
    work: Path  # this agent's own part of the work folder
    done: Path
    failed: Path
    state: Path  # for scratch files
    by_day: bool = False  # done has a folder for each UTC day
    keeps: Keeps = any_name  # whether a new name in the drop folder is the same to the routes
