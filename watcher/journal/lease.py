"""How long an agent may believe that what it has under way is its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from watcher.disk.system import seconds_awake_or_not

# Clocks of two machines may run at different speeds: so much of a lease is not relied upon.
MARGIN = 0.1


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
