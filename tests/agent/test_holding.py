"""What is held by the word of suspects: one hold for all of them, and none without any of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from watcher.agent.engine.holding import Holding
from watcher.core.acts import Push
from watcher.core.conversation import Accepted, Again, Conversation, Verdict
from watcher.core.holds import Holds
from watcher.core.model import Chunk, Route
from watcher.core.suspects import Suspicion
from watcher.core.target import Target
from watcher.report.stream import Stream

SERVER, ENDPOINT = Target("server", "http://wfm"), Target("endpoint", "http://wfm/events")
ROUTE = Route("events", (), ENDPOINT.name, "text/csv", "csv")
CHUNK = Chunk(0, 4, b"a,1\n", b"a,1\n", last=True)
MET = Suspicion("HTTP 500", "boom", "the log", ENDPOINT, SERVER, last=True)


class Bench:
    """A table of holds with a clock of our own, and files that are known by their numbers."""

    def __init__(self) -> None:
        self.now = 100.0
        table = Holds(cap_seconds=60.0, jitter=lambda: 0.0)
        clock = lambda: self.now  # noqa: E731
        self.holding = Holding(table, Stream(), clock=clock, now=lambda: datetime(2026, 11, 23, tzinfo=UTC))

    def hears(self, file: int, verdict: Verdict) -> None:
        talk = Conversation(ROUTE, str(file), server=SERVER, attempts=3, lost_answer="resend")
        push = Push(1, talk, CHUNK, None)
        self.now += 1
        target = Target("file", str(file))
        self.holding.heard(file, target, push, verdict, asked_at=self.now - 0.5)

    def suspects(self, file: int) -> None:
        """A file fails on the server's 500, and is held as that says."""
        self.hears(file, Again(3, "boom"))
        fault = self.holding.accuse(file, Target("file", str(file)), MET, alone=False).outside
        if fault is not None:
            self.holding.failed(fault, file)

    @property
    def held(self) -> list[str]:
        return [str(hold.target) for hold in self.holding.table.active]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_two_that_meet_the_same_wait_for_one_hold_and_not_each_for_its_own(bench: Bench) -> None:
    bench.suspects(1)
    assert bench.held == ["file 1"]

    bench.suspects(2)
    assert bench.held == [ENDPOINT.name]


def test_a_hold_ends_with_the_last_of_its_suspects(bench: Bench) -> None:
    bench.suspects(1)
    bench.suspects(2)

    bench.holding.left(1, Target("file", "1"))
    assert bench.held == [ENDPOINT.name]
    bench.holding.left(2, Target("file", "2"))
    assert bench.held == []


def test_a_hold_ends_where_the_verdict_leaves_no_suspect(bench: Bench) -> None:
    """Others were delivered by requests from before the hold: it does not end with them."""
    for file in (1, 2):
        bench.suspects(file)
    fault_at = bench.holding.table.active[0].fault_at
    bench.now = fault_at
    push = Push(1, Conversation(ROUTE, "3", server=SERVER, attempts=3, lost_answer="resend"), CHUNK, None)
    bench.holding.heard(3, Target("file", "3"), push, Accepted(), asked_at=fault_at)
    for file in (1, 2):
        bench.now += 1
        bench.suspects(file)

    assert bench.held == []


def test_a_file_that_is_compared_may_try_again_at_once(bench: Bench) -> None:
    bench.suspects(1)
    assert bench.holding.table.active[0].next_at > bench.now

    bench.hears(2, Accepted())
    assert bench.holding.table.active[0].next_at <= bench.now

    bench.hears(1, Accepted())
    assert bench.held == []
