"""What goes out of a file: `Content`, the result of the preflight, and the few ways to read a whole file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from watcher.content.changes import UNCHANGED, Changes
from watcher.content.compressed import BLOCK_BYTES
from watcher.content.spans import Spans
from watcher.content.split import Opening

SHOWN_PROBLEMS = 10  # of a file, in its report; all are counted


class Hash(Protocol):
    """A digest that is worked out block by block."""

    def update(self, block: bytes, /) -> None:
        """Continue it."""

    def hexdigest(self) -> str:
        """Return it, in hex."""


class NoHash:
    """No digest, where nobody asks for it."""

    def update(self, _block: bytes, /) -> None:
        """Do nothing."""

    def hexdigest(self) -> str:
        """Return nothing."""
        return ""


Hasher = Callable[[], Hash]  # gives a SHA-256 of nothing yet, as often as it is called
Scratch = Callable[[], BinaryIO]  # gives an empty file to write to and read from, as often as it is called


@dataclass(frozen=True, slots=True)
class Content:
    """What one look at a file found, and what is sent of it."""

    file: BinaryIO  # the file itself, or a scratch file with what was made of it
    opening: Opening
    size: int  # bytes of `file`
    sha256: str  # of `file`, in hex
    source_sha256: str = ""  # of the file that was dropped; until that is known, of the text that was in it
    cuttable: bool = True  # it may go out in several chunks
    empty: bool = False  # nothing to send: no bytes, blank lines only, or no record behind the header
    records: int = 0  # without the header; of JSON the elements of the array, or 1
    encoding: str = ""  # for people
    dialect: str = ""  # for people
    bad: int = 0  # records set aside
    problems: tuple[str, ...] = ()  # the first of them
    bad_lines: Spans | tuple[()] = ()  # of the dropped file: those of each bad record
    aside: BinaryIO | None = None  # the bad records as they were, below the header
    lines_before: int = 0  # of the dropped file, that `file` has not
    left_out: Spans | tuple[()] = ()  # of the dropped file: lines that are not in `file`, behind those before
    changes: Changes = UNCHANGED  # where the route brings it into shape
    blank_out: Spans | tuple[()] = ()  # of `file` with them: blank lines that were taken out in the end

    def line_in_source(self, line: int) -> int:
        """Return the line of the dropped file that line `line` of what is sent stands on."""
        return _behind(_behind(line, self.blank_out) + self.lines_before, self.left_out)


def _behind(line: int, gaps: Spans | tuple[()]) -> int:
    """Return which line a line is with the lines that were taken out before it."""
    for first, last in gaps:
        if first > line:
            break
        line += last - first + 1
    return line


def blocks(file: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the whole file, in blocks of `size` bytes."""
    file.seek(0)
    return iter(lambda: file.read(size), b"")


def beginning(file: BinaryIO, size: int, scratch: Scratch) -> BinaryIO:
    """Return a scratch file with the first `size` bytes of `file`."""
    out, left = scratch(), size
    file.seek(0)
    while left and (block := file.read(min(BLOCK_BYTES, left))):
        out.write(block)
        left -= len(block)
    return out


def is_blank(parts: Iterable[bytes]) -> bool:
    """Say whether there is nothing but blanks and line ends."""
    return not any(part.strip() for part in parts)


def digest(file: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 of the whole file, in hex, and its size in bytes."""
    sha256, size = hashlib.sha256(), 0
    for block in blocks(file):
        sha256.update(block)
        size += len(block)
    return sha256.hexdigest(), size
