"""Files that nobody sees: without a name, gone with their last handle, or with the process."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path
from shutil import disk_usage
from typing import Any, BinaryIO

from watcher.core.errors import Outside
from watcher.core.target import Target
from watcher.disk.files import COPY_BYTES, blame

# What is left to the journal, and to whoever else is on that disk: the smaller of both.
RESERVE_BYTES = 64 * 2**20
RESERVE_PART = 20  # a twentieth of the disk
_FULL = (errno.ENOSPC, errno.EDQUOT)


def scratch_file(folder: Path, name: str | None = None) -> BinaryIO:
    """Return an empty file in `folder` that has no name and ends with its last handle, or this process.

    Reading and writing it raises `Outside`: for `folder`, or for the file `name` where what is made of that
    one does not fit there.
    """
    with blame(folder), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        return io.BufferedRandom(_Scratch(folder, name, os.dup(file.fileno())), COPY_BYTES)


def require_room(folder: Path, name: str, size: int, written: int = 0) -> None:
    """Raise `Outside` for the file `name` if `size` bytes do not fit into `folder` beside the reserve.

    `written`: so many of them are there already. Whatever is smaller than the reserve itself is let in.
    """
    with blame(folder):
        disk = disk_usage(folder)
    reserve = min(RESERVE_BYTES, disk.total // RESERVE_PART)
    if size > reserve and size - written > disk.free - reserve:
        raise _no_room(folder, name, size, disk.free + written, reserve)


def _no_room(folder: Path, name: str, size: int, free: int, reserve: int) -> Outside:
    words = f"what is in it needs {size:,} bytes or more in {folder}, and {max(0, free - reserve):,} are free"
    check = "make room there, or give folders.state a larger disk"
    return Outside(Target("file", name), f"{words} ({reserve:,} are kept back)", check=check)


class _Scratch(io.FileIO):
    def __init__(self, folder: Path, name: str | None, descriptor: int) -> None:
        super().__init__(descriptor, "r+b")
        self._folder, self._owner = folder, name
        self._written = 0  # bytes

    def readinto(self, buffer: Any) -> int:
        with blame(self._folder):
            return super().readinto(buffer) or 0

    def write(self, data: Any) -> int:
        size = self._written + len(data)
        if self._owner is not None:
            require_room(self._folder, self._owner, size, self._written)
        with blame(self._folder):
            try:
                done = super().write(data) or 0
            except OSError as error:
                # What was written is freed again with this file: the disk has room for all others.
                if self._owner is None or error.errno not in _FULL or not self._written:
                    raise
                raise _no_room(self._folder, self._owner, size, self._written, 0) from error
        self._written += done
        return done
