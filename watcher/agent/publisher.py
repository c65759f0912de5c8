"""Tells `watcher status` what only the running agent knows, where it is new, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from watcher.agent.holds import Holds
from watcher.core.errors import Outside
from watcher.core.units import utc_text
from watcher.disk import files
from watcher.report.status_file import write

PUBLISH_SECONDS = 0.25  # `status` is at most this far behind


class Publisher:
    """Tells `watcher status` what only this process knows, where it is new, and not too often."""

    def __init__(self, state: Path, holds: Holds, *, clock: Callable[[], float]) -> None:
        self.due_at = clock()  # not before, by the clock
        self.has_news = True  # written by any thread
        self._state = state
        self._holds = holds
        self._clock = clock
        self._started_at = utc_text(datetime.now(UTC))
        self._mute = False  # the last word met a fault

    @property
    def due(self) -> bool:
        """Whether there is something to tell now."""
        return self.has_news and self._clock() >= self.due_at

    def tell(self, waiting: Sequence[tuple[str, str | None, str]], *, number: int) -> None:
        """Write it down (as in `write`); a state folder that takes no word is held."""
        self.has_news = False
        try:
            held = self._holds.active()
            write(self._state, waiting=waiting, number=number, holds=held, started_at=self._started_at)
        except Outside as fault:
            # A hold that the journal began is not ours to end.
            self._mute = self._mute or not self._holds.held([fault.target])
            self._holds.failed(fault)
        else:
            if self._mute:
                self._holds.worked(files.folder_target(self._state))
            self._mute = False
        self.due_at = self._clock() + PUBLISH_SECONDS
