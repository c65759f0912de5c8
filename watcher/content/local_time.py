"""Pure: times as exports write them, to UTC as the API has it: 2019-01-18T22:15:00Z.

A whole column is converted at a time; what is finer than a second is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from watcher.content.cache import Cache
from watcher.content.time_format import Ambiguous, TimeFormat, to_utc, utc_words
from watcher.core.shape import Shape

_DAY = 86_400
_EPOCH_DIGITS = range(9, 12)  # of seconds: from 1973 to 5138; with three more they are milliseconds
_MINUTES = [f"{at // 60:02d}:{at % 60:02d}:" for at in range(_DAY // 60)]
_SECONDS = [f"{at:02d}Z" for at in range(60)]
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_EXCEL_BEGIN = datetime(1899, 12, 30)  # noqa: DTZ001 - of no zone; Excel's serial number 0
_EXCEL = re.compile(r"\d{2,7}(?:[.,]\d+)?")
_EXCEL_FIRST = 61  # before, Excel counts a 29th of February 1900, which never was
_EXCEL_LAST = 2_958_465.99999  # in 9999


class Times(Protocol):
    """Reads times of one format; both raise ValueError for what is none."""

    def one(self, text: str) -> str:
        """Return one time in UTC. Raises `ClockChange` for one that is none, or two."""

    def many(self, values: Sequence[str]) -> list[str]:
        """Return a column of them in UTC."""


def _date(day: int) -> str:
    try:
        return (_BEGIN + timedelta(days=day)).date().isoformat() + "T"
    except OverflowError as error:
        raise ValueError(str(error)) from error


_date_text = Cache(_date)  # by days since 1970


def times(shape: Shape) -> list[Times]:
    """Return a reader for each format of a column."""
    zone = ZoneInfo(shape.timezone) if shape.timezone is not None else None
    return [_times(each, zone, shape.ambiguous) for each in shape.times]


def _times(text: str, zone: tzinfo | None, ambiguous: Ambiguous) -> Times:
    match text:
        case "epoch" | "epoch_ms":
            return _Epoch(thousandths=text == "epoch_ms")
        case "excel":
            return _Excel(zone, ambiguous)
        case _:
            return TimeFormat(text, zone, ambiguous)


class _Epoch:
    """Seconds or milliseconds since 1970, told apart by how many digits they have."""

    def __init__(self, *, thousandths: bool) -> None:
        more = 3 if thousandths else 0
        self._cut = -more or None
        self._widths = frozenset(digits + more for digits in _EPOCH_DIGITS)
        self._layout = re.compile(rf"\d{{{min(self._widths)},{max(self._widths)}}}(?:\.\d+)?", re.ASCII)

    def one(self, text: str) -> str:
        if not self._layout.fullmatch(text):
            raise ValueError
        return self._at(text.partition(".")[0][: self._cut])

    def many(self, values: Sequence[str]) -> list[str]:
        joined = "".join(values)
        if not (joined.isascii() and joined.isdigit() and self._widths.issuperset(map(len, values))):
            return list(map(self.one, values))
        if self._cut:
            values = [value[: self._cut] for value in values]
        return list(map(self._at, values))

    def _at(self, seconds: str) -> str:
        day, second = divmod(int(seconds), _DAY)
        return f"{_date_text[day]}{_MINUTES[second // 60]}{_SECONDS[second % 60]}"


class _Excel:
    """Days since 1899-12-30 in a fraction, to the nearest second."""

    def __init__(self, zone: tzinfo | None, ambiguous: Ambiguous) -> None:
        self._zone, self._ambiguous = zone, ambiguous
        self._seen = Cache(self._read)

    def one(self, text: str) -> str:
        return self._seen[text]

    def many(self, values: Sequence[str]) -> list[str]:
        return list(map(self._seen.__getitem__, values))

    def _read(self, text: str) -> str:
        days = float(text.replace(",", ".")) if _EXCEL.fullmatch(text) else 0.0
        if not _EXCEL_FIRST <= days <= _EXCEL_LAST:
            raise ValueError
        local = _EXCEL_BEGIN + timedelta(seconds=round(days * _DAY))
        return utc_words(to_utc(local, self._zone, self._ambiguous))
