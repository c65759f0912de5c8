"""Where everything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that files move between."""

    drop: Path
    work: Path  # this agent's own part of the work folder
    done: Path
    failed: Path
    state: Path  # for scratch files
    by_day: bool = False  # done has a folder for each UTC day
