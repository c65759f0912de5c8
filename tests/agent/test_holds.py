"""Holds shared by threads: who may probe, who wakes, and what is logged. The clock is the tests' own.

Real threads wait on real conditions; a test moves the clock and wakes them, so that nothing sleeps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from watcher.agent.holds import Holds
from watcher.core.errors import Outside, Stopped

SERVER, LOGIN = "http://127.0.0.1:1", "http://127.0.0.1:2/token"
CAP = 300.0
LONG = 3.0  # seconds of real time to wait for what must happen
SHORT = 0.1  # seconds of real time in which nothing must happen


class Uploader:
    """A thread that waits for a target and then, when it is its turn, does what it is told."""

    def __init__(self, holds: Holds, target: str) -> None:
        self.turn = threading.Event()
        self.stopped = threading.Event()
        self._holds, self._target = holds, target
        self._todo: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._holds.wait(self._target)
        except Stopped:
            self.stopped.set()
            return
        self.turn.set()
        self._todo.get()()

    def then(self, act: Callable[[], None]) -> None:
        """Do this in the thread, and end it."""
        self._todo.put(act)
        self._thread.join(LONG)
        assert not self._thread.is_alive()


class Desk:
    """Holds with a clock of our own, and threads that wait on them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stop = threading.Event()
        self.changes = 0
        self.uploaders: list[Uploader] = []
        self.pool = ThreadPoolExecutor(4)
        self.holds = Holds(
            cap_seconds=CAP,
            stop=self.stop,
            on_change=self._change,
            clock=lambda: self.now,
            jitter=lambda: 0.0,
        )

    def _change(self) -> None:
        self.changes += 1

    def fail(self, target: str = SERVER, **more: Any) -> None:
        self.holds.failed(Outside(target, "refuses the connection", check="the port", **more))

    def next_in(self, target: str = SERVER) -> float:
        (hold,) = self.holds.held([target])
        return hold.next_at - self.now

    def move(self, seconds: float) -> None:
        self.now += seconds
        self.holds.wake()

    def wait(self, *targets: str) -> list[Uploader]:
        """Threads that wait for these targets, which are held."""
        waiting = self.waiting()
        started = [Uploader(self.holds, target) for target in targets]
        self.uploaders += started
        until(lambda: self.waiting() == waiting + len(started))
        return started

    def waiting(self) -> int:
        return sum(hold.waiters for hold in self.holds.active())

    def insist(self, *faults: Exception) -> Future[None]:
        """A thread that insists on something which meets these faults, one each try; waits by now."""
        left = list(faults)

        def effect() -> None:
            if left:
                raise left.pop(0)

        future = self.pool.submit(self.holds.insist, effect)
        until(lambda: self.waiting() == 1)
        return future


def until(reached: Callable[[], bool]) -> None:
    poll = threading.Event()
    for _ in range(int(LONG / 0.005)):
        if reached():
            return
        poll.wait(0.005)
    raise AssertionError("it did not happen")


def turns(uploaders: list[Uploader]) -> list[Uploader]:
    """Those whose turn it is."""
    return [uploader for uploader in uploaders if uploader.turn.is_set()]


@pytest.fixture
def desk(lines: list[str]) -> Iterator[Desk]:
    del lines  # the log must not go to the terminal
    made = Desk()
    yield made
    made.stop.set()
    made.holds.wake()
    for uploader in made.uploaders:
        uploader.then(lambda: None)
    made.pool.shutdown()


def test_what_is_not_held_is_not_waited_for(desk: Desk) -> None:
    desk.fail(LOGIN)

    desk.holds.wait(SERVER)


def test_of_many_threads_one_probes_once_per_step(desk: Desk) -> None:
    """A server that comes back must not be run over."""
    desk.fail()
    left = desk.wait(*[SERVER] * 20)
    for step in (1, 2, 4, 8):
        assert desk.next_in() == step
        desk.move(step - 0.01)
        assert desk.waiting() == len(left)
        desk.move(0.01)
        until(lambda: len(turns(left)) == 1)
        desk.move(10_000)  # the probe takes as long as it takes
        threading.Event().wait(SHORT)
        (prober,) = turns(left)
        prober.then(desk.fail)
        left.remove(prober)


def test_a_success_wakes_all(desk: Desk) -> None:
    desk.fail()
    uploaders = desk.wait(*[SERVER] * 20)
    desk.move(1)
    until(lambda: len(turns(uploaders)) == 1)

    turns(uploaders)[0].then(lambda: desk.holds.worked(SERVER))

    until(lambda: len(turns(uploaders)) == 20)
    assert desk.holds.active() == []


def test_targets_are_held_apart(desk: Desk) -> None:
    desk.fail(SERVER)
    desk.now += 0.5
    desk.fail(LOGIN)
    one, other = desk.wait(SERVER, LOGIN)

    desk.holds.worked(LOGIN)

    until(other.turn.is_set)
    assert not one.turn.is_set()
    assert [hold.target for hold in desk.holds.active()] == [SERVER]


def test_the_steps_double_up_to_the_cap(desk: Desk) -> None:
    steps = []
    for _ in range(11):
        desk.fail()
        steps.append(desk.next_in())
        desk.now += steps[-1]

    assert steps == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_threads_that_fail_together_are_one_step(desk: Desk) -> None:
    """Sixteen uploads under way when the server goes away for a second: not a hold of five minutes."""
    for _ in range(16):
        desk.fail()

    assert desk.next_in() == 1


def test_a_fault_of_a_request_that_was_under_way_lets_no_second_probe_in(desk: Desk) -> None:
    desk.fail()
    uploaders = desk.wait(SERVER, SERVER)
    desk.move(1)
    until(lambda: len(turns(uploaders)) == 1)

    desk.fail()  # not the probe: a request that went out before the hold began
    desk.holds.give_up([SERVER])
    desk.move(10_000)
    threading.Event().wait(SHORT)

    assert len(turns(uploaders)) == 1


@pytest.mark.parametrize(("asked", "wait"), [(7.0, 7), (86_400.0, CAP), (0.0, 1), (None, 1), (0.25, 0.25)])
def test_the_servers_own_wait_is_honoured_up_to_the_cap(desk: Desk, asked: float | None, wait: float) -> None:
    desk.fail(retry_after=asked)

    assert desk.next_in() == wait


def test_insist_tries_until_it_works_and_returns_the_result(desk: Desk) -> None:
    tries = 0

    def effect() -> str:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise Outside(SERVER if tries < 3 else LOGIN, "refuses")
        return "done"

    future = desk.pool.submit(desk.holds.insist, effect)
    for step in (1, 2, 3):
        until(lambda step=step: tries == step and desk.waiting() == 1)
        desk.move(CAP)

    assert future.result(LONG) == "done"
    assert tries == 4
    assert desk.holds.active() == []


def test_insist_leaves_no_probe_behind_when_the_effect_ends_in_another_way(desk: Desk) -> None:
    """Else nobody could ever try the target again."""
    insisting = desk.insist(Outside(SERVER, "refuses"), ValueError("the file is gone"))
    desk.move(CAP)
    assert isinstance(insisting.exception(LONG), ValueError)

    desk.holds.wait(SERVER)


def test_insist_lets_others_probe_what_it_has_no_answer_about(desk: Desk) -> None:
    """Its second try met another fault, so that it waits elsewhere."""
    desk.insist(Outside(SERVER, "refuses"), Outside(LOGIN, "refuses", retry_after=200))
    (other,) = desk.wait(SERVER)

    for _ in range(2):  # either may be the first to probe
        desk.move(1)
        until(lambda: other.turn.is_set() or bool(desk.holds.held([LOGIN])))

    until(other.turn.is_set)


def test_give_up_lets_another_thread_probe(desk: Desk) -> None:
    desk.fail()
    uploaders = desk.wait(SERVER, SERVER)
    desk.move(1)
    until(lambda: len(turns(uploaders)) == 1)

    turns(uploaders)[0].then(lambda: desk.holds.give_up([SERVER, LOGIN]))

    until(lambda: len(turns(uploaders)) == 2)


def test_stop_ends_every_wait(desk: Desk) -> None:
    desk.fail(SERVER)
    desk.fail(LOGIN)
    uploaders = desk.wait(SERVER, SERVER, LOGIN)
    pausing = desk.pool.submit(desk.holds.pause, 1000.0)
    insisting = desk.pool.submit(desk.holds.wait, LOGIN)

    desk.stop.set()
    desk.holds.wake()

    for uploader in uploaders:
        assert uploader.stopped.wait(LONG)
    for future in (pausing, insisting):
        assert isinstance(future.exception(LONG), Stopped)
    with pytest.raises(Stopped):
        desk.holds.wait("nothing held")


def test_a_hold_that_nobody_probes_is_unattended(desk: Desk) -> None:
    desk.fail()
    (hold,) = desk.holds.active()
    assert not desk.holds.unattended(hold)  # not due yet
    assert desk.holds.next_probe() == 1

    desk.now += 1
    assert desk.holds.unattended(hold)
    assert desk.holds.next_probe() is None
    desk.holds.wait(SERVER)  # this thread probes now
    assert not desk.holds.unattended(hold)

    desk.fail()
    desk.wait(SERVER)
    desk.now += CAP  # due, and somebody waits to probe it
    assert not desk.holds.unattended(hold)


def test_begin_and_end_are_logged_once_with_the_length(desk: Desk, lines: list[str]) -> None:
    for _ in range(5):
        desk.fail()
        desk.now += 20
    desk.holds.worked(SERVER)
    desk.holds.worked(SERVER)

    began, ended = lines
    assert f"WARNING  holding {SERVER}: refuses the connection; next try in 1.0 s" in began
    assert "check: the port" in began
    assert f"INFO     {SERVER} is back after 100.0 s and 5 tries" in ended
    assert desk.changes == 2
    assert desk.holds.held([SERVER]) == []


def test_an_answer_to_a_request_from_before_the_fault_ends_no_hold() -> None:
    now = [10.0]
    holds = Holds(cap_seconds=CAP, stop=threading.Event(), clock=lambda: now[0])
    asked_at = holds.now()
    now[0] = 11.0
    holds.failed(Outside(SERVER, "HTTP 429", retry_after=60.0))

    holds.worked(SERVER, asked_at=asked_at)
    assert [hold.target for hold in holds.active()] == [SERVER]
    holds.worked(SERVER, asked_at=now[0])
    assert holds.active() == []
