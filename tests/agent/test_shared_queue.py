"""The one queue of several agents: an end that is heard while a claim is under way is not lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.journal.contract import S, row_in, step
from tests.journal.test_peers import wait_until_it_hears
from tests.journal.test_postgres import STATE
from tests.postgres import database, database_of_tests, postgres_server
from watcher.agent.engine.runs import Runs
from watcher.agent.queue.shared_queue import ASKED_SECONDS, SharedQueue

pytest.importorskip("psycopg")
from watcher.journal.postgres import PostgresJournal

__all__ = ["database", "database_of_tests", "postgres_server"]


class Pair:
    """An agent that claims, and another one of the same journal with a file under way."""

    def __init__(self, ours: PostgresJournal, theirs: PostgresJournal) -> None:
        self.seconds = 0.0
        self._theirs, self._row = theirs, row_in(theirs, S.DELIVERED)
        self._heard = threading.Event()
        runs = Runs(self.clock)
        self.queue = SharedQueue(ours, Path("/w"), {}, runs, clock=self.clock, wake=self._heard.set)

    def clock(self) -> float:
        """Ours."""
        return self.seconds

    def their_file_ends(self) -> None:
        """Until we have heard of it."""
        self._theirs.apply([step(self._row, S.DONE)])
        assert self._heard.wait(30)


@pytest.fixture
def pair(database: str) -> Iterator[Pair]:
    with (
        closing(PostgresJournal(database, "agent-1", STATE, lives=True)) as ours,
        closing(PostgresJournal(database, "agent-2", STATE, lives=True)) as theirs,
    ):
        wait_until_it_hears(ours, database)
        yield Pair(ours, theirs)


def test_an_end_that_is_heard_in_the_middle_of_a_claim_is_no_reason_to_wait_for_another(pair: Pair) -> None:
    pair.queue.line()  # a claim begins
    pair.their_file_ends()
    assert not pair.queue.turn()  # nothing waits for it, as far as is known

    pair.queue.refused("events", "behind a file of events, which another agent has")  # as it was before

    assert pair.queue.turn()  # it is asked again now
    assert pair.queue.why("events") is None


def test_the_end_of_a_file_of_ours_in_the_middle_of_a_claim_is_none_either(pair: Pair) -> None:
    pair.queue.line()
    pair.queue.ended()
    pair.queue.refused("events", "behind a file of events")

    assert pair.queue.turn()


def test_what_ended_before_a_claim_began_does_not_bring_the_next_one_forward(pair: Pair) -> None:
    pair.queue.ended()
    pair.their_file_ends()
    pair.queue.turn()
    pair.queue.line()
    pair.queue.refused("events", "behind a file of events")

    assert not pair.queue.turn()
    assert pair.queue.due_at == ASKED_SECONDS
    pair.seconds = ASKED_SECONDS
    assert not pair.queue.turn()
    assert pair.queue.why("events") is None
