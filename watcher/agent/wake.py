"""What the main loop waits on, and the signals that end it or ask it to read its settings again."""

from __future__ import annotations

import os
import queue
import signal
from contextlib import suppress

# How long the main thread waits at most: on Windows a blocked wait sees no Ctrl-C.
LONGEST_WAIT_SECONDS = 5.0 if os.name != "nt" else 0.5


class Wake:
    """What the main loop waits on; signals, watchdog and finished threads call it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() is safe in signal handlers
        self._signals = 0
        self._reload = False
        self._on_terminal = False

    def __call__(self) -> None:
        self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for a call, at most `seconds`; several calls count as one."""
        with suppress(queue.Empty):
            self._queue.get(timeout=max(0.0, min(seconds, LONGEST_WAIT_SECONDS)))
            while True:
                self._queue.get_nowait()

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
            self()

    def _on_signal(self, _number: int, _frame: object) -> None:
        """The first one stops after what is under way; a second ends at once, which the journal allows."""
        self._signals += 1
        if self._signals > 1:
            os._exit(130)
        self()


def _has_terminal() -> bool:
    return any(map(os.isatty, (0, 1, 2)))
