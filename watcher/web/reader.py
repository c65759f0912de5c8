"""One thread that reads the disk for the page, so that a share that hangs costs this one thread and no more.

It is a daemon: a read that never returns does not keep the agent from ending.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from watcher.core.errors import Outside

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
LONGEST_QUEUE = 50


class Slow(Exception):
    """The disk did not answer in time, or too many questions wait for it."""


class Reader:
    """Does work that reads the disk, one piece after the other."""

    def __init__(self, *, patience: float | None = None) -> None:
        """`patience` in seconds, by default `PATIENCE_SECONDS`: what takes longer is not waited for."""
        self._patience = patience
        self._queue: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None

    async def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises. Raises `Slow`."""
        if self._queue.qsize() >= LONGEST_QUEUE:
            raise Slow
        self._begin()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((work, answer))
        try:
            return await asyncio.wait_for(answer, self._patience or PATIENCE_SECONDS)
        except TimeoutError:
            raise Slow from None

    def later(self, work: Callable[[], object]) -> None:
        """Do this behind what waits, though nobody waits for it; what it raises is nobody's."""

        def quietly() -> None:
            with suppress(Outside):
                work()

        if self._thread is not None:
            self._queue.put((quietly, asyncio.get_running_loop().create_future()))

    def _begin(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="status-reader", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more of them, for now
                raise Slow from None
            self._thread = thread

    def stop(self) -> None:
        """End the thread after what it is at."""
        self._queue.put(None)

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at something, or waits for something to do."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """After `stop`: wait until its thread has ended, so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, answer = item
            if answer.cancelled():
                continue  # whoever asked has gone
            result: Any = None
            fault: Exception | None = None
            try:
                result = work()
            except Exception as error:  # goes to whoever asked, and does not end this thread
                fault = error
            with suppress(RuntimeError):  # the server has ended meanwhile, and its loop with it
                answer.get_loop().call_soon_threadsafe(_settle, answer, result, fault)


def _settle(answer: asyncio.Future[Any], result: Any, fault: Exception | None) -> None:
    if answer.done():
        return
    if fault is not None:
        answer.set_exception(fault)
    else:
        answer.set_result(result)
