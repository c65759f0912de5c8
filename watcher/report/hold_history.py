"""Writes the holds that are over into the journal, for the plot of the status page; by the log's events.

It is a diary and no more: where it cannot write (a full disk is itself a hold), the entry is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from watcher.core.errors import Outside
from watcher.journal.protocol import Timeline
from watcher.report import log


class Diary:
    """The holds of this process, from their beginning to their end."""

    def __init__(self, timeline: Timeline, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._timeline = timeline
        self._now = now
        self._open: dict[str, tuple[str, datetime]] = {}  # by target; each access is one step

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """Take note of an event of the log."""
        if event == "hold_began":
            self._open[fields["target"]] = (fields["reason"], self._now())
        elif event == "hold_ended":
            self._write(fields["target"])

    def close(self) -> None:
        """The agent ends: what is still held is written down as far as it got."""
        for target in list(self._open):
            self._write(target)

    def _write(self, target: str) -> None:
        found = self._open.pop(target, None)
        if found is not None:
            reason, began = found
            with suppress(Outside):  # no room, or no folder: see above
                self._timeline.hold_ended(target, reason, began=began, ended=self._now())


@contextmanager
def kept(timeline: Timeline) -> Iterator[None]:
    """Keep the diary as long as the block lasts."""
    diary = Diary(timeline)
    end = log.listen(diary.hear)
    try:
        yield
    finally:
        end()
        diary.close()
