"""The threads that acts are done in. An act that hangs costs one of them, and nobody else waits for it."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

# How long the control thread waits at most: on Windows a blocked wait sees no Ctrl-C.
LONGEST_WAIT_SECONDS = 5.0 if os.name != "nt" else 0.5
IDLE_SECONDS = 10.0  # a thread without work ends
SHORTAGE_SECONDS = 0.5  # then another try, where the system had no more threads

Done = tuple[object, object]  # what was asked for, and its result or error


class Workers(Protocol):
    """Where acts are done; all but `wake` are called by the control thread alone."""

    def do(self, ticket: object, work: Callable[[], object]) -> None:
        """Have `work` done; its result, or its error, comes back with the ticket. Waits for nothing."""

    def wait(self, seconds: float) -> list[Done]:
        """Wait for results, or a call of `wake`, at most so long; returns all that are there."""

    def wake(self) -> None:
        """End the wait. Any thread, and a signal handler, may call it; one that does not raise has to: before
        Python 3.13, `SimpleQueue.get` forgets its time-out when a handler returns after the end of it."""

    @property
    def lost(self) -> list[str]:
        """The names of threads that died with work in their hands. Any thread may ask."""


class Threads:
    """Threads of this process: made when there is none free, gone when there is nothing to do, but for one.

    Where the system has no more of them, work waits for those that there are, and for the next try.
    """

    def __init__(self) -> None:
        self.on_shortage: Callable[[], None] = lambda: None  # called once for each shortage
        self._is_short = False
        self._done: queue.SimpleQueue[Done | None] = queue.SimpleQueue()  # put() is safe in signal handlers
        self._asked: list[tuple[object, Callable[[], object]]] = []
        self._all: list[_Worker] = []
        # The last one that got free is the next one to work: what it needs is still in the processor's cache.
        self._free: list[_Worker] = []  # each thread adds itself; every access is one step

    def do(self, ticket: object, work: Callable[[], object]) -> None:
        """Have `work` done, as soon as the control thread waits: until then it would only be in its way."""
        self._asked.append((ticket, work))

    def wait(self, seconds: float) -> list[Done]:
        """Wait for results, at most so long and at most `LONGEST_WAIT_SECONDS`."""
        while self._asked and (worker := self._somebody()):
            worker.work.put(self._asked.pop(0))
        if self._asked:
            seconds = min(seconds, SHORTAGE_SECONDS)
        found: list[Done] = []
        with suppress(queue.Empty):
            done = self._done.get(timeout=max(0.0, min(seconds, LONGEST_WAIT_SECONDS)))
            while True:
                if done is not None:
                    found.append(done)
                done = self._done.get_nowait()
        return found

    def wake(self) -> None:
        """End the wait."""
        self._done.put(None)

    @property
    def lost(self) -> list[str]:
        """The names of threads that died with work in their hands."""
        return [worker.thread.name for worker in self._all if worker.is_busy and not worker.thread.is_alive()]

    def _somebody(self) -> _Worker | None:
        """Return a thread that is free, or a new one; None: the system has no more of them for now."""
        with suppress(IndexError):
            return self._free.pop()
        self._all = [worker for worker in self._all if worker.is_busy or worker.thread.is_alive()]
        # One stays, whatever happens: another may not be had when it is needed.
        stays = not any(worker.stays for worker in self._all)
        worker = _Worker(f"worker-{next(_SERIAL)}", self._free, self._done, stays=stays)
        try:
            worker.thread.start()
        except RuntimeError:
            if not self._is_short:
                self._is_short = True
                self.on_shortage()
            return None
        self._is_short = False
        self._all.append(worker)
        return worker


_SERIAL = itertools.count(1)


class _Worker:
    """One thread; it takes one piece of work after the other."""

    def __init__(
        self, name: str, free: list[_Worker], done: queue.SimpleQueue[Done | None], *, stays: bool
    ) -> None:
        self.stays = stays  # without work, too
        self.work: queue.SimpleQueue[tuple[object, Callable[[], object]]] = queue.SimpleQueue()
        self.is_busy = False
        # A daemon: one that hangs on a dead share must not keep the process.
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._free, self._done = free, done

    def _run(self) -> None:
        while True:
            try:
                ticket, work = self.work.get(timeout=None if self.stays else IDLE_SECONDS)
            except queue.Empty:
                try:
                    self._free.remove(self)
                except ValueError:
                    continue  # some work is on its way to us
                return
            self.is_busy = True
            try:
                result = work()
            except Exception as error:
                result = error
            self.is_busy = False
            self._free.append(self)
            self._done.put((ticket, result))
            del ticket, work, result  # a chunk must not stay in memory until there is work again
