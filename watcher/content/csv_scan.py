"""Pure: one pass over all bytes of a CSV file: is it text, are its quotes sound, how many records has it?"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO

from watcher.content.compressed import BLOCK_BYTES
from watcher.content.content import blocks, is_blank
from watcher.content.encoding import TextCheck
from watcher.content.quotes import QuoteCheck
from watcher.content.records import (
    NEWLINE,
    QUOTE,
    RecordCounter,
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

    sha256: str
    size: int
    blank: bool
    records: int  # header included
    lone_cr: bool  # somewhere, in quotes or not
    sound: bool  # every quote stands where one may


def inspected(text: BinaryIO, route: Route, delimiter: bytes | None) -> Inspection:
    """Read `text` to its end. Quotes are looked at where the delimiter is known.

    It ends early where they are not sound. Raises `Unfit` for what is no text, and for a record that is too
    long.
    """
    sha256, counter = hashlib.sha256(), RecordCounter()
    check = TextCheck(text)
    quoting = None if delimiter is None else QuoteCheck(delimiter)
    size, inside, blank = 0, False, True
    lone_cr = _LoneCr()
    begun = 0  # byte offset of the record that has begun and not ended
    for block in blocks(text, min(BLOCK_BYTES, route.max_record)):
        sha256.update(block)
        check.feed(block)
        blank = blank and is_blank([block.removeprefix(BOM if size == 0 else b"")])
        left = quotes_and_newlines(block)
        quotes = left.count(QUOTE) if left is not None else 0
        if quoting is not None and not quoting.feed(block.removeprefix(BOM) if size == 0 else block, quotes):
            return Inspection("", size, blank, 0, lone_cr=False, sound=False)
        if size - begun + (first_boundary(block, inside=inside) or len(block)) > route.max_record:
            raise _too_long(line_at(text, begun), route.max_record)
        if end := last_boundary(block, inside=inside, quotes=quotes):
            begun = size + end
        counter.feed(block, left, inside=inside)
        lone_cr.feed(block)
        inside ^= bool(quotes & 1)
        size += len(block)
    check.feed(b"", final=True)
    sound = not inside if quoting is None else quoting.finish()
    return Inspection(sha256.hexdigest(), size, blank, counter.finish(), lone_cr.finish(), sound)


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


def _too_long(line: int, max_record: int) -> Unfit:
    return Unfit(
        f"the record that begins on line {line} is longer than {max_record:,} bytes",
        what_to_do="look for a quote that is never closed, or raise upload.max_record",
        line=line,
    )
