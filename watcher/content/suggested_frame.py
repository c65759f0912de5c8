"""Pure: which lines of an unknown CSV file may be records: titles above, the header, totals below."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from watcher.content.dialect import Quoting
from watcher.content.suggested_columns import ColumnGuess
from watcher.core.names import counted, listed, shown

_MOST_FOOTERS = 5  # lines
_ODD_NAMES = 5  # one of so many names in a header may look like a value
_SUM = re.compile(
    r"\W*(grand |sub)?(totals?|sums?|summe|gesamt|celkem|razem|suma|average|end|eof|records|rows)\b|\*{2,}",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]|()])")


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and the lines it stands on."""

    text: str
    row: Sequence[str]

    @property
    def filled(self) -> int:
        """How many of its fields are not empty."""
        return sum(bool(field.strip()) for field in self.row)


@dataclass(slots=True)
class CsvGuess:
    """The keys of a route for such a file, and the reasons."""

    delimiter: str = ","
    quoting: Quoting = field(default_factory=Quoting)
    header: bool = False
    header_lines: int = 1
    header_pattern: str = ""  # above it are titles
    footer: str = ""  # a pattern
    comment: str = ""
    trailing_delimiter: bool = False
    empty_rows: bool = False
    columns: list[ColumnGuess] = field(default_factory=list)
    records: int = 0  # that were looked at
    notes: dict[str, str] = field(default_factory=dict)  # by key: for people
    doubts: list[str] = field(default_factory=list)


def framed(records: list[Record], found: CsvGuess, last: list[Record] | None) -> list[Record]:
    """Find titles, header and footer, and return the records between them, the header's first.

    `last`: the last records of the file, where `records` are not all of it.
    """
    width = Counter(len(record.row) for record in records).most_common(1)[0][0]
    first = next(
        (
            at
            for at, record in enumerate(records)
            if len(record.row) == width and record.filled >= min(2, width)
        ),
        0,
    )
    below = _footed(records[first:], width, found, last)
    if first and not _is_header(records[first].row, below[1:]):
        first, below = 0, _footed(records, width, found, last)
    if not _is_header(below[0].row, below[1:]):
        return below
    found.header = True
    if len(below) > 2 and _is_second_header(below[1].row, below[2:]):
        found.header_lines = 2
    if first:
        found.header_pattern = _pattern(below[0].text, records[:first], found.delimiter)
        found.notes["header"] = f"{counted(first, 'line')} above it: {listed([records[0].text[:60]])}"
    return below


def _is_header(row: Sequence[str], others: Sequence[Record]) -> bool:
    """Say whether a row holds names: no value like those below it."""
    names = [name.strip() for name in row if name.strip()]
    odd = [name for name in names if _is_value(name) or not any(map(str.isalpha, name))]
    if not names or len(odd) * _ODD_NAMES > len(names):
        return False
    if not others:
        return True
    for at, name in enumerate(row):
        below = [record.row[at].strip() for record in others if len(record.row) > at]
        if name.strip() and name.strip() in below:
            return False  # it stands there again: a value
    columns = zip(*(record.row for record in others if len(record.row) == len(row)), strict=False)
    typed = any(all(map(_is_value, filter(None, column))) and any(column) for column in columns)
    return typed or not any(any(map(str.isdigit, name)) for name in names)


def _is_second_header(row: Sequence[str], others: Sequence[Record]) -> bool:
    columns = list(zip(*(record.row for record in others if len(record.row) == len(row)), strict=False))
    values = [at for at, column in enumerate(columns) if any(column) and all(map(_is_value, column))]
    return bool(values) and _is_header(row, others) and not any(_is_value(row[at]) for at in values)


def _is_value(text: str) -> bool:
    """Say whether a field is a number or a time, and no name."""
    text = text.strip()
    return text != "" and sum(map(str.isdigit, text)) * 2 >= len(text.replace(" ", ""))


def _footed(
    records: list[Record], width: int, found: CsvGuess, end_of_file: list[Record] | None
) -> list[Record]:
    """Take the footer off; what cannot be told from a record stays."""
    found.footer = ""
    last = records if end_of_file is None else end_of_file
    end = len(last)
    while end > 1 and len(last) - end < _MOST_FOOTERS and _is_footer(last[end - 1], width):
        end -= 1
    if end == len(last):
        return records
    text = last[end].text
    found.footer = _pattern(text, last[:end], found.delimiter)
    found.notes["footer"] = f"the file ends with it: {shown(text[:60])}"
    return records if end_of_file is not None else records[:end]


def _is_footer(record: Record, width: int) -> bool:
    begin = next(filter(None, (each.strip() for each in record.row)), "")
    # One with a value in each field may be a record, whatever it begins with.
    is_full = len(record.row) == width and record.filled == width
    return (_SUM.match(begin) is not None and not is_full) or (len(record.row) == 1 and width > 2)


def _pattern(text: str, others: Sequence[Record], delimiter: str) -> str:
    """Return a regular expression for a line that none of the others matches."""
    ends = [at for at, char in enumerate(text) if char == delimiter]
    for end in [*ends[:3], len(text)]:
        pattern = "^" + re.sub(r"\d+", r"\\d+", _SPECIAL.sub(r"\\\1", text.partition("\n")[0][:end]))
        if len(pattern) > 1 and not any(re.search(pattern, each.text) for each in others):
            return pattern
    return "^" + _SPECIAL.sub(r"\\\1", text.partition("\n")[0]) + "$"
