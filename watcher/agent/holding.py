"""The table of holds, with everybody told when one begins and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from watcher.core.errors import Outside
from watcher.core.events import HoldBegan, HoldEnded
from watcher.core.holds import Holds
from watcher.core.target import Target
from watcher.report.stream import Stream

NEVER = float("inf")


class Holding:
    """All holds of this process; the control thread's."""

    def __init__(
        self, table: Holds, stream: Stream, *, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self.table = table
        self._stream = stream
        self._clock, self._now = clock, now

    def failed(self, fault: Outside, number: int = 0) -> None:
        """The act of this file met a fault: begin the hold, or make its next step longer."""
        now = self._clock()
        if hold := self.table.failed(number, fault, now=now, at=self._now()):
            self._stream.emit(HoldBegan(hold.target, hold.reason, hold.check, hold.next_at - now))

    def worked(self, targets: Iterable[Target], *, asked_at: float = NEVER) -> None:
        """End the holds on what an act came through that was asked for then."""
        for hold in self.table.worked(targets, asked_at=asked_at):
            seconds = self._clock() - hold.began
            self._stream.emit(HoldEnded(hold.target, hold.reason, hold.since, seconds, hold.tries))
