"""Pure: when a file should have come. Deadlines of a route, and which of them is still open.

Days are days of the expectation's time zone, so a deadline keeps its local hour when the clocks change. A
local time that the change skips is taken as if it had not changed yet; of one that comes twice the first
counts (PEP 495, `fold=0`). All times that go in and out are aware.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Expectation:
    """How often a file of a route should come."""

    route: str
    every: float  # seconds; with `by` a whole number of days
    by: time | None = None  # local time of the day; None: `every` counts from the last file
    zone: tzinfo = UTC

    @property
    def words(self) -> str:
        """For people: `every day by 06:30 (Europe/Prague)`."""
        if self.by is None:
            return f"every {duration(self.every)}"
        days = round(self.every / DAY_SECONDS)
        return f"every {'day' if days == 1 else f'{days} days'} by {self.by:%H:%M} ({self.zone})"


def open_deadline(wanted: Expectation, began: datetime, delivered: Iterable[datetime]) -> datetime:
    """Return the deadline that no file has met yet; once it is past, the route is silent.

    `began` is when the agent began to expect files, `delivered` the times of the route's files since, in
    any order. A late file meets the deadline that it missed, and not the next one as well.
    """
    deadline = _first(wanted, began)
    for at in sorted(delivered):
        deadline = _after(wanted, deadline, at)
    return deadline


def duration(seconds: float) -> str:
    """Return a duration for people: `3 days`, `26 hours`, `45 minutes`, `10 seconds`.

    >>> duration(93600)
    '26 hours'
    """
    for size, noun in ((DAY_SECONDS, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            number = round(seconds / size)
            return f"{number} {noun}{'' if number == 1 else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def _first(wanted: Expectation, began: datetime) -> datetime:
    if wanted.by is None:
        return began + timedelta(seconds=wanted.every)
    return _next(wanted, wanted.by, began, round(wanted.every / DAY_SECONDS))


def _after(wanted: Expectation, deadline: datetime, at: datetime) -> datetime:
    """Return the open deadline once a file came at `at`."""
    if wanted.by is None:
        return max(deadline, at + timedelta(seconds=wanted.every))
    days = round(wanted.every / DAY_SECONDS)
    if at > deadline:  # late: the next one that is still to come
        return _next(wanted, wanted.by, at, days)
    day = deadline.astimezone(wanted.zone).date()
    if at > _moment(wanted, wanted.by, day - timedelta(days=days)):
        return _moment(wanted, wanted.by, day + timedelta(days=days))
    return deadline  # one more file of a day whose deadline is met


def _next(wanted: Expectation, by: time, since: datetime, days: int) -> datetime:
    """Return the first deadline after `since`, with `days` between two of them."""
    day = since.astimezone(wanted.zone).date()
    if _moment(wanted, by, day) <= since:
        day += timedelta(days=1)
    return _moment(wanted, by, day + timedelta(days=days - 1))


def _moment(wanted: Expectation, by: time, day: date) -> datetime:
    return datetime.combine(day, by, wanted.zone).astimezone(UTC)
