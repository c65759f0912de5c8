"""Tells `watcher status` what only the running agent knows, where it is new, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from watcher.agent.queue.dispatcher import Dispatcher
from watcher.core.events import Stuck
from watcher.core.holds import NEVER, Hold
from watcher.core.order import route_name
from watcher.core.units import utc_text
from watcher.report.status_file import SHOWN_STUCK, SHOWN_WAITING, write

PUBLISH_SECONDS = 0.25  # `status` is at most this far behind


class Publisher:
    """Gathers what there is to tell in the control thread, and writes it down in a worker's."""

    def __init__(self, state: Path, *, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self.has_news = False  # the first look brings the first
        self._state = state
        self._clock, self._now = clock, now
        self._started_at = utc_text(now())
        self._not_before = clock()
        self._waiting: Sequence[tuple[str, str | None, str]] = ()  # as in `write`
        self._number = 0
        self._holds: Sequence[Hold] = ()
        self._stuck: Sequence[tuple[Stuck, bool]] = ()

    @property
    def due_at(self) -> float:
        """When there is something to tell, by the clock."""
        return self._not_before if self.has_news else NEVER

    def gather(self, dispatcher: Dispatcher, holds: Sequence[Hold]) -> None:
        """Take what there is to tell now."""
        self.has_news = False
        self._not_before = self._clock() + PUBLISH_SECONDS
        told = list(
            islice(dispatcher.waiting.values(), SHOWN_WAITING)
        )  # not all: this is four times a second
        why = dispatcher.reasons(told)
        self._waiting = [(file.name, route_name(file), text) for file, text in zip(told, why, strict=True)]
        self._waiting += [(name, None, why) for name, why in dispatcher.odd]
        self._number = len(dispatcher.waiting) + len(dispatcher.odd)
        self._holds = holds
        self._stuck = dispatcher.patience.listed(dispatcher.waiting, SHOWN_STUCK)

    def tell(self) -> None:
        """Write it down. Raises `Outside`."""
        write(
            self._state, waiting=self._waiting, number=self._number, holds=self._holds,
            started_at=self._started_at, stuck=self._stuck,
        )  # fmt: skip
