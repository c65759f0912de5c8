"""The threads that acts are done in. An act that hangs costs one of them, and nobody else waits for it."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

# How long the control thread waits at most: on Windows a blocked wait sees no Ctrl-C.
LONGEST_WAIT_SECONDS = 5.0 if os.name != "nt" else 0.5
IDLE_SECONDS = 10.0  # a thread without work ends

Done = tuple[object, object]  # what was asked for, and its result or error


class Workers(Protocol):
    """Where acts are done; all but `wake` are called by the control thread alone."""

    def do(self, ticket: object, work: Callable[[], object]) -> None:
        """Have `work` done; its result, or its error, comes back with the ticket. Waits for nothing."""

    def wait(self, seconds: float) -> list[Done]:
        """Wait for results, or a call of `wake`, at most so long; returns all that are there."""

    def wake(self) -> None:
        """End the wait. Any thread, and a signal handler, may call it."""

    @property
    def lost(self) -> list[str]:
        """The names of threads that died with work in their hands. Any thread may ask."""


class Threads:
    """Threads of this process: made when there is none free, gone when there is nothing to do."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[object, Callable[[], object]]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done | None] = queue.SimpleQueue()  # put() is safe in signal handlers
        self._lock = threading.Lock()
        self._free = 0  # threads that wait for work, less the work that waits for them; under the lock
        self._busy: dict[threading.Thread, object] = {}  # each thread changes its own entry
        self._serial = 0

    def do(self, ticket: object, work: Callable[[], object]) -> None:
        """Have `work` done, in a new thread where none is free."""
        with self._lock:
            self._free -= 1
            enough = self._free >= 0
        self._work.put((ticket, work))
        if not enough:
            self._serial += 1
            # Daemons: one that hangs on a dead share must not keep the process.
            thread = threading.Thread(target=self._run, name=f"worker-{self._serial}", daemon=True)
            with self._lock:
                self._free += 1
            try:
                thread.start()
            except RuntimeError:  # no more threads: whoever gets free takes it
                with self._lock:
                    self._free -= 1

    def wait(self, seconds: float) -> list[Done]:
        """Wait for results, at most so long and at most `LONGEST_WAIT_SECONDS`."""
        found: list[Done] = []
        with suppress(queue.Empty):
            first = self._done.get(timeout=max(0.0, min(seconds, LONGEST_WAIT_SECONDS)))
            while True:
                if first is not None:
                    found.append(first)
                first = self._done.get_nowait()
        return found

    def wake(self) -> None:
        """End the wait."""
        self._done.put(None)

    @property
    def lost(self) -> list[str]:
        """The names of threads that died with work in their hands."""
        return [thread.name for thread in list(self._busy) if not thread.is_alive()]

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            try:
                ticket, work = self._work.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._free > 0:
                        self._free -= 1
                        return
                continue  # some work is on its way to us
            self._busy[me] = ticket
            try:
                result = work()
            except Exception as error:
                result = error
            del self._busy[me]
            with self._lock:
                self._free += 1
            self._done.put((ticket, result))
            del ticket, work, result  # a chunk must not stay in memory until there is work again
