"""Tells of files that take long, from their chunks: when one begins, and how far it is, now and then.

Small files, which are most, are not told of before their end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from watcher.core.events import (
    ChunkSent,
    Event,
    FileDelivered,
    FileFailed,
    FileReturned,
    FileVanished,
    LargeBegan,
    Progressed,
)

MANY_CHUNKS = 20  # by default some 20 MB: below that the end comes soon enough, or the next rule tells
LONG_SECONDS = 10.0  # a file that takes longer is told of, whatever its size
EVERY_SECONDS = 30.0  # at most; who looks into a log for less has `status --watch`


@dataclass(slots=True)
class _UnderWay:
    began: float
    start: int  # byte offset
    told: float | None  # when; None: never


class Progress:
    """Hears of chunks in the thread that emits them, and emits what is worth a line."""

    def __init__(self, emit: Callable[[Event], None], clock: Callable[[], float]) -> None:
        """`clock`: in seconds."""
        self._emit = emit
        self._clock = clock
        self._files: dict[int, _UnderWay] = {}  # by their row

    def hear(self, event: Event) -> None:
        """Take notice of a chunk, or of a file's end."""
        match event:
            case ChunkSent(row, _, _, last):
                if last:
                    self._files.pop(row.id, None)
                else:
                    self._sent(event)
            case FileDelivered(row) | FileFailed(row) | FileReturned(row) | FileVanished(row):
                self._files.pop(row.id, None)

    def _sent(self, event: ChunkSent) -> None:
        row, total, now = event.row, event.row.upload.total, self._clock()
        if total is None:
            return
        known = self._files.get(row.id)
        if known is None or event.start < known.start:  # new, or begun again
            known = self._files[row.id] = _UnderWay(now, event.end, None)
            chunks = -(-total // max(event.end - event.start, 1))
            if chunks > MANY_CHUNKS and event.start == 0:
                known.told = now
                self._emit(LargeBegan(row, total, chunks))
            return
        # Of one that is not known to be large the first line comes sooner.
        due = known.began + LONG_SECONDS if known.told is None else known.told + EVERY_SECONDS
        if now >= due:
            known.told = now
            speed = (event.end - known.start) / (now - known.began)
            self._emit(Progressed(row, event.end, total, speed))
