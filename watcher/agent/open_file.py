"""A claimed file that was inspected and is open: is it still what was inspected?"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from watcher.content.content import Content
from watcher.core.errors import NotWhole
from watcher.disk import files
from watcher.disk.claim import changed_at, digest_now, is_same_version

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
    known_at: int  # its change time when its content was found to be what was inspected; ns since 1970

    def close(self) -> None:
        """Close the file, and scratch files."""
        self.scratches.close()

    def check(self) -> None:
        """Raise `NotWhole` where the file is not as it was when it was inspected.

        Where only its change time differs (a chmod, an attribute that a scanner or Samba wrote) its content
        is hashed once more and decides: the modification time proves nothing then, for anybody can set it
        back. That is done once for each change, however often this is asked.
        """
        with files.blame(self.folder, self.path.name):
            for _ in range(ROUNDS):
                if not is_same_version(self.path, self.file, self.status):
                    raise NotWhole
                now = changed_at(self.file)
                if now == self.known_at:
                    return
                if digest_now(self.path, self.file) != self.content.source_sha256:
                    raise NotWhole
                self.known_at = now  # it may have moved while the file was read: look again
        raise NotWhole
