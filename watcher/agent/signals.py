"""The signals that end the agent, or ask it to read its settings again.

Imported before all else, so that signals are heard from the very start: it imports next to nothing itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

_Handler = Callable[[int, FrameType | None], None]


class Start:
    """What signals ask for before there is an agent: nothing is begun, so it may end at any moment."""

    def __init__(self) -> None:
        self._reload = False
        self._on_terminal = False

    def begin(self) -> None:
        """In `watcher run`: end by SIGTERM and SIGINT with exit code 0, and survive SIGHUP, until a `Signals`
        listens. May be repeated."""
        if sys.argv[1:2] != ["run"]:
            return
        self._on_terminal = self._on_terminal or _has_terminal()
        _take(self._on_signal, self._on_hangup)

    def read_settings(self) -> None:
        """The settings are read now: who asked for it before, has it."""
        self._reload = False

    def hand_over(self) -> tuple[bool, bool]:
        """Return whether a reload was asked for since then, and whether there was a terminal."""
        asked, self._reload = self._reload, False
        return asked, self._on_terminal

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        if self._on_terminal and not _has_terminal():
            self._on_signal(number, frame)
        self._reload = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # No exception: it would come up in the middle of an import, which may swallow it or tell of it.
        os._exit(0)


START = Start()


class Signals:
    """What signals asked for since the start."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` ends the wait of the main loop, and is safe to call in a signal handler."""
        self._wake = wake
        self._signals = 0
        self._reload = False
        self._takes_reloads = False
        self._on_terminal = False

    def listen(self, *, reload: bool = False) -> None:
        """Take SIGTERM and SIGINT as the wish to stop, and SIGHUP as that for a reload; without `reload` that
        is for nothing.

        Only the main thread may do that. Windows has no SIGHUP.
        """
        self._takes_reloads = reload
        self._on_terminal = _has_terminal()
        _take(self._on_signal, self._on_hangup)
        asked, had_terminal = START.hand_over()
        self._reload = self._reload or (asked and reload)
        self._on_terminal = self._on_terminal or had_terminal

    @property
    def told_to_stop(self) -> bool:
        """Whether a signal came."""
        return self._signals > 0

    def asked_to_reload(self) -> bool:
        """Say whether a reload was asked for since the last call."""
        asked, self._reload = self._reload, False
        return asked

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        """A reload; but where our terminal is gone, that is what SIGHUP says, and nobody would stop us."""
        if self._on_terminal and not _has_terminal():
            self._on_signal(number, frame)
        elif self._takes_reloads:
            self._reload = True
            self._wake()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The first one stops after what is under way; a second ends at once, which the journal allows."""
        self._signals += 1
        if self._signals > 1:
            os._exit(130)
        self._wake()


def _take(on_signal: _Handler, on_hangup: _Handler) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), on_signal)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, on_hangup)


def _has_terminal() -> bool:
    return any(map(os.isatty, (0, 1, 2)))
