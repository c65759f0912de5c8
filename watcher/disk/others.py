"""Whose is a work folder, and what lies in those of other agents: they stand beside ours.

An agent tells that it lives by the owner file in its part, `<work>/<agent id>/.owner`: who it is, and, as
its modification time, when it last said so. Files under way lie a folder deeper: none is taken for it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from watcher.core.errors import Outside
from watcher.core.names import shown
from watcher.disk import files, filing
from watcher.disk.ours import require_ours
from watcher.disk.owner import DEAD_SECONDS, OWNER_FILE, read_owner

_AGENT = "agent-"  # how the ids of agents begin


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


def strangers(work: Path, *, now: Callable[[], float] = time.time, sure: bool = False) -> list[Stranger]:
    """Return the files that lie in the parts of others beside `work`, our own part of the work folder.

    A folder that is away, or into which we may not look, has none. `now`: seconds since the epoch. `sure`:
    raise `Outside` where something else stands in the place of the work folder: theirs cannot be seen then.
    """
    if sure:
        require_ours(work)
    found: list[Stranger] = []
    for part in _folders(work.parent):
        if part.name != work.name and part.name.startswith(_AGENT):
            found += _in_part(part, now)
    return found


def _in_part(part: Path, now: Callable[[], float]) -> Iterator[Stranger]:
    owner: tuple[str | None, float | None] | None = None
    for own in _folders(part):
        for path in _entries(own):
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
    return _entries(folder, lambda entry: entry.is_dir(follow_symlinks=False))


def _entries(folder: Path, counts: Callable[[os.DirEntry[str]], bool] = lambda _entry: True) -> list[Path]:
    """Return what is in a folder and counts, by name; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if counts(entry))
    except OSError:
        return []


def _owner_of(part: Path) -> tuple[str | None, float | None]:
    """Return the host of the agent whose part it is, and its last heartbeat; None for what is not told."""
    told = None
    with suppress(OSError):
        told = read_owner(part)
    return (None, None) if told is None else (told.who.host, told.beat)


def fetch(work: Path, token: str) -> None:
    """Take a file with all that belongs to it over from the part of another agent into ours, `work`.

    Looked for in all of them: an agent that did not know yet that it had lost the file may have fetched it,
    too. What is not there (any more) is not fetched. Raises `Outside`; may be repeated.
    """
    # The file's own folder last: it says that the rest was fetched.
    names = [token + suffix for suffix in (*filing.DRAFTS, "")]
    with files.blame(work):
        for theirs in (work.parent / agent for agent in agents(work) if agent != work.name):
            if not any(os.path.lexists(theirs / name) for name in names):
                continue
            require_ours(theirs, token)
            filing.make_work_folder(work)
            require_ours(work)
            for name in names:
                with suppress(FileNotFoundError):
                    files.rename_in(theirs / name, work / name)
            if os.path.lexists(theirs / token):  # it came back: a share was away for a moment
                raise Outside(files.folder_target(theirs), "it was away for a moment")
            files.sync_folder(work)
            files.sync_folder(theirs)


def agents(work: Path) -> list[str]:
    """Return the ids of the agents that have, or had, files beside our part of the work folder, `work`."""
    return [part.name for part in _folders(work.parent) if part.name.startswith(_AGENT)]


def remove_part(part: Path) -> None:
    """Remove an agent's part of the work folder where nothing but its owner file is in it, and what a crash
    left of a draft."""
    names = {path.name for path in part.iterdir()}
    if all(name == OWNER_FILE or files.is_half_written(name) for name in names):
        for name in names:
            files.remove(part / name)
    files.remove_folder(part)
