"""Pure: are the records of a CSV file what the route's `columns` say? Rows in, problems out.

Rows come in batches and each column is looked at as a whole, because nearly all records are good: only in a
batch with a bad one is every record looked at by itself. It does not read files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from watcher.core.errors import Unfit
from watcher.core.expressions import Expression, expression
from watcher.core.model import Column, Route
from watcher.core.names import shown

Row = Sequence[str]

SHOWN_CHARS = 40  # of a bad field
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# ISO 8601 in UTC, to the minute at least: the API's 2019-01-18T22:15:00Z. Python checks the ranges.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\+00:?00|\+00)", re.ASCII)
_WORDS = {
    "integer": "is no whole number",
    "number": "is no number such as 12.5",
    "utc_time": "is no time in UTC such as 2026-11-23T08:00:00Z",
    "uuid": "is no UUID",
}


@dataclass(frozen=True, slots=True)
class _Rule:
    """One column's rule: `sound` looks at one field, `all_sound` at many."""

    index: int
    column: Column
    sound: Callable[[str], object]
    earliest: datetime | None = None
    latest: datetime | None = None

    def all_sound(self, values: Sequence[str]) -> bool:
        """Say whether every field keeps to the rule."""
        if not self.column.required and "" in values:
            values = list(filter(None, values))
        match self.column.kind:
            case "utc_time":
                return self._all_times(values)
            case "integer" if "" not in values and (joined := "".join(values)).isascii() and joined.isdigit():
                return True
            case "pattern":
                return _pattern(self.column).fullmatches(set(values))
            case _:
                return all(map(self.sound, set(values)))

    def _all_times(self, values: Sequence[str]) -> bool:
        if not (_are_plain_times(values) or all(map(self.sound, values))):
            return False
        try:
            times = list(map(datetime.fromisoformat, values))
        except ValueError:
            return False
        return (self.latest is None or max(times, default=self.latest) <= self.latest) and (
            self.earliest is None or min(times, default=self.earliest) >= self.earliest
        )

    def problem(self, value: str) -> str | None:
        """Say what is wrong with one field, or None."""
        if not value:
            return "is empty" if self.column.required else None
        if not self.sound(value):
            return self._broken()
        if self.column.kind != "utc_time":
            return None
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            return self._broken()
        if self.latest is not None and when > self.latest:
            return "lies in the future"
        if self.earliest is not None and when < self.earliest:
            return f"is older than {_span(self.column.not_older)}"
        return None

    def _broken(self) -> str:
        if self.column.one_of and self.column.kind == "one_of":
            return f"is none of {', '.join(self.column.one_of)}"
        return _WORDS.get(self.column.kind, f"does not match {self.column.pattern}")


class RecordCheck:
    """Checks records against `columns`; `now`: the time of the claim, the same after a restart."""

    def __init__(self, columns: Sequence[Column], now: datetime, places: Sequence[str] = ()) -> None:
        """`places`: what each column is called in a problem, where that is not `column 1 (name)`."""
        self._places = places or [f"column {at} ({column.name})" for at, column in enumerate(columns, 1)]
        self._columns = columns
        self._rules = [_rule(index, column, now) for index, column in enumerate(columns) if column.has_rule]

    def problems(self, rows: Sequence[Row]) -> Mapping[int, list[str]]:
        """Return what is wrong, by the row's place in `rows`; an empty row is a blank line, and fine."""
        if not self._columns:
            return {}
        records = rows if all(rows) else [row for row in rows if row]
        if not records:
            return {}
        if set(map(len, records)) == {len(self._columns)} and self.all_sound(
            list(zip(*records, strict=True))
        ):
            return {}
        found = {number: self._of(row) for number, row in enumerate(rows) if row}
        return {number: problems for number, problems in found.items() if problems}

    def all_sound(self, fields: Sequence[Sequence[str]]) -> bool:
        """Say whether all records are good, whose fields come column by column; not if there are none."""
        return bool(fields) and all(rule.all_sound(fields[rule.index]) for rule in self._rules)

    def _of(self, row: Row) -> list[str]:
        if len(row) != len(self._columns):
            behind = len(row) == len(self._columns) + 1 and not row[-1]
            hint = "; the line ends with a delimiter: `trailing_delimiter: true`" if behind else ""
            return [f"{len(row)} fields where the route has {len(self._columns)} columns{hint}"]
        found = []
        for rule in self._rules:
            if (words := rule.problem(row[rule.index])) is not None:
                found.append(problem_of(self._places[rule.index], row[rule.index], words))
        return found


def kind_of(values: Sequence[str]) -> str:
    """Return the narrowest of uuid, utc_time, integer and number that all of these are; "": none."""
    for kind, pattern in (("uuid", _UUID), ("utc_time", _TIME), ("integer", _INTEGER), ("number", _NUMBER)):
        if all(map(pattern.fullmatch, values)):
            return kind
    return ""


def problem_of(place: str, value: str, words: str) -> str:
    """Return the sentence about a bad field."""
    short = value if len(value) <= SHOWN_CHARS else value[:SHOWN_CHARS] + "…"
    return f"{place}: '{shown(short)}': {words}"


def check_header(names: Row, route: Route, line: int) -> list[int] | None:
    """Compare a header with the route's columns; blanks around and the case of names do not count.

    Returns None where the order is right; with `reorder`, for each column of the route its place in the
    file. Raises `Unfit`.
    """
    found = [_plain(name) for name in names]
    wanted = [_plain(column.name) for column in route.columns]
    if found == wanted:
        return None
    if found[-1] == "" and found[:-1] == wanted:
        raise Unfit(
            f"line {line}: there is a delimiter behind the last column, {names[-2]}",
            what_to_do="set `trailing_delimiter: true` for the route if each line ends so; else remove it",
            line=line,
        )
    missing = list((Counter(wanted) - Counter(found)).elements())
    unexpected = list((Counter(found) - Counter(wanted)).elements())
    if not missing and not unexpected and route.reorder:
        return [found.index(name) for name in wanted]
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    parts += [f"unexpected: {', '.join(map(shown, unexpected))}"] if unexpected else []
    way_out = f"the header must be: {','.join(column.name for column in route.columns)}"
    raise Unfit(
        f"line {line}: the columns are not those of the route; "
        + ("; ".join(parts) or "they are in another order"),
        what_to_do=way_out if parts else f"{way_out}; or set `reorder: true` for the route",
        line=line,
    )


def _are_plain_times(values: Sequence[str]) -> bool:
    """Say whether all are written like 2026-11-23T08:00:00Z, digits aside: by columns, and so quickly."""
    if set(map(len, values)) != {20}:
        return False
    joined, count = "".join(values), len(values)
    return "W" not in joined and all(
        joined[at::20] == char * count
        for at, char in ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "Z"))
    )


def _plain(name: str) -> str:
    return name.strip().casefold()


def _rule(index: int, column: Column, now: datetime) -> _Rule:
    utc = now.astimezone(UTC)
    return _Rule(
        index,
        column,
        _sound(column),
        earliest=None if column.not_older is None else utc - timedelta(seconds=column.not_older),
        latest=None if column.not_future is None else utc + timedelta(seconds=column.not_future),
    )


def _sound(column: Column) -> Callable[[str], object]:
    match column.kind:
        case "integer":
            return _INTEGER.fullmatch
        case "number":
            return _NUMBER.fullmatch
        case "utc_time":
            return _TIME.fullmatch
        case "uuid":
            return _UUID.fullmatch
        case "one_of":
            return frozenset(column.one_of).__contains__
        case "pattern":
            return _pattern(column).fullmatch
        case "text":
            return bool


def _pattern(column: Column) -> Expression:
    return expression(column.pattern, dot_all=True)


def _span(seconds: float | None) -> str:
    days = (seconds or 0.0) / 86400
    return f"{days:g} days" if days >= 1 else f"{seconds:g} seconds"
