"""How long an agent may believe that what it has under way is its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

# Clocks of two machines may run at different speeds: so much of a lease is not relied upon.
MARGIN = 0.1


def seconds_awake_or_not() -> float:
    """Return seconds of a clock that goes on while the machine sleeps, where there is one."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Lease:
    """Our own, by our own clock. Any thread may call it."""

    def __init__(self, seconds: float, clock: Callable[[], float] = seconds_awake_or_not) -> None:
        """`seconds` from one renewal; none was made yet."""
        self.seconds, self.clock = seconds, clock
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def renewed(self, asked_at: float) -> None:
        """The database made it longer, some time after it was asked to."""
        with self._lock:
            self._asked_at = max(self._asked_at, asked_at)

    @property
    def age(self) -> float:
        """Seconds since the last renewal was asked for."""
        return self.clock() - self._asked_at

    @property
    def is_over(self) -> bool:
        """Whether others may take it for over."""
        return self.age > self.seconds * (1 - MARGIN)
