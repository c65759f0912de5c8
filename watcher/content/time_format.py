"""Pure: a column of local times in one format of strptime, to UTC, quickly.

An offset from UTC is nearly always whole hours, and changes at a full one: so only each hour is looked at by
itself, and its minutes and seconds are carried over as they are written. Where that does not do, it is each
minute; where that does not either, each time. What is finer than a second is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from watcher.content.cache import Cache

Ambiguous = Literal["earlier", "later"] | None

_SIXTY = [f"{number:02d}" for number in range(60)]
_TAILS = {"": "", "%p": r"\s*[AaPp][Mm]", "%z": r"\s*(?:Z|[+-]\d\d:?\d\d)", "Z": "Z"}
_TAIL = r"( ?%p| ?%z|Z)?"
_FRACTION = r"([.,]%f)?"
_HOURS_SECONDS = re.compile(rf"(.*%[HI]):%M:%S{_FRACTION}{_TAIL}", re.DOTALL)
_HOURS_MINUTES = re.compile(rf"(.*%[HI]):%M(){_TAIL}", re.DOTALL)
_MINUTES_SECONDS = re.compile(rf"(.*[:.])%S{_FRACTION}{_TAIL}", re.DOTALL)


class ClockChange(ValueError):
    """A local time that does not exist, or exists twice."""


def to_utc(local: datetime, zone: tzinfo | None, ambiguous: Ambiguous) -> datetime:
    """Return a local time in UTC. Raises `ClockChange` where the clock never showed it, or did so twice, and
    `ambiguous` does not say which is meant; `ValueError` at the end of all years."""
    try:
        if local.tzinfo is not None or zone is None:
            return local.astimezone(UTC)
        first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return first
        if ambiguous is not None:
            return min(first, second) if ambiguous == "earlier" else max(first, second)
        never = first.astimezone(zone).replace(tzinfo=None) != local
    except OverflowError as error:
        raise ValueError(str(error)) from error
    if never:
        raise ClockChange(f"never was in {zone}, where the clock was put forward")
    raise ClockChange(
        f"was twice in {zone}, where the clock was put back: `ambiguous` can say which is meant"
    )


def utc_words(when: datetime) -> str:
    """Return `2019-01-18T22:15:00Z`."""
    return when.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


class TimeFormat:
    """Times in one format; its methods raise ValueError for what is none."""

    def __init__(self, text: str, zone: tzinfo | None, ambiguous: Ambiguous) -> None:
        self._format, self._zone, self._ambiguous = text, zone, ambiguous
        fine = frozenset(_SIXTY)
        finer = frozenset(f"{minute}:{second}" for minute in _SIXTY for second in _SIXTY)
        self._cuts: list[_Cut] = []
        if found := _HOURS_SECONDS.fullmatch(text):
            self._cuts.append(_Cut(found, finer, self._hour, "Z"))
        if found := _HOURS_MINUTES.fullmatch(text):
            self._cuts.append(_Cut(found, fine, self._hour, ":00Z"))
        if found := _MINUTES_SECONDS.fullmatch(text):
            self._cuts.append(_Cut(found, fine, self._minute, "Z"))

    def one(self, text: str) -> str:
        """Return one time in UTC. Raises `ClockChange` for one that is none, or two."""
        for cut in self._cuts:
            if found := cut.one(text):
                return found
        return utc_words(self._utc(_read(text, self._format)))

    def many(self, values: Sequence[str]) -> list[str]:
        """Return a column of them in UTC."""
        for cut in self._cuts:
            if found := cut.many(values):
                return found
        return list(map(self.one, values))

    def _hour(self, text: str, form: str) -> str:
        """Return `2019-01-18T22:` for an hour that is an hour in UTC as well; else nothing."""
        local = _read(text, form)
        try:
            begin, end = self._utc(local), self._utc(local + timedelta(minutes=59))
        except ClockChange:
            return ""
        whole = begin.minute == begin.second == 0 and end - begin == timedelta(minutes=59)
        return begin.replace(tzinfo=None).isoformat(timespec="hours") + ":" if whole else ""

    def _minute(self, text: str, form: str) -> str:
        """Return `2019-01-18T22:15:`; nothing where the offset has seconds, as some had before 1940."""
        when = self._utc(_read(text, form))
        return when.replace(tzinfo=None).isoformat(timespec="minutes") + ":" if when.second == 0 else ""

    def _utc(self, local: datetime) -> datetime:
        return to_utc(local, self._zone, self._ambiguous)


def _read(text: str, form: str) -> datetime:
    return datetime.strptime(text, form)  # noqa: DTZ007 - the zone comes next


class _Cut:
    """A format in two: what is looked at, each once, and what is carried over."""

    def __init__(
        self, form: re.Match[str], fine: frozenset[str], look: Callable[[str, str], str], end: str
    ) -> None:
        """`form`: the format's head, fraction and tail; `fine`: what may be carried over; `look` returns what
        stands before it in UTC, or nothing, of a text without it and the format of that."""
        head, fraction, tail = form[1], form[2] or "", form[3] or ""
        rest = head + tail
        self._fine, self._end = fine, end
        self._width = len(next(iter(fine)))
        self._looked = Cache[str, str](lambda text: look(text, rest))
        joint = "" if head[-1] in "HI" else re.escape(head[-1])
        self._carries = ":" if not joint else ""  # stands between both
        carried = r"[0-5]\d" if self._width == 2 else r"[0-5]\d:[0-5]\d"
        behind = (r"[.,]\d{1,9}" if fraction else "", _TAILS[tail.strip()])
        self._layout = re.compile(
            "(.*{}){}({})({})({})".format(joint, self._carries, carried, *behind), re.DOTALL | re.ASCII
        )

    def one(self, text: str) -> str:
        """Return a time in UTC, or nothing where it has to be looked at as a whole."""
        found = self._layout.fullmatch(text)
        if found is None or not (before := self._looked[found[1] + found[4]]):
            return ""
        return f"{before}{found[2]}{self._end}"

    def many(self, values: Sequence[str]) -> list[str]:
        """Return the same of a column, or nothing. As the first is written, so are nearly always all: what is
        cut out of it, is cut out of each."""
        found = self._layout.fullmatch(values[0])
        if found is None:
            return []
        tail, behind = len(found[4]), len(found[3]) + len(found[4])
        first = behind + self._width
        carried = [value[-first : -behind or None] for value in values]
        if not self._fine.issuperset(carried):
            return []
        if behind > tail and not _are_fractions([value[-behind : -tail or None] for value in values]):
            return []
        if self._carries and {value[-first - 1] for value in values} != {":"}:
            return []
        head = -first - len(self._carries)
        if tail:
            texts = [value[:head] + value[-tail:] for value in values]
        else:
            texts = [value[:head] for value in values]
        before = list(map(self._looked.__getitem__, texts))
        if "" in before:
            return []
        return [f"{each}{fine}{self._end}" for each, fine in zip(before, carried, strict=True)]


def _are_fractions(texts: Sequence[str]) -> bool:
    """Say whether each is a mark and digits, and they are alike."""
    joined, width = "".join(texts), len(texts[0])
    marks = joined[::width]
    digits = joined.replace(marks[0], "")
    return (
        len(joined) == width * len(texts)
        and marks == marks[0] * len(texts)
        and len(digits) == len(joined) - len(marks)
        and digits.isascii()
        and digits.isdigit()
    )
