"""What the main loop waits on, and the signals that end it."""

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

    def __call__(self) -> None:
        self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for a call, at most `seconds`; several calls count as one."""
        with suppress(queue.Empty):
            self._queue.get(timeout=max(0.0, min(seconds, LONGEST_WAIT_SECONDS)))
            while True:
                self._queue.get_nowait()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as the wish to stop. Only the main thread may do that."""
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)

    @property
    def told_to_stop(self) -> bool:
        """Whether a signal came."""
        return self._signals > 0

    def _on_signal(self, _number: int, _frame: object) -> None:
        """The first one stops after what is under way; a second ends at once, which the journal allows."""
        self._signals += 1
        if self._signals > 1:
            os._exit(130)
        self()
