"""Pure: one pass over all bytes of a CSV file: is it text, are its quotes sound, how many records has it?"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO

from watcher.content.compressed import BLOCK_BYTES
from watcher.content.content import Hasher, blocks, is_blank
from watcher.content.encoding import DOS_END, TextCheck
from watcher.content.lines import LineCount
from watcher.content.quotes import QuoteCheck
from watcher.content.records import (
    NEWLINE,
    QUOTE,
    first_boundary,
    last_boundary,
    line_at,
    quotes_and_newlines,
)
from watcher.content.split import BOM
from watcher.core.errors import Unfit
from watcher.core.model import Route

_LONE_CR = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one pass over the bytes found."""

    sha256: str = ""
    size: int = 0
    blank: bool = False
    records: int = 0  # header included
    none: int = 0  # lines that are no records: blank ones, and rows of nothing but delimiters
    bare: int = 0  # of these, rows of nothing but delimiters
    longest_blank: int = 0  # bytes of blank lines one behind the other
    lone_cr: bool = False  # somewhere, in quotes or not
    sound: bool = True  # every quote stands where one may; else the pass ended there
    ends_at: int | None = None  # the byte where the end mark of DOS stands; the pass ended there


def inspected(
    text: BinaryIO, route: Route, delimiter: bytes | None, hasher: Hasher = hashlib.sha256
) -> Inspection:
    """Read `text` to its end. Quotes are looked at where the delimiter is known.

    Raises `Unfit` for what is no text, for files that were joined, and for a record that is too long.
    """
    sha256, lines = hasher(), LineCount(delimiter or b",")
    check, joints = TextCheck(text), _Joints(text)
    quoting = None if delimiter is None else QuoteCheck(delimiter)
    size, inside, blank = 0, False, True
    lone_cr = _LoneCr()
    begun = 0  # byte offset of the record that has begun and not ended
    for block in blocks(text, min(BLOCK_BYTES, route.max_record)):
        sha256.update(block)
        check.feed(block)
        if (ends_at := joints.feed(block)) is not None:
            return Inspection(ends_at=ends_at)
        data = block.removeprefix(BOM) if size == 0 else block
        blank = blank and is_blank([data])
        left = quotes_and_newlines(data)
        quotes = left.count(QUOTE) if left is not None else 0
        if quoting is not None and not quoting.feed(data, quotes):
            return Inspection(sound=False)
        if size - begun + (first_boundary(block, inside=inside) or len(block)) > route.max_record:
            raise _too_long(line_at(text, begun), route.max_record)
        if end := last_boundary(block, inside=inside, quotes=quotes):
            begun = size + end
        if data:
            lines.feed(data, left, inside=inside)
        lone_cr.feed(block)
        inside ^= bool(quotes & 1)
        size += len(block)
    check.feed(b"", final=True)
    lines.finish()
    return Inspection(
        sha256.hexdigest(),
        size,
        blank,
        lines.records,
        lines.blank + lines.bare,
        lines.bare,
        lines.longest_blank,
        lone_cr=lone_cr.finish(),
        sound=not inside if quoting is None else quoting.finish(),
    )


class _Joints:
    """Looks, block by block, for the marks that files leave within another when they are joined."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = 0  # bytes seen
        self._end = b""  # the last two

    def feed(self, block: bytes) -> int | None:
        """Look at the next block; return the byte where the text ends by an end mark, if it does.

        Raises `Unfit` for a mark that is in the middle of the file.
        """
        if BOM[:1] in block or BOM[:1] in self._end:  # to look for one byte is far quicker
            begin = len(BOM) if self._size == 0 and block.startswith(BOM) else 0
            places = [self._size + block.find(BOM, begin)] if BOM in block[begin:] else []
            if (across := (self._end + block[:2]).find(BOM)) >= 0:
                places.append(self._size - len(self._end) + across)
            if places:
                raise self._joined(min(places), "a byte order mark (U+FEFF)")
        if (at := block.find(DOS_END)) >= 0:
            at += self._size
            if _nothing_behind(self._file, at):
                return at
            raise self._joined(at, "the end mark of DOS (0x1A)")
        self._size += len(block)
        self._end = block[-2:]
        return None

    def _joined(self, at: int, what: str) -> Unfit:
        line = line_at(self._file, at)
        return Unfit(
            f"line {line}: there is {what} in the middle of the file, as `copy a+b` leaves it",
            what_to_do="take it out, and the header of the second file with it; or drop the files one by one",
            line=line,
        )


class _LoneCr:
    """Looks for a CR that no LF follows, block by block."""

    def __init__(self) -> None:
        self._found = False
        self._at_end = False  # of the last block

    def feed(self, block: bytes) -> None:
        """Look at the next block."""
        self._found = self._found or (self._at_end and not block.startswith(NEWLINE))
        self._at_end = block.endswith(b"\r")
        if not self._found and b"\r" in block:
            self._found = _LONE_CR.search(block, 0, len(block) - self._at_end) is not None

    def finish(self) -> bool:
        """Say whether there is one."""
        return self._found or self._at_end


def _nothing_behind(file: BinaryIO, at: int) -> bool:
    """Say whether there is nothing from byte `at` on but end marks and blanks."""
    file.seek(at)
    return not any(block.strip(DOS_END + b" \t\r\n") for block in iter(lambda: file.read(BLOCK_BYTES), b""))


def _too_long(line: int, max_record: int) -> Unfit:
    return Unfit(
        f"the record that begins on line {line} is longer than {max_record:,} bytes",
        what_to_do="look for a quote that is never closed, or raise upload.max_record",
        line=line,
    )
