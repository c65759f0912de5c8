"""Pure: one pass over the records of a CSV file that are brought into the API's shape: each is made anew,
then checked, then written. Like `rows`, but that no record goes out as it is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from typing import BinaryIO

from watcher.content.by_column import by_column, by_quoted_column
from watcher.content.columns import RecordCheck, Row
from watcher.content.content import Scratch
from watcher.content.convert import Unreadable
from watcher.content.rows import (
    BLANKS,
    Findings,
    as_csv,
    first_filled,
    height_of,
    is_bare,
    lines_of,
    parsed,
    whole_records,
    without_last,
)
from watcher.content.shape import Shaper
from watcher.core.model import Route


@dataclass(slots=True)
class Shaped(Findings):
    """What the pass found and did."""

    padded: int = 0  # records that were short, and are filled up
    dropped: tuple[str, ...] = ()  # columns of the header that are left out
    empty: int = 0  # rows of nothing but delimiters that are left out
    before: list[Row] = field(default_factory=list)  # the first records, as the file has them
    after: list[Row] = field(default_factory=list)  # the same as they go out


SHOWN_RECORDS = 3
_FEW_RECORDS = 16  # that are looked at one by one


def shape_rows(
    file: BinaryIO,
    route: Route,
    *,
    start: int,
    first_line: int,
    delimiter: str,
    bare_rows: bool,
    now: datetime,
    scratch: Scratch,
) -> Shaped:
    """Read every record of `file` from byte `start` on, which is on line `first_line`; shape, check, write.

    `bare_rows` says whether there are rows of nothing but delimiters. Raises `Unfit` for a header that lacks
    a column, or has one that nobody named.
    """
    shaping = _Shaping(route, now, first_line, scratch(), dropping=bare_rows and route.empty_rows == "drop")
    with lines_of(file, start) as groups:
        for lines in whole_records(groups, partial(shaping.taken_quickly, delimiter)):
            shaping.take(parsed(csv.reader(lines, delimiter=delimiter)), len(lines))
    shaping.found.dropped = shaping.shaper.dropped
    return shaping.found


class _Shaping:
    """The state of one pass; it is given every record, in batches."""

    def __init__(self, route: Route, now: datetime, line: int, out: BinaryIO, *, dropping: bool) -> None:
        self.found = Shaped(out=out)
        self.shaper = Shaper(route)
        self._route, self._now, self._line = route, now, line
        self._wants_header = route.header != "none"
        self._dropping = dropping  # rows without any value
        self._check = RecordCheck(route.columns, now, self.shaper.places)

    def taken_quickly(self, delimiter: str, lines: list[str]) -> bool:
        """Take lines of which each is a record, if all have the same fields and are quoted alike; only then a
        quote in them is one that begins or ends a field, and the last record ends with them."""
        width = self.shaper.width
        if not width or self._wants_header or self._route.trailing_delimiter:
            return False
        fields = _by_column("".join(lines), width, delimiter)
        if not (fields and len(fields[0]) == len(lines) and self._taken(fields, len(lines))):
            return False
        self._line += len(lines)
        return True

    def take(self, rows: list[Row], height: int) -> None:
        """Take the next records, which stand on `height` lines."""
        behind = self._line + height
        if self._route.trailing_delimiter:
            rows = without_last(rows)
        if self._wants_header:
            rows = self._behind_header(rows)
        if rows:
            self._take_records(rows, behind - self._line)
        self._line = behind

    def _take_records(self, rows: list[Row], height: int) -> None:
        widths = set(map(len, rows))
        width = self.shaper.width or 0
        self.found.widest = max(self.found.widest, *widths)
        if min(widths) > 1 or width == 1:  # no blank line, which is none
            fitted = rows if widths == {width} else [self.shaper.fitted(row) or [] for row in rows]
            if all(fitted) and self._taken(list(zip(*fitted, strict=True)), len(rows), height - len(rows)):
                self.found.padded += sum(len(row) < width for row in rows) if min(widths) < width else 0
                return
        if len(rows) <= _FEW_RECORDS:
            self._one_by_one(rows)
            return
        # One of them is bad: around it the others are taken as quickly as ever.
        middle = len(rows) // 2
        for part in (rows[:middle], rows[middle:]):
            behind = self._line + (len(part) if height == len(rows) else sum(map(height_of, part)))
            self._take_records(part, behind - self._line)
            self._line = behind

    def _taken(self, fields: Sequence[Sequence[str]], number: int, breaks: int = 0) -> bool:
        """Shape and write records whose fields come column by column, with so many line breaks in them.

        False: one of them is bad, or none, or does not keep its line breaks.
        """
        if (self._dropping or len(fields) == 1) and _may_be_bare(fields):
            return False
        try:
            made = self.shaper.columns(fields, number)
        except Unreadable:
            return False
        if not self._check.all_sound(made):
            return False
        if breaks and "".join(chain.from_iterable(made)).count("\n") != breaks:
            return False
        if len(self.found.after) < SHOWN_RECORDS:
            self._show(list(zip(*fields, strict=True)), list(zip(*made, strict=True)))
        self.found.widest = max(self.found.widest, len(fields))
        self.found.records += number
        self._write_columns(made, number)
        return True

    def _behind_header(self, rows: list[Row]) -> list[Row]:
        at = first_filled(rows)
        above = rows if at is None else rows[:at]
        for row in above:
            height = height_of(row)
            self.found.left_out.add(self._line, self._line + height - 1)
            self._line += height
        if at is None:
            return []
        self._wants_header = False
        self.shaper.header(rows[at], self._line)
        self._check = RecordCheck(self._route.columns, self._now, self.shaper.places)
        height = height_of(rows[at])
        if height > 1:  # the one that is written stands on one line
            self.found.left_out.add(self._line, self._line + height - 2)
        self._line += height
        self.found.header_ends = self._line - 1
        self._write([[column.name for column in self._route.columns]])
        return rows[at + 1 :]

    def _one_by_one(self, rows: list[Row]) -> None:
        good: list[Row] = []
        for row in rows:
            height = height_of(row)
            first, last = self._line, self._line + height - 1
            self._line = last + 1
            bare = is_bare(row) and self._dropping
            if bare or (len(row) <= 1 and not "".join(row).strip(BLANKS)):
                self.found.empty += bare
                self.found.left_out.add(first, last)
                continue
            made, problems = self._shaped(row)
            if problems:
                self.found.note(problems, first, last, aside=self._route.bad_records == "set_aside")
                continue
            if height > 1:
                self._note_height(made, first, height)
            self._show([row], [made])
            good.append(made)
        self.found.records += len(good)
        self._write(good)

    def _note_height(self, made: Row, first: int, height: int) -> None:
        """Count the lines that a record does not stand on any more as left out."""
        now = height_of(made)
        if now < height:
            self.found.left_out.add(first, first + height - now - 1)

    def _shaped(self, row: Row) -> tuple[Row, list[str]]:
        fitted = self.shaper.fitted(row)
        if fitted is None:
            return row, [self.shaper.misfit(row)]
        made, problems = self.shaper.row(fitted)
        if not problems:
            problems = self._check.problems([made]).get(0, [])
            self.found.padded += len(fitted) > len(row) and not problems
        return made, problems

    def _show(self, before: Sequence[Row], after: Sequence[Row]) -> None:
        room = SHOWN_RECORDS - len(self.found.after)
        self.found.before += before[:room] if room > 0 else []
        self.found.after += after[:room] if room > 0 else []

    def _write_columns(self, made: Sequence[Sequence[str]], number: int) -> None:
        """Write records as the csv module would, where nothing in them needs quotes: quicker than by it."""
        rows = list(zip(*made, strict=True))
        text = "\n".join(map(",".join, rows))
        plain = (
            len(made) > 1
            and '"' not in text
            and "\r" not in text
            and text.count(",") == number * (len(made) - 1)
            and text.count("\n") == number - 1
        )
        if not plain:
            self._write(rows)
        elif self.found.out is not None:
            self.found.out.write(f"{text}\n".encode())

    def _write(self, rows: Sequence[Row]) -> None:
        if self.found.out is not None and rows:
            self.found.out.write(as_csv(rows).encode())


def _may_be_bare(fields: Sequence[Sequence[str]]) -> bool:
    """Say whether there may be a record without any value: then each field of it is empty."""
    return all("" in column or any(map(str.isspace, column)) for column in fields)


def _by_column(text: str, columns: int, delimiter: str) -> list[Sequence[str]]:
    """Return the fields of lines column by column, if all have the same and are quoted alike."""
    if '"' in text:
        return by_quoted_column(text, columns, delimiter)
    text = text.replace("\r\n", "\n") if "\r" in text else text
    return by_column(text, columns, delimiter) if "\r" not in text else []
