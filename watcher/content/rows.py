"""Pure: one pass over the records of a CSV file: each is checked, and written anew where that is asked for.

The file is UTF-8 and its quotes balance: that was checked before. What is written depends on the file and
the route alone, so that it is the same after a restart. Memory is bounded by a group of lines and one record.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, BinaryIO, Literal

from watcher.content.by_column import by_column
from watcher.content.columns import RecordCheck, Row, check_header
from watcher.content.content import SHOWN_PROBLEMS, Scratch
from watcher.content.spans import Spans
from watcher.core.errors import Unfit
from watcher.core.model import Route

GROUP_CHARS = 1 << 16  # so that the fields of a group stay in the processor's cache
BLANKS = " \t\v\f"  # a line of nothing else is no record
LISTED_RECORDS = 10  # bad ones, whose lines a report lists


@dataclass(slots=True)
class Findings:
    """What the pass found."""

    records: int = 0  # good ones, without the header
    widest: int = 0  # fields of the record that has most
    problems: list[str] = field(default_factory=list)  # the first ones, each with its line
    bad: int = 0  # records with a problem
    lines: Spans = field(default_factory=Spans)  # of bad records; where they fail the file, the first ones
    left_out: Spans = field(default_factory=Spans)  # of records that are not written: bad ones, empty rows
    header_ends: int = 0  # the last line of the header
    out: BinaryIO | None = None  # the records as they go out, where that is not as they are

    def note(self, problems: list[str], first: int, last: int, *, aside: bool) -> None:
        """Take note of a bad record, which stands on these lines; `aside`: it is set aside, and the others go
        out; else nothing of the file does."""
        self.bad += 1
        if aside:
            self.left_out.add(first, last)
        else:
            self.out = None
        if aside or self.bad <= LISTED_RECORDS + 1:
            self.lines.add(first, last)
        for words in problems[: SHOWN_PROBLEMS - len(self.problems)]:
            joint = "," if words.startswith("column ") else ":"
            self.problems.append(f"line {first}{joint} {words}")


@contextmanager
def lines_of(file: BinaryIO, start: int) -> Iterator[Iterator[list[str]]]:
    """Give the lines of `file` from byte `start` on, as they are, in lists of a bounded size."""
    file.seek(start)
    # Lines end at LF alone, as everywhere in the preflight: a CR that ends one was made an LF before.
    text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
    try:
        yield iter(lambda: text.readlines(GROUP_CHARS), [])
    finally:
        text.detach()  # or the wrapper would close the file that it was lent


def check_rows(
    file: BinaryIO,
    route: Route,
    *,
    start: int,
    first_line: int,
    delimiter: str,
    empty_lines: bool,
    bare_rows: bool,
    now: datetime,
    scratch: Scratch,
) -> Findings:
    """Read every record of `file` from byte `start` on, which is on line `first_line`, and check it.

    `empty_lines` says whether there are lines that are no records, `bare_rows` whether some of them are
    nothing but delimiters. Where the delimiter is no comma, the columns are in another order, or something is
    left out, the good records are written anew: fields separated by commas, lines ended by LF. Raises `Unfit`
    for a header that is not the route's.
    """
    dropping = bare_rows and route.empty_rows == "drop"
    pass_over = _Pass(route, now, first_line, scratch, quick=not empty_lines, dropping=dropping)
    if delimiter != "," or dropping or route.trailing_delimiter:
        pass_over.found.out = scratch()
    with lines_of(file, start) as groups:
        rest: Iterator[list[str]] = iter(())
        for lines in groups:
            text = "".join(lines)
            if '"' in text:
                rest = chain([lines], groups)
                break
            pass_over.take_plain(lines, text, delimiter)
        for lines in whole_records(rest):
            pass_over.take(parsed(csv.reader(lines, delimiter=delimiter)), len(lines))
    return pass_over.found


class _Pass:
    """The state of one pass; `take` is given every record, in batches."""

    def __init__(
        self, route: Route, now: datetime, line: int, scratch: Scratch, *, quick: bool, dropping: bool
    ) -> None:
        self.found = Findings()
        self._route = route
        self._now = now
        self._line = line  # that the next record begins on
        self._scratch = scratch
        self._check = RecordCheck(route.columns, now)
        self._order: list[int] | None = None
        self._wants_header = route.header != "none"
        self._quick = quick and not route.trailing_delimiter  # lines without quotes may go as they are
        self._dropping = dropping  # rows without any value

    def take_plain(self, lines: list[str], text: str, delimiter: str) -> None:
        """Check and write records of a file that had no quote so far: each line is one, and quickly so."""
        text = text.replace("\r\n", "\n")
        # What the csv module would write is what stands there, but for the delimiter and the line ends.
        simple = self._quick and "\r" not in text and not self._wants_header and self._order is None
        plain = simple and (delimiter == "," or "," not in text)
        columns = self._route.columns
        if plain and (not columns or self._check.all_sound(by_column(text, len(columns), delimiter))):
            self.found.widest = max(self.found.widest, len(columns) or 1 + (delimiter in text))
            self.found.records += len(lines)
            self._line += len(lines)
            self._put(text.replace(delimiter, ","))
        else:
            self.take(parsed(csv.reader(lines, delimiter=delimiter)), len(lines))

    def take(self, rows: list[Row], height: int) -> None:
        """Check the next records, which stand on `height` lines, and write the good ones."""
        line_behind = self._line + height
        if not self._quick:
            rows = self._tidied(rows)
        if self._wants_header:
            rows = self._behind_header(rows)
        self.found.widest = max(self.found.widest, max(map(len, rows), default=0))
        problems = self._check.problems(rows)
        empty = {number for number, row in enumerate(rows) if is_bare(row)} if self._dropping else set()
        if problems or empty:
            problems = {number: problems[number] for number in problems if number not in empty}
            self._note(rows, problems, empty)
            rows = [row for number, row in enumerate(rows) if number not in problems and number not in empty]
        self._line = line_behind
        self.found.records += len(rows) - rows.count([])
        self._write(rows)

    def _tidied(self, rows: list[Row]) -> list[Row]:
        """Return the rows with nothing for a line of blanks, and without what a trailing delimiter begins."""
        rows = [[] if len(row) == 1 and row[0] and not row[0].strip(BLANKS) else row for row in rows]
        return without_last(rows) if self._route.trailing_delimiter else rows

    def _behind_header(self, rows: list[Row]) -> list[Row]:
        """Take the header off, once it is there."""
        at = first_filled(rows)
        if at is None:
            return rows
        self._wants_header = False
        columns = self._route.columns
        if columns:
            line = self._line + sum(map(height_of, rows[:at]))
            self._order = check_header(rows[at], self._route, line)
        if self._order is not None:
            # As the file has them, so that a problem names the place in the file.
            in_file = sorted(zip(self._order, columns, strict=True), key=itemgetter(0))
            self._check = RecordCheck([column for _, column in in_file], self._now)
            self.found.out = self.found.out or self._scratch()
        self._line += sum(map(height_of, rows[: at + 1]))
        self.found.header_ends = self._line - 1
        self._write(rows[: at + 1])
        return rows[at + 1 :]

    def _note(self, rows: list[Row], problems: Mapping[int, list[str]], empty: Container[int]) -> None:
        for number, row in enumerate(rows):
            first, self._line = self._line, self._line + height_of(row)
            if number in empty:
                self.found.left_out.add(first, self._line - 1)
            if number in problems:
                aside = self._route.bad_records == "set_aside"
                self.found.note(problems[number], first, self._line - 1, aside=aside)

    def _write(self, rows: list[Row]) -> None:
        if self.found.out is None or not rows:
            return
        if self._order is not None:
            pick = itemgetter(*self._order)
            rows = [pick(row) if row else row for row in rows]
        self._put(as_csv(rows))

    def _put(self, text: str) -> None:
        if self.found.out is not None:
            self.found.out.write(text.encode())


def as_csv(rows: Iterable[Row], delimiter: str = ",") -> str:
    """Return the records as RFC 4180 has them, with LF; quotes are where they must be."""
    text = _written(rows, csv.QUOTE_MINIMAL, delimiter)
    # Before Python 3.13 a field with a lone CR in it is left unquoted, and readers end a record there.
    return text if "\r" not in text else _written(rows, csv.QUOTE_ALL, delimiter)


def _written(rows: Iterable[Row], quoting: Literal[0, 1], delimiter: str) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
    return written.getvalue()


def without_last(rows: list[Row]) -> list[Row]:
    """Return records without the field that a trailing delimiter seems to begin."""
    return [row[:-1] if len(row) > 1 and not row[-1] else row for row in rows]


def first_filled(rows: list[Row]) -> int | None:
    """Return the place of the first record that is no blank line; None: there is none."""
    return next((place for place, row in enumerate(rows) if len(row) > 1 or "".join(row).strip()), None)


def whole_records(
    groups: Iterator[list[str]], taken: Callable[[list[str]], bool] | None = None
) -> Iterator[list[str]]:
    """Yield the lines in lists that end where a record does, each of about one group of lines, so that memory
    is bounded: what a group ends within goes with the next one. What `taken` takes is left out."""
    held: list[str] = []  # the record that has begun
    for group in groups:
        if taken is not None and not held and taken(group):
            continue
        lines, group_held = group, []
        if held or "".join(group).count('"') & 1:
            end = _last_end(group, inside=bool(held))
            lines, group_held = group[:end], group[end:]
        if not lines:
            held += group_held
            continue
        lines, held = (held + lines if held else lines), group_held
        yield lines
    if held:
        yield held


def _last_end(lines: list[str], *, inside: bool) -> int:
    """Return how many of these lines are up to the end of the last record that ends in them."""
    end = 0
    for number, line in enumerate(lines, start=1):
        inside ^= bool(line.count('"') & 1)
        if not inside:
            end = number
    return end


def parsed(reader: Any) -> list[Row]:
    """Return the records of a reader."""
    with record_fault():
        return list(reader)


@contextmanager
def record_fault() -> Iterator[None]:
    """Turn what the csv module says of records that it cannot read into `Unfit`."""
    try:
        yield
    except csv.Error as error:
        larger = "field larger" in str(error)
        raise Unfit(
            "a field is longer than upload.max_record"
            if larger
            else "the records cannot be told apart: a quote or a line end stands where none may",
            what_to_do="look for quotes that are not closed, and drop the file again",
        ) from error


def is_bare(row: Row) -> bool:
    """Say whether a record has fields, and nothing in any of them."""
    return len(row) > 1 and not "".join(row).strip()


def height_of(row: Row) -> int:
    """Return the number of lines that a record stands on."""
    return 1 + "".join(row).count("\n")


def marked_lines(
    file: BinaryIO, *, start: int, first_line: int, rows: Findings
) -> Iterator[tuple[bool, bool, str]]:
    """Yield every line of `file` from byte `start` on, as it is: is it of a bad record, of the header?"""
    spans = iter(rows.lines)
    first, last = next(spans, (0, 0))
    with lines_of(file, start) as groups:
        for number, line in enumerate(chain.from_iterable(groups), start=first_line):
            if last and number > last:
                first, last = next(spans, (0, 0))
            yield first <= number <= last, number <= rows.header_ends, line
