"""A system with no more threads: work goes on with those that there are, and waits where there is none."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.agent.test_agent import until
from tests.conftest import World, rows
from tests.hook import hook
from watcher.agent.effects.hashing import BesideSha256
from watcher.agent.engine.workers import Threads

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


def come_back(workers: Threads, number: int) -> list[object]:
    """The results of so many pieces of work, in the order in which they came back."""
    found: list[object] = []
    while len(found) < number:
        found += [result for _, result in workers.wait(5.0)]
    return found


def test_short_pieces_are_done_one_after_the_other_once_the_control_thread_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watcher.agent.engine.workers.LONG_SECONDS", 60.0)  # however busy the machine is
    workers = Threads()
    began: list[int] = []

    def piece(number: int) -> int:
        began.append(number)
        return number

    for number in range(50):
        workers.do("a ticket", partial(piece, number))
    assert began == []

    assert come_back(workers, 50) == began == list(range(50))


def test_one_that_is_long_keeps_nobody_waiting() -> None:
    workers, over = Threads(), threading.Event()
    workers.do("hangs", lambda: over.wait(60))
    for _ in range(3):
        workers.do("a ticket", lambda: "done")

    assert come_back(workers, 3) == ["done"] * 3
    workers.do("hangs as well", lambda: over.wait(60))
    workers.do("a ticket", lambda: "done")
    assert come_back(workers, 1) == ["done"]
    over.set()
    assert come_back(workers, 2) == [True, True]


def test_what_is_to_be_done_at_once_meets() -> None:
    workers, meeting = Threads(), threading.Barrier(3)
    for _ in range(3):
        workers.do("a ticket", lambda: meeting.wait(30), at_once=True)

    assert sorted(come_back(workers, 3)) == [0, 1, 2]  # type: ignore[type-var]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_takes_one_piece_with_it_and_no_other() -> None:
    workers = Threads()
    workers.do("an act", sys.exit)  # no error of ours ends a thread like that
    workers.do("a ticket", lambda: "done")

    assert come_back(workers, 1) == ["done"]
    until(lambda: len(workers.lost) == 1)  # a thread takes a moment to end


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
