"""A system with no more threads: work goes on with those that there are, and waits where there is none."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import World, rows
from tests.hook import hook
from watcher.agent.hashing import BesideSha256
from watcher.agent.workers import Threads

OURS = ("worker-", "sha256", "notify", "status-")
Allow = Callable[[Callable[[str], bool]], None]


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch, world: World) -> Allow:
    """Lets the system start a thread of a name, or not; those of the server are none of ours."""
    del world  # its server's thread is there by now
    start, main = threading.Thread.start, threading.main_thread()

    def only(may: Callable[[str], bool]) -> None:
        def guarded(self: threading.Thread) -> None:
            watchdogs = type(self).__module__.startswith("watchdog")
            ours = watchdogs or (threading.current_thread() is main and self.name.startswith(OURS))
            if ours and not may(self.name):
                raise RuntimeError("can't start new thread")
            start(self)

        monkeypatch.setattr(threading.Thread, "start", guarded)

    return only


def drop(world: World) -> None:
    for number in range(5):
        world.drop(f"agent_events_{number}.csv", rows(20))
        world.drop(f"reason_codes_{number}.json", "[]")


def shortages(lines: list[str]) -> int:
    return sum("no more threads" in line for line in lines)


def test_one_thread_is_enough_for_everything(world: World, lines: list[str], allow: Allow) -> None:
    started: list[str] = []

    def first(name: str) -> bool:
        started.append(name)
        return name.startswith("worker-") and len(started) == 1

    allow(first)
    drop(world)

    assert world.run_once() == 0

    assert len(world.files("done")) == 10
    assert shortages(lines) == 1


def test_without_any_thread_the_agent_waits_for_one_and_says_so_once(
    world: World, lines: list[str], allow: Allow
) -> None:
    tries = iter(range(1_000))
    allow(lambda _name: next(tries) >= 3)
    drop(world)

    assert world.run_once() == 0

    assert len(world.files("done")) == 10
    assert shortages(lines) == 1


def test_events_page_and_notices_are_done_without_and_told(
    world: World, lines: list[str], allow: Allow
) -> None:
    world.settings["observe"] = "native"
    world.settings["status"] = {"listen": "127.0.0.1:0"}
    with hook() as service:
        world.settings["notify"] = {"urls": [service.url]}
        allow(lambda name: name.startswith("worker-"))
        drop(world)

        assert world.run_once() == 0

    assert len(world.files("done")) == 10
    for words in ("no events for the drop folder", "the status page is not there", "nobody is notified"):
        assert sum(words in line for line in lines) == 1, words


def test_a_digest_without_a_thread_is_the_same_digest(allow: Allow) -> None:
    allow(lambda _name: False)
    hasher: Any = BesideSha256()

    for block in (b"a", b"b", b"c"):
        hasher.update(block)

    assert hasher.hexdigest() == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="interrupts its own process by a signal")
def test_a_wait_ends_whatever_time_the_handler_of_a_signal_took() -> None:
    """What `SimpleQueue.get` of Python 3.12 and older does not by itself: see `Workers.wake`."""
    workers = Threads()

    def handler(_number: int, _frame: object) -> None:
        threading.Event().wait(0.3)  # beyond the end of the wait
        workers.wake()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        interrupting = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        interrupting.start()
        assert workers.wait(0.2) == []
        interrupting.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
