"""The one stream of events: whoever makes one emits it here, and everybody who wants to know subscribes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watcher.core.events import Event
from watcher.report import log

Hear = Callable[[Event], None]


class Stream:
    """Brings each event to all subscribers, in the thread that emits it. The log is always one of them."""

    def __init__(self) -> None:
        self._subscribers: tuple[Hear, ...] = ()  # replaced as a whole: any thread may emit

    def emit(self, event: Event) -> None:
        """Tell everybody. A fault in a subscriber is logged, and stops neither the others nor the event."""
        log.hear(event)
        for hear in self._subscribers:
            try:
                hear(event)
            except Exception as error:  # counting is none of the event's business
                log.deaf(event, error)

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        """Tell `hear` of every event from now on; returns what ends that. It must not wait."""
        self._subscribers = (*self._subscribers, hear)
        return lambda: self._leave(hear)

    @contextmanager
    def told_to(self, hear: Hear) -> Iterator[None]:
        """Tell `hear` of every event as long as the block lasts."""
        end = self.subscribe(hear)
        try:
            yield
        finally:
            end()

    def _leave(self, hear: Hear) -> None:
        self._subscribers = tuple(other for other in self._subscribers if other is not hear)
