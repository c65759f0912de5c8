"""Pure: what the fields of a column of an unknown export may be: a suggestion for a person to correct.

What reads them later is asked itself: a format is suggested only where every field that was looked at can be
read by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from watcher.content.columns import kind_of
from watcher.content.convert import Converter, Unreadable
from watcher.core.names import counted, shown
from watcher.core.shape import Shape

_DATES = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
    "%d/%m/%y", "%m/%d/%y", "%Y%m%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y", "%Y.%m.%d",
)  # fmt: skip
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H.%M.%S", "%H%M%S")
_ZONED = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M%z")
_JOINTS = (" ", "T", ", ")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?( ?[AaPp][Mm])?", re.ASCII)
_OF_A_TIME = re.compile(r"time|date|stamp|start|end|since|when|epoch|zeit|datum|beginn|ende", re.IGNORECASE)
_EPOCH = re.compile(r"1\d{9}(\.\d+)?", re.ASCII)  # seconds from 2001 to 2033
_EPOCH_MS = re.compile(r"1\d{12}", re.ASCII)
_EXCEL = re.compile(r"[34]\d{4}([.,]\d+)?", re.ASCII)  # days from 1982 on, with a time
_DECIMAL_COMMA = re.compile(r"[+-]?[\d. ]*\d,\d+", re.ASCII)
_FEW = 12  # values: they may be words of a list
_FEW_CHARS = 40
_MOST_FORMATS = 3  # of one column
_LOOKED_AT = 3_000  # different values of a column, for what is slow


@dataclass(slots=True)
class ColumnGuess:
    """One of `columns`, as it may be set."""

    name: str  # as it would go out
    sources: tuple[str | int, ...]
    times: tuple[str, ...] = ()
    duration: Literal["", "H:MM:SS", "MM:SS"] = ""
    decimal: str = ""
    kind: str = ""  # integer, number, utc_time, uuid; "": any text
    optional: bool = False
    notes: list[str] = field(default_factory=list)  # for people

    @property
    def needs_zone(self) -> bool:
        """Whether its times do not say themselves where they are from."""
        return any(not each.startswith("epoch") and "%z" not in each for each in self.times)


def guessed(name: str, sources: tuple[str | int, ...], values: Sequence[str]) -> ColumnGuess:
    """Return what a column is by its `values`, all that were looked at, in their order."""
    found = ColumnGuess(name, sources)
    filled = [value for value in values if value]
    distinct = list(dict.fromkeys(filled))
    if not distinct:
        found.notes.append("empty in all records")
        return found
    if len(filled) < len(values):
        found.notes.append(f"empty in {len(values) - len(filled):,} of {counted(len(values), 'record')}")
    kind = kind_of(distinct)
    if kind == "utc_time":
        found.kind = kind
    elif not (_as_time(found, filled, distinct, kind) or _as_duration(found, distinct)):
        _as_number_or_text(found, distinct, kind)
    return found


def _as_time(found: ColumnGuess, filled: Sequence[str], distinct: Sequence[str], kind: str) -> bool:
    told = any(isinstance(source, str) and _OF_A_TIME.search(source) for source in found.sources)
    if kind in ("integer", "number") or _EXCEL.fullmatch(distinct[0]):
        rises = len(filled) > 1 and list(filled) == sorted(filled)
        for form, pattern in (("epoch", _EPOCH), ("epoch_ms", _EPOCH_MS), ("excel", _EXCEL)):
            whole = form == "excel" and kind == "integer"  # numbers of five digits are many things
            if not whole and all(map(pattern.fullmatch, distinct)) and (told or rises):
                found.times = (form,)
                found.notes.append(f"{shown(distinct[0])} would be {_reads(form, distinct[0])}")
                return True
        if kind:
            return False
    formats = times_of(distinct)
    if not formats:
        found.times = _several(distinct)
        for form in found.times:
            values = [value for value in distinct if _read(form, value)]
            other = form.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
            if (
                "%b" not in form
                and not form.startswith("%Y")
                and all(_read(other, value) for value in values)
            ):
                _doubt(found, form, other, values)
        if not found.times and (days := dates_of(distinct)):
            found.notes.append(f'days without a time; `time: "{days[0]}"` makes the begin of the day of each')
        return bool(found.times)
    # Both ways of reading a day and a month: the one by which the records follow each other goes first.
    formats.sort(key=lambda form: _falls(form, filled))
    found.times = (formats[0],)
    _doubt(found, formats[0], formats[-1], distinct)
    return True


def _doubt(found: ColumnGuess, form: str, other: str, values: Sequence[str]) -> None:
    """Tell it where the other format, which reads all of these as well, makes another day of one."""
    if doubtful := next((value for value in values if _reads(form, value) != _reads(other, value)), ""):
        found.notes.append(
            f"DAY OR MONTH FIRST? {other} would do as well: {shown(doubtful)} is read as"
            f" {_reads(form, doubtful)}, else as {_reads(other, doubtful)}"
        )


def _several(distinct: Sequence[str]) -> tuple[str, ...]:
    """Return the fewest formats by which all of these can be read, each by one; (): there are none."""
    left = list(distinct[:_LOOKED_AT])
    chosen: list[str] = []
    while left and len(chosen) < _MOST_FORMATS:
        formats = [form for form in _formats() if _read(form, left[0])]
        if not formats:
            return ()
        best = max(formats, key=lambda form: sum(_read(form, value) is not None for value in left))
        chosen.append(best)
        left = [value for value in left if not _read(best, value)]
    return () if left else tuple(chosen)


def times_of(distinct: Sequence[str]) -> list[str]:
    """Return the formats by which all of these can be read as whole times, with their dates."""
    left = [form for form in _formats() if _read(form, distinct[0])]
    return [form for form in left if all(_read(form, value) for value in distinct[:_LOOKED_AT])]


def dates_of(distinct: Sequence[str]) -> list[str]:
    """Return the formats by which all of these can be read as days without a time."""
    return [form for form in _DATES if all(_read(form, value) for value in distinct[:_LOOKED_AT])]


def are_clocks(distinct: Sequence[str]) -> bool:
    """Say whether all of these may be times of a day."""
    return bool(distinct) and all(map(_CLOCK.fullmatch, distinct))


def _formats() -> Iterator[str]:
    yield from _ZONED
    for date in _DATES:
        for joint in _JOINTS:
            for clock in _CLOCKS:
                yield date + joint + clock
    yield "%Y%m%d%H%M%S"


def _read(form: str, value: str) -> datetime | None:
    try:
        return datetime.strptime(value, form)  # noqa: DTZ007 - the person says which zone
    except ValueError:
        return None


def _falls(form: str, values: Sequence[str]) -> int:
    """Return how often a record is earlier than the one before it."""
    read = [when.replace(tzinfo=None) for value in values[:_LOOKED_AT] if (when := _read(form, value))]
    return sum(later < earlier for earlier, later in pairwise(read))


def _reads(form: str, value: str) -> str:
    if form == "excel":
        days = float(value.replace(",", "."))
        return f"{datetime(1899, 12, 30) + timedelta(days=days):%Y-%m-%d %H:%M}"  # noqa: DTZ001
    if form.startswith("epoch"):
        seconds = float(value) / (1000 if form == "epoch_ms" else 1)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    when = _read(form, value)
    return f"{when:%d %B %Y}" if when is not None else ""


def _as_duration(found: ColumnGuess, distinct: Sequence[str]) -> bool:
    for form in ("H:MM:SS", "MM:SS"):
        if all(":" in value for value in distinct) and _takes(Shape(durations=(form,)), distinct):
            found.duration = form
            if form == "MM:SS" and are_clocks(distinct):
                found.notes.append("minutes and seconds? If they are hours and minutes, remove duration")
            return True
    return False


def _as_number_or_text(found: ColumnGuess, distinct: Sequence[str], kind: str) -> None:
    if any(map(_DECIMAL_COMMA.fullmatch, distinct)) and _takes(Shape(decimal=","), distinct):
        found.decimal, found.kind = ",", "number"
        return
    found.kind = kind
    if kind == "integer" and any(len(value) > 1 and value.startswith("0") for value in distinct):
        found.kind = ""  # a number of a person or a phone: its zeros count
    if not found.kind and len(distinct) <= _FEW and max(map(len, distinct)) <= _FEW_CHARS:
        found.notes.append(f"{counted(len(distinct), 'value')}: {' | '.join(map(shown, distinct))}")


def _takes(shape: Shape, distinct: Sequence[str]) -> bool:
    try:
        Converter(shape).many(list(distinct))
    except Unreadable:
        return False
    return True
