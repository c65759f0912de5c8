"""Keeps the holds that are over in the journal, for the plot of the status page.

It is a history and no more: where it cannot write (a full disk is itself a hold), the entry is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from watcher.core.errors import Outside
from watcher.core.events import Event, HoldBegan, HoldEnded
from watcher.core.target import Target
from watcher.journal.protocol import Timeline
from watcher.report.stream import Stream


class HoldHistory:
    """The holds of this process, from their beginning to their end."""

    def __init__(self, timeline: Timeline, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._timeline = timeline
        self._now = now
        self._open: dict[Target, tuple[str, datetime]] = {}
        # Over, and not written down yet: target, reason, beginning and end. Each access is one step.
        self._over: deque[tuple[str, str, datetime, datetime]] = deque()

    @property
    def has_news(self) -> bool:
        """Whether there is something to write down."""
        return bool(self._over)

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case HoldBegan(target, reason):
                self._open[target] = (reason, self._now())
            case HoldEnded(target):
                self._end(target)

    def write(self) -> None:
        """Write down what is over. It touches the disk: whoever hears of a hold does not wait for it."""
        while self._over:
            target, reason, began, ended = self._over.popleft()
            with suppress(Outside):  # no room, or no folder: see above
                self._timeline.hold_ended(target, reason, began=began, ended=ended)

    def close(self) -> None:
        """The agent ends: what is still held is written down as far as it got."""
        for target in list(self._open):
            self._end(target)
        self.write()

    def _end(self, target: Target) -> None:
        if (found := self._open.pop(target, None)) is not None:
            reason, began = found
            self._over.append((str(target), reason, began, self._now()))


@contextmanager
def kept(timeline: Timeline, stream: Stream) -> Iterator[HoldHistory]:
    """Keep the history as long as the block lasts."""
    history = HoldHistory(timeline)
    try:
        with stream.told_to(history.hear):
            yield history
    finally:
        history.close()
