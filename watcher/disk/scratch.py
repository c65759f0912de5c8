"""Files that nobody sees: without a name, gone with their last handle, or with the process."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from watcher.disk.files import COPY_BYTES, blame


def scratch_file(folder: Path) -> BinaryIO:
    """Return an empty file in `folder` that has no name and ends with its last handle, or this process.

    Reading and writing it raises `Outside` for `folder`.
    """
    with blame(folder), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        return io.BufferedRandom(_Scratch(folder, os.dup(file.fileno())), COPY_BYTES)


class _Scratch(io.FileIO):
    def __init__(self, folder: Path, descriptor: int) -> None:
        super().__init__(descriptor, "r+b")
        self._folder = folder

    def readinto(self, buffer: Any) -> int:
        with blame(self._folder):
            return super().readinto(buffer) or 0

    def write(self, data: Any) -> int:
        with blame(self._folder):
            return super().write(data) or 0
