"""Tells systemd how the agent is: ready, alive, stopping. A datagram each (sd_notify(3)), no library.

Without systemd, or where its socket is away, nothing happens: being watched is no condition for work.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

PING_SECONDS = 1.0  # the main loop may turn far more often


class Supervisor:
    """systemd, as far as it listens: `Type=notify`, and `WatchdogSec=` if that is set."""

    def __init__(
        self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # sd_notify(3): "@" stands for the NUL byte that an abstract socket's name begins with.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(microseconds) / 1e6 if microseconds.isdecimal() else None
        self._clock = clock
        self._ping_at = 0.0  # not before
        self._ready = False

    def alive(self) -> None:
        """The agent works: the first call says READY=1, each one WATCHDOG=1, at most once a second."""
        if not self._address or (self._ready and self._clock() < self._ping_at):
            return
        self._send("WATCHDOG=1" if self._ready else "READY=1\nWATCHDOG=1")
        self._ready = True
        self._ping_at = self._clock() + PING_SECONDS

    def stopping(self) -> None:
        """The agent ends; the request under way may take its timeout."""
        self._send("STOPPING=1\nWATCHDOG=1")

    def _send(self, state: str) -> None:
        if self._address and hasattr(socket, "AF_UNIX"):
            with (
                suppress(OSError),  # nobody listens, and nobody is to be told
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end,
            ):
                end.setblocking(False)  # a full queue must not stop the main loop
                end.sendto(state.encode(), self._address)
