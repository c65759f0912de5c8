"""Pure: how a CSV file ends: within quotes, or with a record that is shorter than all others?

Such a record, without a line end, is half a one: its writer was cut off. Records that differ anyway (ragged
files), a record that is alone, and one that lacks no more than its line end say nothing. Only the beginning
and the last block are looked at.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from watcher.content.dialect import HEAD_BYTES, JUDGED_RECORDS, Quoting, dialect
from watcher.content.quotes import QuoteCheck
from watcher.content.records import NEWLINE, QUOTE, last_boundary, line_at
from watcher.content.split import mark_bytes
from watcher.core.errors import Unfit
from watcher.core.model import Route
from watcher.core.names import counted

END_BYTES = 1 << 14  # with a last record that is longer there is no telling
_LINE_ENDS = (b"\n", b"\r")


@dataclass(frozen=True, slots=True)
class End:
    """How a CSV file ends."""

    in_quotes: bool = False  # one is open
    start: int = 0  # byte where the last record begins
    fields: int = 0  # of it, where it has no line end and all others have the same number
    others: int = 0  # of each other; 0: they differ, or there is none

    @property
    def is_short(self) -> bool:
        """Whether the last record is half a one."""
        return self.fields < self.others


def refuse_short_end(text: BinaryIO, size: int, route: Route) -> None:
    """Raise `Unfit` where `text` (UTF-8), whose quotes are sound, ends with half a record."""
    end = end_of(text, size, route) if _is_unended(text, size) else None
    if end is None or end.in_quotes or not end.is_short:
        return
    line = line_at(text, end.start)
    raise Unfit(
        f"line {line}: the file ends here after {counted(end.fields, 'field')}, without a line end, and all"
        f" other records have {end.others}: it was not written to its end",
        what_to_do="export or copy the file again; if nothing is missing, put a line end behind it",
        line=line,
    )


def end_of(text: BinaryIO, size: int, route: Route) -> End | None:
    """Say how the first `size` bytes of `text` end, in UTF-8 or another encoding that has ASCII in it.

    None: there is no telling.
    """
    mark = mark_bytes(text)
    head = _read(text, mark, min(size, HEAD_BYTES))
    try:
        written = Quoting(route.quotes != "none", route.escape)
        # By what is whole of it: half a record is no reason to doubt what separates the fields.
        how = dialect(head[: last_boundary(head) or len(head)], route, written=written)
        delimiter = how.delimiter.encode("ascii")
    except (Unfit, UnicodeEncodeError):
        return None
    start = mark + how.skip
    begin = max(start, size - END_BYTES)
    block = _plain(_read(text, begin, size), route)
    if begin > start:
        whole = block.find(NEWLINE) + 1
        if not whole:
            return None
        block, begin = block[whole:], begin + whole
    inside = begin > start and _is_inside(block, delimiter)
    last = last_boundary(block, inside=inside)
    if inside ^ (block.count(QUOTE) & 1):
        return End(in_quotes=True)
    if not last or last == len(block) or route.trailing_delimiter:
        return End()
    whole_ones = QUOTE + block[:last] if inside else block[:last]
    counts = list(_fields(whole_ones, delimiter))[inside:]  # of the first one a part is missing
    if begin > start:
        first = _plain(head[how.skip :], route)
        counts += islice(_fields(first[: last_boundary(first)], delimiter), JUDGED_RECORDS)
    of_last = list(_fields(block[last:], delimiter))
    if len(set(counts)) != 1 or len(of_last) != 1:
        return End()
    return End(start=begin + last, fields=of_last[0], others=counts[0])


def _is_unended(text: BinaryIO, size: int) -> bool:
    return size > 0 and _read(text, size - 1, size) not in _LINE_ENDS


def _read(text: BinaryIO, begin: int, end: int) -> bytes:
    text.seek(begin)
    return text.read(max(0, end - begin))


def _plain(block: bytes, route: Route) -> bytes:
    """Return the block as RFC 4180 would have it, as long as it was: what is escaped is just text."""
    if route.escape is not None:
        block = re.sub(re.escape(route.escape.encode()) + rb"[\s\S]", b"xx", block)
    if route.quotes == "none":
        block = block.replace(QUOTE, b"x")
    return block if NEWLINE in block else block.replace(b"\r", NEWLINE)


def _is_inside(block: bytes, delimiter: bytes) -> bool:
    """Say whether a line begins within quotes: its quotes would stand where none may, were it not so."""
    quotes = block.count(QUOTE)
    if not quotes or QuoteCheck(delimiter).feed(block, quotes):
        return False
    return QuoteCheck(delimiter).feed(QUOTE + block, quotes + 1)


def _fields(block: bytes, delimiter: bytes) -> Iterator[int]:
    """Yield the number of fields of each record that is not blank."""
    lines = io.StringIO(block.decode("latin-1"), newline="")  # a character a byte, whatever they mean
    for row in csv.reader(lines, delimiter=delimiter.decode()):
        if len(row) > 1 or "".join(row).strip():
            yield len(row)
