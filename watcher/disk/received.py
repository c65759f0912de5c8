"""A file that somebody sends by hand, piece by piece: it stands in the drop folder whole, or not at all."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from shutil import disk_usage
from typing import BinaryIO

from watcher.core.errors import Outside
from watcher.disk import files
from watcher.disk.system import create_new, remove_plain

_LEFT = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part")


class Received:
    """One file on its way into `folder`: until it is whole it has a name that is always ignored."""

    def __init__(self, folder: Path) -> None:
        """Nothing is there until `begin`."""
        self._folder = folder
        self._part = folder / files.part_name()
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        """Make its beginning. Raises `Outside`."""
        with files.blame(self._folder):
            self._file = create_new(self._part)
            if hasattr(os, "fchmod"):
                os.fchmod(self._file.fileno(), 0o640)  # whoever may read the folder's other files may read it

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises `Outside`."""
        assert self._file is not None
        with files.blame(self._folder):
            self._file.write(data)

    def finish(self, name: str) -> bool:
        """Put it there as `name`, durable; False: a file of that name is there, and nothing is ever written
        over. Raises `Outside`."""
        assert self._file is not None
        with files.blame(self._folder):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            try:
                part = files.part_name()
                files.move_new(self._part, self._folder / name, part=part, reserve=False)
            except FileExistsError:
                return False
        return True

    def mark(self, marker: str) -> None:
        """Make the marker that says that it is whole, where there is none. Raises `Outside`."""
        with files.blame(self._folder):
            try:
                create_new(self._folder / marker).close()
            except FileExistsError:
                if not stat.S_ISREG(os.lstat(self._folder / marker).st_mode):
                    raise Outside(
                        files.folder_target(self._folder),
                        "what has its name is no file, and is no marker then",
                        check="remove it",
                    ) from None

    def abandon(self) -> None:
        """Leave nothing behind; after `finish` there is nothing. Raises `Outside`."""
        with files.blame(self._folder):
            if self._file is not None:
                self._file.close()
                remove_plain(self._part)


def room_in(folder: Path) -> int:
    """Return the bytes that are free for a file in `folder`. Raises `Outside`."""
    with files.blame(folder):
        return disk_usage(folder).free


def remove_leftovers(folder: Path, *, older_than: float) -> None:
    """Remove what a crash left of files on their way: ours, unchanged since `older_than` (seconds since
    1970). Raises `Outside`."""
    with files.blame(folder):
        for entry in os.scandir(folder):
            if _LEFT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
                if ours and status.st_mtime < older_than:
                    remove_plain(Path(entry.path))
