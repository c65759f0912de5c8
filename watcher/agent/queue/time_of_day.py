"""The time of day that files are judged by and that the journal has: the login server's, where ours differs.

A machine's clock may be wrong, most of all before it has heard of a time server; the one that takes the files
judges them by its own. Nothing of that lies in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from watcher.core.events import Warned
from watcher.core.model import Route
from watcher.report.expect import duration
from watcher.report.stream import Stream

SAME_SECONDS = 5.0  # clocks that differ by less are the same: an answer takes its time
TOLD_SECONDS = 60.0


class Server(Protocol):
    """What is needed of a client."""

    def server_time(self) -> datetime | None:
        """Return the login server's time of day; None: it is not known."""

    @property
    def may_tell_time(self) -> bool:
        """Whether that is not known, and the answer with a new token may tell it."""

    def get_token(self) -> float:
        """Get a new access token; returns the seconds it will be used. Raises `Outside`."""


class TimeOfDay:
    """Any thread may ask."""

    def __init__(self, server: Server, stream: Stream, *, now: Callable[[], datetime]) -> None:
        """`now` is this machine's clock."""
        self._server, self._stream, self._now = server, stream, now
        self._is_told = False

    def now(self) -> datetime:
        """Return the time: the login server's, where it is known and this machine's is another."""
        ours, theirs = self._now(), self._server.server_time()
        if theirs is None:
            return ours
        off = (ours - theirs).total_seconds()
        if abs(off) >= TOLD_SECONDS and not self._is_told:
            self._is_told = True
            which = "ahead of" if off > 0 else "behind"
            self._stream.emit(
                Warned(
                    f"this machine's clock is {duration(round(abs(off)))} {which} the login server's, whose"
                    " time counts for files and history; set the clock, and switch on NTP"
                )
            )
        return theirs if abs(off) > SAME_SECONDS else ours

    def is_needed(self, routes: Iterable[Route | None]) -> bool:
        """Whether files of these routes are judged by the time, and it is to be asked for first."""
        if not self._server.may_tell_time:
            return False
        columns = [column for route in routes if route for column in route.columns]
        return any(column.not_future is not None or column.not_older is not None for column in columns)

    def ask(self) -> None:
        """Hear the login server. Raises `Outside`."""
        self._server.get_token()
