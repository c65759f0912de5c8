"""Pure: a column's fields to what goes out: renamed values, times to UTC, durations to seconds, numbers.

A whole column at a time, for that is how it is quick; only where that raises each field is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from watcher.content.cache import Cache
from watcher.content.local_time import times
from watcher.content.time_format import ClockChange
from watcher.core.names import listed
from watcher.core.shape import OTHERS, Shape

_LISTED = 8  # values that `map` names, in words for people
_DURATIONS = {
    "H:MM:SS": re.compile(r"(\d{1,6}):([0-5]?\d):([0-5]?\d)(?:[.,]\d+)?", re.ASCII),
    "MM:SS": re.compile(r"()(\d{1,6}):([0-5]?\d)(?:[.,]\d+)?", re.ASCII),
}
# With marks between the thousands, of which there are many: 1.234,5 and 1 234,5 and 1'234.5
_GROUPED = r"[+-]?(?:\d+|\d{{1,3}}(?:[{groups}]\d{{3}})+)(?:{mark}\d*)?|[+-]?{mark}\d+"
_GROUPS = {",": ". '\u00a0\u202f\u2019", ".": ", '\u00a0\u202f\u2019"}


class Unreadable(ValueError):
    """A field of which nothing can be made; the text says why, as the end of a sentence."""


class Converter:
    """Makes a column's fields."""

    def __init__(self, shape: Shape) -> None:
        self._default = shape.default or ""
        self._keeps = not (shape.mapped or shape.times or shape.durations or shape.decimal)
        self._times = times(shape)
        self._shape = shape
        make: Callable[[str], str] = str
        if shape.mapped:
            make = partial(_mapped, dict(shape.mapped))
        elif shape.times:
            make = self._time
        elif shape.durations:
            make = partial(_seconds, shape.durations)
        elif shape.decimal:
            make = partial(_number, shape.decimal, _grouped(shape.decimal))
        self._make = make
        self._seen = Cache(self._one)

    def one(self, value: str) -> str:
        """Return what one field becomes. Raises `Unreadable`."""
        return self._seen[value] if not self._keeps else value or self._default

    def many(self, values: Sequence[str]) -> Sequence[str]:
        """Return what a column becomes. Raises `Unreadable`, for whichever field."""
        if self._keeps:
            if not self._default or "" not in values:
                return values
            return [value or self._default for value in values]
        if self._times and values[0]:
            try:
                return self._times[0].many(values)
            except ValueError:
                pass  # another format, an empty field, or one that is no time: each by itself
        return list(map(self._seen.__getitem__, values))

    def _one(self, value: str) -> str:
        stripped = value.strip()
        return self._make(stripped) if stripped else self._default

    def _time(self, value: str) -> str:
        for each in self._times:
            try:
                return each.one(value)
            except ClockChange as error:
                raise Unreadable(str(error)) from error
            except ValueError:
                continue
        raise Unreadable(f"is no time such as {' or '.join(self._shape.times)}")


def _mapped(mapped: dict[str, str], value: str) -> str:
    found = mapped.get(value, mapped.get(OTHERS))
    if found is None:
        raise Unreadable(f"is none of those in `map`: {listed(list(mapped), _LISTED)}")
    return value if found == OTHERS else found


def _seconds(durations: Sequence[str], value: str) -> str:
    for each in durations:
        if found := _DURATIONS[each].fullmatch(value):
            return str(int(found[1] or 0) * 3600 + int(found[2]) * 60 + int(found[3]))
    raise Unreadable(f"is no duration such as {' or '.join(durations)}")


def _grouped(mark: str) -> re.Pattern[str]:
    return re.compile(_GROUPED.format(groups=_GROUPS[mark], mark=re.escape(mark)), re.ASCII)


def _number(mark: str, pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise Unreadable(f"is no number with '{mark}' as its decimal mark")
    whole, _, fraction = value.partition(mark)
    digits = "".join(char for char in whole if char.isdigit() or char in "+-")
    return (
        digits.removeprefix("+") + (f".{fraction}" if fraction else "")
        if digits.strip("+-")
        else f"{digits}0.{fraction}"
    )
