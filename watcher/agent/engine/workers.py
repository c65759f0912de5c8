"""The threads that acts are done in. An act that hangs costs one of them, and nobody else waits for it."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

# How long the control thread waits at most: on Windows a blocked wait sees no Ctrl-C.
LONGEST_WAIT_SECONDS = 5.0 if os.name != "nt" else 0.5
IDLE_SECONDS = 10.0  # a thread without work ends
SHORTAGE_SECONDS = 0.5  # then another try, where the system had no more threads
# A thread that is at one piece of work for so long is not waited for by the next one.
LONG_SECONDS = 0.002

Done = tuple[object, object]  # what was asked for, and its result or error


class Workers(Protocol):
    """Where acts are done; all but `wake` are called by the control thread alone."""

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Have `work` done; its result, or its error, comes back with the ticket. Waits for nothing.
        `at_once`: beside what else is asked for, and not behind it."""

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

    Most acts of small files take less time than two threads need to get out of each other's way, of Python's
    lock most of all. So one thread takes one piece of work after the other, for as long as none is long, and
    the control thread hears of them when all are done; else others come and help. Where the system has no
    more threads, work waits for those that there are, and for the next try.
    """

    def __init__(self) -> None:
        self.on_shortage: Callable[[], None] = lambda: None  # called once for each shortage
        self._is_short = False
        self._all: list[_Worker] = []
        self._wanted = 0  # so many threads, for what is to be done at once
        self._line = _Line()

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Have `work` done, as soon as the control thread waits: until then it would only be in its way."""
        self._line.waiting.append((ticket, work))
        self._wanted += at_once

    def wait(self, seconds: float) -> list[Done]:
        """Wait for results, at most so long and at most `LONGEST_WAIT_SECONDS`."""
        line, until = self._line, time.monotonic() + min(seconds, LONGEST_WAIT_SECONDS)
        for _ in range(self._wanted):
            self._call()
        self._wanted = 0
        while True:
            # In this order: what was done before this look at the threads is there by then; what is done by
            # those that are not quick, behind which nothing waits, rings.
            is_moving, is_waiting = any(worker.is_quick for worker in self._all), bool(line.waiting)
            if is_waiting and not is_moving:
                self._call()
            if line.done:
                break
            left = until - time.monotonic()
            if is_moving or is_waiting:
                left = min(left, SHORTAGE_SECONDS if self._is_short and not is_moving else LONG_SECONDS)
            try:
                line.bell.get(timeout=max(0.0, left))
                break
            except queue.Empty:
                if time.monotonic() >= until:
                    break
        with suppress(queue.Empty):
            while True:
                line.bell.get_nowait()
        return [line.done.popleft() for _ in range(len(line.done))]

    def wake(self) -> None:
        """End the wait."""
        self._line.bell.put(None)

    @property
    def lost(self) -> list[str]:
        """The names of threads that died with work in their hands."""
        return [worker.thread.name for worker in self._all if worker.is_busy and not worker.thread.is_alive()]

    def _call(self) -> None:
        """Have one thread more take from the line: one that is free, or a new one, where it can be had."""
        with suppress(IndexError):
            self._line.free.pop().begin()
            return
        self._all = [worker for worker in self._all if worker.is_busy or worker.thread.is_alive()]
        # One stays, whatever happens: another may not be had when it is needed.
        stays = not any(worker.stays for worker in self._all)
        worker = _Worker(f"worker-{next(_SERIAL)}", self._line, stays=stays)
        try:
            worker.thread.start()
        except RuntimeError:
            if not self._is_short:
                self._is_short = True
                self.on_shortage()
            return
        self._is_short = False
        self._all.append(worker)
        worker.begin()


_SERIAL = itertools.count(1)


class _Line:
    """What all threads share. Every access of one is a single step."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[object, Callable[[], object]]] = deque()  # what nobody has begun
        self.done: deque[Done] = deque()
        self.bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # put() is safe in signal handlers
        # The last one that got free is the next one to work: what it needs is still in the processor's cache.
        self.free: list[_Worker] = []  # each thread adds itself


class _Worker:
    """One thread; once it is called, it takes one piece of work after the other."""

    def __init__(self, name: str, line: _Line, *, stays: bool) -> None:
        self.stays = stays  # without work, too
        self.is_busy = False
        self._since = 0.0  # the begin of the piece at hand
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._line = line
        # A daemon: one that hangs on a dead share must not keep the process.
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_quick(self) -> bool:
        """Whether it is at work, and at the next piece in a moment, as far as can be told."""
        return self.is_busy and time.monotonic() - self._since < LONG_SECONDS

    def begin(self) -> None:
        """There is something to take from the line. Called where it is free."""
        self.is_busy, self._since = True, time.monotonic()
        self._calls.put(None)

    def _run(self) -> None:
        line = self._line
        while True:
            try:
                self._calls.get(timeout=None if self.stays else IDLE_SECONDS)
            except queue.Empty:
                try:
                    line.free.remove(self)
                except ValueError:
                    continue  # some work is on its way to us
                return
            while line.waiting:
                try:
                    ticket, work = line.waiting.popleft()
                except IndexError:  # another one was faster
                    break
                self._since = time.monotonic()
                try:
                    result = work()
                except Exception as error:
                    result = error
                line.done.append((ticket, result))
                del ticket, work, result  # a chunk must not stay in memory until there is work again
            self.is_busy = False
            line.free.append(self)
            line.bell.put(None)
