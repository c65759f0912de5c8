"""`watcher demo --web`: what goes on while the page is looked at, so that it shows every state.

Within the first minute: files that are delivered, one that failed, one that a program does not finish, and a
server that is out of order and comes back; then that last one again and again.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from watcher.commands.terminal import Terminal
from watcher.sandbox.server import Answer, Request, Sandbox

TROUBLE_SECONDS, CALM_SECONDS = 30.0, 30.0
LINE_SECONDS = 0.5  # between two lines of the file that is never finished
OPEN_NAME = "agent_events_unfinished.csv"

SETTINGS = """\
settle: {{quiet: 500ms, patience: 5s}}
upload: {{retry_cap: 5s}}
status: {{listen: "127.0.0.1:{port}"}}
"""


class Troubled(Sandbox):
    """A stand-in that is out of order as long as `trouble` is set: then it takes no import."""

    def __init__(self) -> None:
        super().__init__(keep_bodies=False)
        self.trouble = threading.Event()

    def respond(self, request: Request) -> Answer | None:
        """Answer as the stand-in does, or with HTTP 503."""
        if self.trouble.is_set() and "pushToken" in request.query:
            return Answer(503, b"out of order, as the demo wants it", "text/plain")
        return super().respond(request)


def free_port() -> int:
    """Return a port of the loopback that nobody has at this moment."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


class Story:
    """What happens, until `seconds` are over (None: until an interruption) or the agent has ended."""

    def __init__(
        self,
        drop: Path,
        server: Troubled,
        terminal: Terminal,
        alive: Callable[[], bool],
        seconds: float | None,
    ) -> None:
        """`drop` is the folder, `alive` says whether the agent still runs."""
        self._drop, self._server, self._terminal, self._alive = drop, server, terminal, alive
        self._end = None if seconds is None else time.monotonic() + seconds
        self._pause = threading.Event()  # never set: a wait that signals end

    def tell(self, content: bytes) -> None:
        """Go on and on; `content` is that of the files that are dropped meanwhile."""
        say, number = self._terminal.say, 0
        with (self._drop / OPEN_NAME).open("w", encoding="utf-8") as unfinished:
            say(f"{OPEN_NAME} is never finished: it waits, and after 5 s the page says for what")
            while self._goes_on(unfinished, CALM_SECONDS if number else 5.0):
                number += 1
                self._server.trouble.set()
                name = f"agent_events_{number}.csv"
                self._put(name, content)
                say(f"the stand-in is out of order for {TROUBLE_SECONDS:g} s and holds {name}")
                if not self._goes_on(unfinished, TROUBLE_SECONDS):
                    return
                self._server.trouble.clear()
                say("the stand-in works again: what was held goes on by itself")

    def _put(self, name: str, content: bytes) -> None:
        """Write beside the name and rename, as a careful exporter does."""
        part = self._drop / f"{name}.part"
        part.write_bytes(content)
        part.rename(self._drop / name)

    def _goes_on(self, unfinished: TextIO, seconds: float) -> bool:
        """Write to the unfinished file for so long; returns whether the story is to go on."""
        until = time.monotonic() + seconds
        while self._alive() and (self._end is None or time.monotonic() < self._end):
            if time.monotonic() >= until:
                return True
            unfinished.write("agent-1001,READY,,2026-11-23T08:00:00Z,2026-11-23T08:05:00Z,\n")
            unfinished.flush()
            self._pause.wait(LINE_SECONDS)
        return False
