"""What time it is by the login server: by the `Date` of its last answer, carried on by the steady clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from watcher.core.backoff import http_date

# `Date` has whole seconds, and the two clocks are not read at the same moment.
STEP_SECONDS = 2.0


class ServerClock:
    """Any thread may ask."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` in steady seconds; `now` is this machine's time of day, right or wrong."""
        self._clock, self._now = clock, now
        self._heard: tuple[datetime, datetime, float] | None = None  # the server's, ours, and the steady one
        self.is_silent = False  # it answers, and does not tell the time

    def hear(self, date: str | None) -> None:
        """Take the `Date` header of an answer that just came; without one the server's time is not known."""
        said = http_date(date)
        self._heard = (said, self._now(), self._clock()) if said is not None else None
        self.is_silent = said is None

    @property
    def ahead(self) -> float | None:
        """Seconds that this machine's clock was ahead of the server's when it was heard; None: not known."""
        return None if self._heard is None else (self._heard[1] - self._heard[0]).total_seconds()

    def now(self) -> datetime | None:
        """Return the server's time of day; None where it was not heard, or ours was set since then.

        Then the steady clock may be what is wrong: it stands still while a machine sleeps.
        """
        if self._heard is None:
            return None
        said, ours, steady = self._heard
        passed = self._clock() - steady
        if abs((self._now() - ours).total_seconds() - passed) > STEP_SECONDS:
            return None
        return said + timedelta(seconds=passed)
