"""The settings of telling someone: `notify`, and `expect` of a route."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from watcher.report.expect import DAY_SECONDS, Expectation
from watcher.settings.setting_types import Duration, LongDuration, Model, Secret, Timeout, TimeZone, Truth
from watcher.settings.wrong import where_known


def _time_of_day(value: str) -> str:
    try:
        at = time.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or len(value) not in (5, 8):
        raise ValueError('must be a time of the day such as "06:30"')
    return value


class Expect(Model):
    """When files of a route should come."""

    every: Annotated[LongDuration, Field(gt=0)] | None = None
    by: Annotated[str, AfterValidator(_time_of_day)] | None = None
    timezone: TimeZone | None = None

    @model_validator(mode="after")
    @where_known
    def _fits_together(self) -> Self:
        if self.every is None and self.by is None:
            raise ValueError('give every (such as 24h), or by (such as "06:30") and timezone')
        if (self.by is None) != (self.timezone is None):
            raise ValueError("by and timezone go together: a time of the day, and of which clock")
        if self.by is not None and self.every is not None and self.every % DAY_SECONDS:
            raise ValueError("with by, every must be whole days, such as 24h or 7d")
        return self

    def of(self, route: str) -> Expectation:
        """Return it as what is expected of `route`."""
        if self.by is None or self.timezone is None:
            return Expectation(route, self.every or DAY_SECONDS)
        zone = ZoneInfo(self.timezone)
        return Expectation(route, self.every or DAY_SECONDS, time.fromisoformat(self.by), zone)


class Notify(Model):
    """Who is told of what; `expect` of a route adds its silence."""

    urls: Annotated[tuple[Secret, ...], Field(min_length=1)]
    failed: Truth = True
    held_for: Duration | None = 900.0
    gather: Duration = 60.0
    timeout: Timeout = 10.0
