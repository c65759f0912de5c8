"""What ends `watcher run --once`: nothing is left to do, or nothing has moved for too long."""

from __future__ import annotations

from collections.abc import Callable

from watcher.core.events import (
    ChunkSent,
    Claimed,
    Event,
    FileDelivered,
    FileFailed,
    FileReturned,
    FileVanished,
)


class Once:
    """The patience of one run."""

    def __init__(self, patience: float, clock: Callable[[], float]) -> None:
        """`patience`: seconds without any progress after which it gives up."""
        self.patience = patience
        self.failed = False  # a file failed
        self._clock = clock
        self._moved_at = clock()
        self._furthest: dict[int, int] = {}  # the first byte that was never acknowledged, by row

    def hear(self, event: Event) -> None:
        """Take note of what goes on."""
        if isinstance(event, Claimed | FileDelivered | FileFailed | FileReturned | FileVanished):
            self._moved_at = self._clock()
        if isinstance(event, ChunkSent) and event.end > self._furthest.get(event.row.id, 0):
            self._furthest[event.row.id] = event.end
            self._moved_at = self._clock()  # not where it began again, and is not so far yet
        self.failed = self.failed or isinstance(event, FileFailed)

    def gives_up_at(self, more: float) -> float:
        """Return when its patience ends, by the clock; `more` seconds than usual, for a good reason."""
        return self._moved_at + self.patience + more
