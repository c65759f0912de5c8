"""Pure: do the first records look like what the route says of them?

Another delimiter, and a header that nobody declared, would go out as rubbish that no check of bytes can see.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from watcher.content.dialect import DELIMITERS, HEAD_BYTES, Dialect, Quoting
from watcher.content.records import last_boundary
from watcher.core.errors import Unfit
from watcher.core.model import Route
from watcher.core.names import shown

Record = tuple[int, Sequence[str]]  # with the line that it begins on

# A date, a time of day or seconds since 1970, however they are written.
_TIME = re.compile(
    r"\d{4}[-/.]\d\d?[-/.]\d\d?([T ].*)?|\d\d?[-/.]\d\d?[-/.]\d{2,4}([T ].*)?|\d\d?:\d\d(:\d\d.*)?"
    r"|\d{9,13}(\.\d+)?",
    re.ASCII,
)
_YAML = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"'}


def refuse_misread(head: bytes, how: Dialect, route: Route, written: Quoting | None = None) -> None:
    """Raise `Unfit` if a file that begins with `head` (UTF-8, up to `HEAD_BYTES`) is not what is said of it.

    `how` is how it is read, `written` how its fields are quoted where that is not as RFC 4180 has it.
    """
    data = head if len(head) < HEAD_BYTES else head[: last_boundary(head) or len(head)]
    text = data[how.skip :].decode("utf-8", "replace")
    quoting, first = written or Quoting(), 2 if how.skip else 1
    rows = _rows(text, how.delimiter, quoting, first)
    if rows:
        if len(route.columns) != 1 and any(len(row) == 1 for _, row in rows):
            others = {other: _rows(text, other, quoting, first) for other in DELIMITERS}
            _refuse_delimiter(rows, others, how, whole=len(head) < HEAD_BYTES)
        _refuse_header(rows, route)


def _rows(text: str, delimiter: str, quoting: Quoting, line: int) -> list[Record]:
    """Return the records but blank ones, of text that begins on `line`."""
    reader = quoting.reader(io.StringIO(text, newline=""), delimiter)
    found, begin = [], line
    try:
        for row in reader:
            if any(field.strip() for field in row):
                found.append((begin, row))
            begin = line + reader.line_num
    except csv.Error:  # a field longer than any may be: what came before will do
        return found
    return found


def _refuse_delimiter(
    rows: Sequence[Record], others: Mapping[str, Sequence[Record]], how: Dialect, *, whole: bool
) -> None:
    """Raise `Unfit` if the records are such only by another delimiter: most have one field, or their numbers
    differ, and by the other one most, or all, have the same number."""
    single = [line for line, row in rows if len(row) == 1]
    ragged = len({len(row) for _, row in rows}) > 1
    for other, found in others.items():
        if other == how.delimiter or not found:
            continue
        width, number = Counter(len(row) for _, row in found).most_common(1)[0]
        mostly = 2 * len(single) > len(rows) and 2 * number > len(found)
        if width > 1 and (mostly or (ragged and single and number == len(found))):
            ours, theirs, line = _named(how.delimiter), _named(other), single[0]
            if len(single) == len(rows):
                where = "in the file" if whole else "at the beginning of the file"
                reason = f"there is no {ours} {where}, and most records have {width} fields with {theirs}"
            elif mostly:
                reason = f"most records have {width} fields with {theirs}, and one with {ours}"
            else:
                reason = f"all records have {width} fields with {theirs}, but not with {ours}"
            raise Unfit(
                f"line {line}: {reason}",
                what_to_do=f"set `delimiter: {_YAML[other]}` for the route",
                line=line,
            )


def _named(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, repr(delimiter))


def _refuse_header(rows: Sequence[Record], route: Route) -> None:
    """Raise `Unfit` if no header is declared, and the first record names what all others have."""
    (line, first), others = rows[0], [row for _, row in rows[1:]]
    if route.header != "none" or not others or not all(map(_is_name, first)):
        return
    for at, name in enumerate(first):
        if all(len(row) > at and _TIME.fullmatch(row[at].strip()) for row in others):
            raise Unfit(
                f"line {line} is text where all others have a time ({shown(name.strip())}): a header?",
                what_to_do="set `header: drop` for the route, which leaves it out; `first` sends it",
                line=line,
            )


def _is_name(field: str) -> bool:
    """Say whether a field may be the name of a column, and not a value with a number in it."""
    return any(map(str.isalpha, field)) and not any(map(str.isdigit, field))
