"""Whose is a work folder, and what lies in those of other agents: they stand beside ours.

An agent tells that it lives by the owner file in its part, `<work>/<agent id>/.owner`: who it is, and, as
its modification time, when it last said so. Files under way lie a folder deeper: none is taken for it.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watcher.core.errors import Outside
from watcher.core.names import shown
from watcher.disk import files
from watcher.disk.ours import require_ours

OWNER_FILE = ".owner"
HEARTBEAT_SECONDS = 60.0
# Ten heartbeats: a share that hangs for minutes, and clocks that differ a little, make nobody dead.
DEAD_SECONDS = 600.0
_MOST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Stranger:
    """A file in the work folder of another agent."""

    path: Path
    agent: str
    host: str | None  # where its agent runs, or ran; None: not known
    since: datetime  # when that agent last said that it lives, else when the file came there
    is_stranded: bool  # its agent does not live: nobody will see to the file

    @property
    def words(self) -> str:
        """Where it is and what to do, for people."""
        where = f"agent {shown(self.agent)}" + (f" on {shown(self.host)}" if self.host else "")
        return (
            f"it is stranded in the work folder of {where}, of which nothing was heard since"
            f" {self.since:%Y-%m-%d %H:%M} UTC; start that one, or `watcher withdraw` the file"
        )


def strangers(work: Path, *, now: Callable[[], float] = time.time) -> list[Stranger]:
    """Return the files that lie in the parts of others beside `work`, our own part of the work folder.

    A folder that is away, or into which we may not look, has none. `now`: seconds since the epoch.
    """
    found: list[Stranger] = []
    for part in _folders(work.parent):
        if part.name != work.name and part.name.startswith("agent-"):
            found += _in_part(part, now)
    return found


def _in_part(part: Path, now: Callable[[], float]) -> Iterator[Stranger]:
    owner: tuple[str | None, float | None] | None = None
    for own in _folders(part):
        for path in sorted(_entries(own)):
            try:
                status = os.lstat(path)
            except OSError:
                continue  # it was moved meanwhile
            if not stat.S_ISREG(status.st_mode):
                continue
            if owner is None:
                owner = _owner_of(part)
            host, beat = owner
            last = beat if beat is not None else status.st_ctime
            since = datetime.fromtimestamp(last, UTC)
            yield Stranger(path, part.name, host, since, beat is None or now() - beat > DEAD_SECONDS)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in _entries(folder) if path.is_dir() and not path.is_symlink())


def _entries(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder)]
    except OSError:
        return []


def _owner_of(part: Path) -> tuple[str | None, float | None]:
    """Return the host of the agent whose part it is, and its last heartbeat; None for what is not told."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(part / OWNER_FILE, flags)
    except OSError:
        return None, None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None, None
        told: Any = None
        with suppress(ValueError, OSError):
            told = json.loads(os.read(descriptor, _MOST_BYTES))
        host = told.get("host") if isinstance(told, dict) else None
        return (host if isinstance(host, str) else None), status.st_mtime
    finally:
        os.close(descriptor)


class Owner:
    """Our own owner file; called in a worker's thread. It is for others: none of our files waits for it."""

    def __init__(self, work: Path) -> None:
        self._path = work / OWNER_FILE

    def beat(self) -> None:
        """Say that we live, where our part of the work folder is there: the first claim makes it."""
        text = {"host": socket.gethostname(), "boot": _boot_id(), "pid": os.getpid()}
        with suppress(OSError, Outside):
            if self._path.parent.is_dir():
                require_ours(self._path.parent)
                files.replace_private(self._path, json.dumps(text).encode())


def remove_part(part: Path) -> None:
    """Remove an agent's part of the work folder where nothing but its owner file is in it, and what a crash
    left of a draft."""
    names = {path.name for path in part.iterdir()}
    if all(name == OWNER_FILE or files.is_half_written(name) for name in names):
        for name in names:
            files.remove(part / name)
    files.remove_folder(part)


def _boot_id() -> str | None:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()  # random(4)
    return None
