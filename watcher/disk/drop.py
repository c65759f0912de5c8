"""Looks into the drop folder: a full `os.scandir`. Knows no routes, and does not judge what is whole."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from watcher.core.model import Fingerprint
from watcher.core.names import folded, is_half_copied
from watcher.disk import files, windows
from watcher.disk.faults import is_the_folders
from watcher.disk.leases import IN_USE
from watcher.disk.system import fingerprint, open_to_read

_UNKNOWN = Fingerprint(0, 0, 0, 0)


def oddity(mode: int) -> str:
    """Say why nothing of this `st_mode` is ever taken, and what to do about it; or "": it is a file."""
    if stat.S_ISDIR(mode):
        return (
            "a folder: move the files in it into the drop folder itself; watcher does not look into folders"
        )
    if stat.S_ISLNK(mode):
        return "a symbolic link is never followed"
    return "" if stat.S_ISREG(mode) else "not a regular file: never opened"


def _why(error: OSError) -> str:
    if windows.number_of(error) == errno.ENAMETOOLONG and isinstance(error, FileNotFoundError):
        return windows.TOO_LONG
    return IN_USE if windows.is_in_use(error) else error.strerror or str(error)


def _is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:  # there is no telling
        return False


@dataclass(frozen=True, slots=True)
class Found:
    """One name in the drop folder."""

    name: str
    look: Fingerprint | None  # None: nothing that may be opened
    odd: str = ""  # why not: a symbolic link, a pipe, a folder
    busy: str = ""  # why it cannot be opened now


class Drop:
    """The drop folder, one look at a time."""

    def __init__(
        self, folder: Path, ignore: Iterable[str], *, network: bool, ours: Iterable[Path] = ()
    ) -> None:
        """`network`: sizes and times are read from an opened handle, past the client's cache; `ours`: folders
        of the settings, which may stand in the drop folder."""
        self.folder = folder
        self._globs = tuple(ignore)
        self._ignored = re.compile(
            "|".join(fnmatch.translate(folded(glob)) for glob in self._globs) or r"(?!)"
        )
        self._network = network
        self._ours = tuple(ours)

    def ignored(self, name: str) -> bool:
        """Say whether files of this name are none of ours."""
        # Half-copied files of our own have such names whatever the settings say.
        return is_half_copied(name) or bool(self._ignored.match(folded(name)))

    def ignored_files(self) -> Counter[str]:
        """Count the files that are ignored, by the glob that does it. Raises `Outside`."""
        found = Counter[str]()
        with files.blame(self.folder), os.scandir(self.folder) as entries:
            for entry in entries:
                if self.ignored(entry.name) and not entry.is_dir(follow_symlinks=False):
                    found[self._glob_of(entry.name)] += 1
        return found

    def _glob_of(self, name: str) -> str:
        matching = (glob for glob in self._globs if fnmatch.fnmatchcase(folded(name), folded(glob)))
        return next(matching, "a half-copied file of our own")

    def scan(self) -> list[Found]:
        """Return everything in the folder that is not ignored, nor an empty folder. Raises `Outside`."""
        found = []
        with files.blame(self.folder), os.scandir(self.folder) as entries:
            for entry in entries:
                if self.ignored(entry.name):
                    continue
                try:
                    item = self._look(entry)
                except OSError as error:
                    if windows.number_of(error) == errno.ENOENT:
                        continue  # gone between the listing and the look
                    if is_the_folders(error, self.folder, writes=False):
                        raise
                    # Its followers wait for it, as for any that cannot be read.
                    item = Found(entry.name, _UNKNOWN, busy=f"cannot be looked at: {_why(error)}")
                if item is not None:
                    found.append(item)
        return found

    def _is_ours(self, path: str) -> bool:
        """Say whether a folder of the settings is this one, or below it; by whichever name."""
        real = Path(os.path.realpath(path))
        return any(Path(os.path.realpath(own)).is_relative_to(real) for own in self._ours)

    def _look(self, entry: os.DirEntry[str]) -> Found | None:
        # On Windows an entry's own stat has no inode.
        status = os.lstat(entry.path) if os.name == "nt" else entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and (self._is_ours(entry.path) or _is_empty(entry.path)):
            return None
        if odd := oddity(status.st_mode):
            return Found(entry.name, None, odd)
        if self._network:
            try:
                descriptor = open_to_read(entry.path)  # close-to-open consistency: nfs(5)
            except OSError as error:
                if windows.number_of(error) == errno.ENOENT:
                    raise
                return Found(entry.name, Fingerprint.of(status), busy=f"cannot be opened: {_why(error)}")
            opened = os.fstat(descriptor)
            os.close(descriptor)
            return Found(entry.name, fingerprint(opened, status))
        return Found(entry.name, Fingerprint.of(status))
