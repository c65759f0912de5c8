"""Pure: how a CSV file of which nothing is known may be written: a suggestion for a person to correct."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence

from watcher.content.dialect import DELIMITERS, SEP_LINE, Quoting
from watcher.content.quotes import first_misplaced
from watcher.content.suggested_columns import are_clocks, dates_of, guessed, times_of
from watcher.content.suggested_frame import CsvGuess, Record, framed
from watcher.core.names import counted

MOST_COLUMNS = 200  # that anybody will read
_DROPPED = "`others: drop` leaves the others out"


def suggested_csv(text: str, tail: str | None) -> CsvGuess:
    """Return how `text` may be written, the whole records at the beginning of a file; `tail`: the last lines
    of the file, where `text` is not all of it."""
    found = CsvGuess()
    if mark := SEP_LINE.match(text.encode()):
        found.delimiter, text = mark[1].decode("utf-8", "replace"), text[len(mark[0].decode()) :]
    else:
        found.delimiter = ""
    records = _records(text, found)
    records = _without_special(records, found)
    if not records:
        found.doubts.append("there is no record in what was looked at")
        return found
    last = None
    if tail is not None:  # the end of the file stands elsewhere
        last = [record for record in _read(tail, found.delimiter, found.quoting) if record.filled]
    records = framed(records, found, last)
    _columns(records, found)
    return found


# -- how it is written -------------------------------------------------------------------------------


def _records(text: str, found: CsvGuess) -> list[Record]:
    """Choose quotes and delimiter, and return the records by them."""
    delimiters = [found.delimiter] if found.delimiter else list(DELIMITERS)
    best: tuple[int, int] = (-1, 0)
    records: list[Record] = []
    for delimiter in delimiters:
        quoting = _quoting(text, delimiter)
        tried = _read(text, delimiter, quoting)
        widths = Counter(len(record.row) for record in tried)
        width, number = widths.most_common(1)[0] if widths else (0, 0)
        score = (number if width > 1 else 0, width)
        if score > best:
            best, records = score, tried
            found.delimiter, found.quoting = delimiter, quoting
            found.doubts.clear()
        elif score == best and best[0]:
            found.doubts.append(f"{DELIMITERS.get(delimiter, delimiter)} would do as the delimiter, too")
    if best[1] <= 1:
        found.notes["delimiter"] = "no delimiter was found: records of one field?"
    return records


def _quoting(text: str, delimiter: str) -> Quoting:
    if first_misplaced(io.BytesIO(text.encode()), delimiter.encode()) is None:
        return Quoting()
    if '\\"' in text:
        escaped = Quoting(escape="\\")
        hidden = re.sub(r"\\.", "xx", text, flags=re.DOTALL)
        if first_misplaced(io.BytesIO(hidden.encode()), delimiter.encode()) is None:
            return escaped
    return Quoting(quotes=False)


def _read(text: str, delimiter: str, quoting: Quoting) -> list[Record]:
    lines = text.splitlines(keepends=True) if "\r" not in text else io.StringIO(text, newline="").readlines()
    reader = quoting.reader(lines, delimiter)
    found, begin = [], 0
    try:
        for row in reader:
            if any(row):
                found.append(Record("".join(lines[begin : reader.line_num]).rstrip("\r\n"), row))
            elif row:
                found.append(Record("", row))
            begin = reader.line_num
    except csv.Error:
        pass  # a field longer than any may be: what came before will do, and the check at the end tells it
    return found


def _without_special(records: list[Record], found: CsvGuess) -> list[Record]:
    """Take out comments, rows of nothing but delimiters, and the field behind a trailing delimiter."""
    width = Counter(len(record.row) for record in records).most_common(1)[0][0] if records else 0
    odd = [record for record in records if record.text.startswith("#")]
    # One as wide as the records may be one of them: then there is no telling.
    if odd and len(odd) < len(records) and not any(len(record.row) == width for record in odd):
        found.comment = "#"
        found.notes["comment"] = f"{counted(len(odd), 'line')} that begin so"
        records = [record for record in records if not record.text.startswith("#")]
    blank = [record for record in records if not record.filled]
    if blank:
        found.empty_rows = True
        found.notes["empty_rows"] = f"{counted(len(blank), 'row')} of nothing but delimiters"
        records = [record for record in records if record.filled]
    wide = [record for record in records if len(record.row) == width]
    if width > 2 and len(wide) > 1 and not any(record.row[-1].strip() for record in wide):
        found.trailing_delimiter = True
        records = [
            Record(record.text, record.row[:-1] if not record.row[-1] else record.row) for record in records
        ]
    return records


# -- its columns -------------------------------------------------------------------------------------


def _columns(records: list[Record], found: CsvGuess) -> None:
    heads = [record.row for record in records[: found.header_lines]] if found.header else []
    rows = [list(record.row) for record in records[len(heads) :]]
    found.records = len(rows)
    widths = Counter(map(len, rows or heads))
    width = max(map(len, heads), default=0) or max(widths)
    names = [
        " ".join(filter(None, (row[at].strip() if at < len(row) else "" for row in heads)))
        for at in range(width)
    ]
    least = min(widths)
    if least < width and not found.header_pattern and len(widths) > 1:
        found.doubts.append(f"records have {least} to {max(widths)} fields")
    padded = [[*row, *[""] * (width - len(row))][:width] for row in rows if len(row) <= width]
    if wider := len(rows) - len(padded):
        found.doubts.append(f"{counted(wider, 'record')} with more than {width} fields")
    columns = [list(map(str.strip, column)) for column in zip(*padded, strict=True)] or [[]] * width
    taken: set[str] = set()
    joined = _day_and_clock(columns[:MOST_COLUMNS], names)
    if width > MOST_COLUMNS:
        found.doubts.append(f"the first {MOST_COLUMNS} of {width:,} columns are listed: {_DROPPED}")
    for at in range(min(width, MOST_COLUMNS)):
        if at in joined.values():
            continue
        sources = [at, joined[at]] if at in joined else [at]
        values = columns[at]
        if at in joined:
            values = [
                f"{day} {clock}".strip()
                for day, clock in zip(*(columns[each] for each in sources), strict=True)
            ]
        guess = guessed(_own_name(names[at], at, taken), _sources(sources, names), values)
        guess.optional = at >= least
        found.columns.append(guess)


def _day_and_clock(columns: Sequence[Sequence[str]], names: Sequence[str]) -> dict[int, int]:
    """Return the column with the day, and the one with the time of day, where a time is in two."""
    for at, column in enumerate(columns):
        distinct = list(dict.fromkeys(filter(None, column)))
        if not distinct or times_of(distinct[:1]) or not dates_of(distinct):
            continue
        for other in (at + 1, at - 1):
            if not 0 <= other < len(columns):
                continue
            clocks = list(dict.fromkeys(filter(None, columns[other])))
            if are_clocks(clocks) and not re.search(r"dura|talk|hold|wait|work", names[other], re.IGNORECASE):
                return {at: other}
    return {}


def _own_name(name: str, at: int, taken: set[str]) -> str:
    plain = re.sub(r"\W+", "_", name).strip("_").lower()[:40] or f"column_{at + 1}"
    chosen = plain if plain not in taken else f"{plain}_{at + 1}"
    taken.add(chosen)
    return chosen


def _sources(places: Sequence[int], names: Sequence[str]) -> tuple[str | int, ...]:
    """Return columns by name; by number where there is no name, or several have it."""
    return tuple(names[at] if names[at] and names.count(names[at]) == 1 else at + 1 for at in places)
