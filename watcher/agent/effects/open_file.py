"""A claimed file that was inspected and is open: is it still what was inspected?"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from watcher.content.content import Content
from watcher.content.records import NEWLINE, line_at
from watcher.core.acts import Found
from watcher.core.errors import NotWhole
from watcher.core.model import Chunk
from watcher.disk import files
from watcher.disk.claim import changed_at, digest_now, require_same_version

ROUNDS = 5  # that a file is read whose change time moves each time while it is read


@dataclass(slots=True)
class OpenFile:
    """A file that was inspected: as it is, and what is sent of it. One act at a time has it."""

    path: Path
    folder: Path  # that is to blame where it cannot be read
    file: BinaryIO
    status: os.stat_result  # from before it was inspected
    content: Content
    scratches: ExitStack  # holds all open files
    work: Path | None  # our part of the work folder, where it lies there
    known_at: int  # its change time when its content was found to be what was inspected; ns since 1970

    def close(self) -> None:
        """Close the file, and scratch files."""
        self.scratches.close()

    def check(self) -> None:
        """Raise `NotWhole` where the file is not as it was when it was inspected, `Outside` where something
        else stands in the place of the folder that it lies in.

        Where only its change time differs (a chmod, an attribute that a scanner or Samba wrote) its content
        is hashed once more and decides: the modification time proves nothing then, for anybody can set it
        back. That is done once for each change, however often this is asked.
        """
        with files.blame(self.folder, self.path.name):
            for _ in range(ROUNDS):
                require_same_version(self.path, self.file, self.status, work=self.work)
                now = changed_at(self.file)
                if now == self.known_at:
                    return
                if digest_now(self.path, self.file) != self.content.source_sha256:
                    raise NotWhole
                self.known_at = now  # it may have moved while the file was read: look again
        raise NotWhole


def opened_of(found: Found) -> OpenFile:
    """Return the open file of what an inspection found."""
    assert isinstance(found.opened, OpenFile)
    return found.opened


def lines_of(opened: OpenFile, chunk: Chunk) -> str:
    """Return the lines of the dropped file that `chunk` has, or its elements, where it is an array."""
    opened.check()
    content = opened.content
    with files.blame(opened.folder, opened.path.name):
        begin = line_at(content.file, chunk.start)
    end = begin + chunk.raw.count(NEWLINE) - chunk.raw.endswith(NEWLINE)
    if content.opening.array:
        return f"elements {begin}-{end}" if end > begin else f"element {end}"
    first, last = map(content.line_in_source, (begin, end))
    return f"{first}-{last}" if last > first else str(first)
