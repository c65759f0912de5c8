"""The signals that end the agent, or ask it to read its settings again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class Signals:
    """What signals asked for since the start."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` ends the wait of the main loop, and is safe to call in a signal handler."""
        self._wake = wake
        self._signals = 0
        self._reload = False
        self._on_terminal = False

    def listen(self, *, reload: bool = False) -> None:
        """Take SIGTERM and SIGINT as the wish to stop, and with `reload` SIGHUP as the wish for a reload.

        Only the main thread may do that. Windows has no SIGHUP.
        """
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)
        if reload and hasattr(signal, "SIGHUP"):
            self._on_terminal = _has_terminal()
            signal.signal(signal.SIGHUP, self._on_hangup)

    @property
    def told_to_stop(self) -> bool:
        """Whether a signal came."""
        return self._signals > 0

    def asked_to_reload(self) -> bool:
        """Say whether a reload was asked for since the last call."""
        asked, self._reload = self._reload, False
        return asked

    def _on_hangup(self, number: int, frame: object) -> None:
        """A reload; but where our terminal is gone, that is what SIGHUP says, and nobody would stop us."""
        if self._on_terminal and not _has_terminal():
            self._on_signal(number, frame)
        else:
            self._reload = True
            self._wake()

    def _on_signal(self, _number: int, _frame: object) -> None:
        """The first one stops after what is under way; a second ends at once, which the journal allows."""
        self._signals += 1
        if self._signals > 1:
            os._exit(130)
        self._wake()


def _has_terminal() -> bool:
    return any(map(os.isatty, (0, 1, 2)))
