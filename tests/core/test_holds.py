"""The table of holds: who may probe, how long a step is, what ends a hold. The clock is the tests' own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.core.errors import Outside, Proof
from watcher.core.holds import FILE_CAPS, Holds, listed
from watcher.core.target import Target

SERVER, LOGIN = Target("server", "http://127.0.0.1:1"), Target("login", "http://127.0.0.1:2/token")
CAP = 300.0
SINCE = datetime(2026, 11, 23, tzinfo=UTC)
NEVER = float("inf")


class Table:
    """Holds with a clock of our own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.holds = Holds(cap_seconds=CAP, jitter=lambda: 0.0)

    def fail(
        self, file: int = 0, target: Target = SERVER, *, asked_at: float | None = None, **more: Any
    ) -> bool:
        """An act of a file (asked for just now, by default) met a fault; says whether a hold began."""
        fault = Outside(target, "refuses the connection", check="the port", **more)
        asked_at = self.now if asked_at is None else asked_at
        return self.holds.failed(file, fault, now=self.now, at=SINCE, asked_at=asked_at) is not None

    def next_in(self, target: Target = SERVER) -> float:
        (hold,) = self.holds.held([target])
        return hold.next_at - self.now

    def may(self, file: int, *targets: Target) -> bool:
        return self.holds.due_at(file, targets or (SERVER,)) <= self.now


@pytest.fixture
def table() -> Table:
    return Table()


def test_what_is_not_held_is_not_waited_for(table: Table) -> None:
    table.fail(target=LOGIN)

    assert table.may(1, SERVER)
    assert not table.may(1, SERVER, LOGIN)


def test_of_many_files_one_probes_once_a_step(table: Table) -> None:
    """A server that comes back must not be run over."""
    table.fail()
    for step in (1, 2, 4, 8):
        assert table.next_in() == step
        table.now += step - 0.01
        assert not any(table.may(file) for file in range(20))
        table.now += 0.01
        assert all(table.may(file) for file in range(20))
        table.holds.take(7, [SERVER])
        table.now += 10_000  # the probe takes as long as it takes
        assert [file for file in range(20) if table.may(file)] == [7]
        table.fail(7)


def test_what_was_under_way_when_the_hold_began_is_no_step_of_it_however_late_it_fails(table: Table) -> None:
    """Those that waited for one login are heard of when the next step is due."""
    began = table.now
    table.fail()
    table.now += 100

    table.fail(1, asked_at=began - 1)

    assert table.next_in() < 0
    table.holds.take(7, [SERVER])
    table.fail(7)
    assert table.next_in() == 2


def test_a_success_lets_all_of_them_go(table: Table) -> None:
    table.fail()
    table.now += 1
    table.holds.take(7, [SERVER])

    [ended], begun = table.holds.worked([SERVER], asked_at=table.now)

    assert begun == []
    assert (ended.target, ended.tries) == (SERVER, 1)
    assert table.holds.active == ()
    assert all(table.may(file) for file in range(20))


def test_targets_are_held_apart(table: Table) -> None:
    table.fail()
    table.fail(target=LOGIN)

    table.holds.worked([LOGIN], asked_at=table.now)

    assert [hold.target for hold in table.holds.active] == [SERVER]
    assert listed(table.holds.active) == "http://127.0.0.1:1: refuses the connection"


def test_the_steps_double_up_to_the_cap(table: Table) -> None:
    steps = []
    for _ in range(11):
        table.fail()
        steps.append(table.next_in())
        table.now += steps[-1]

    assert steps == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_files_that_fail_together_are_one_step(table: Table) -> None:
    """Sixteen uploads under way when the server goes away for a second: not a hold of five minutes."""
    assert [table.fail(file) for file in range(16)] == [True] + [False] * 15

    assert table.next_in() == 1


def test_a_fault_of_a_request_that_was_under_way_lets_no_second_probe_in(table: Table) -> None:
    table.fail()
    table.now += 1
    table.holds.take(7, [SERVER])

    table.fail(8)  # not the probe: a request that went out before the hold began
    table.holds.leave(8)
    table.now += 10_000

    assert [file for file in range(20) if table.may(file)] == [7]


@pytest.mark.parametrize(
    ("asked", "wait"), [(7.0, 7), (CAP + 1, CAP + 1), (86_400.0, 6 * 3600), (0.0, 1), (None, 1), (0.25, 0.25)]
)
def test_the_servers_own_wait_is_honoured_up_to_six_hours(
    table: Table, asked: float | None, wait: float
) -> None:
    table.fail(retry_after=asked)

    assert table.next_in() == wait


def test_who_gives_up_lets_another_one_probe(table: Table) -> None:
    """Its act said nothing about the target: else nobody could ever try it again."""
    table.fail()
    table.fail(target=LOGIN)
    table.now += 1
    table.holds.take(7, [SERVER, LOGIN])
    assert not table.may(8)

    table.holds.leave(7, [SERVER])
    assert table.may(8)
    assert not table.may(8, LOGIN)
    table.holds.leave(7)
    assert table.may(8, LOGIN)


def test_an_answer_to_a_request_from_before_the_fault_ends_no_hold(table: Table) -> None:
    asked_at = table.now
    table.now += 1
    table.fail(retry_after=60.0)

    assert table.holds.worked([SERVER], asked_at=asked_at) == ([], [])
    assert [hold.target for hold in table.holds.active] == [SERVER]
    assert len(table.holds.worked([SERVER], asked_at=table.now)[0]) == 1


def test_a_hold_keeps_its_beginning_and_has_the_last_reason(table: Table) -> None:
    table.fail()
    table.now += 20
    table.holds.failed(0, Outside(SERVER, "HTTP 503", check="nothing"), now=table.now, at=datetime.now(UTC))

    (hold,) = table.holds.active
    assert (hold.began, hold.since, hold.tries) == (1000.0, SINCE, 2)
    assert (hold.reason, hold.check) == ("HTTP 503", "nothing")


def test_new_settings_make_every_next_step_due(table: Table) -> None:
    for _ in range(5):
        table.fail()
        table.now += CAP
    table.fail()
    assert table.holds.next_probe(table.now) == table.now + 32

    table.holds.hurry(table.now)

    assert table.may(1)
    assert table.holds.next_probe(table.now) is None


ONE, OTHER = Target("endpoint", "http://127.0.0.1:1/a"), Target("endpoint", "http://127.0.0.1:1/b")


def test_a_fault_that_one_endpoint_met_holds_that_alone_once_another_works(table: Table) -> None:
    """503 of one import is no reason to hold the others."""
    table.fail(narrow=ONE)
    table.now += 1
    assert table.holds.has_met([SERVER, ONE])
    assert not table.holds.has_met([SERVER, OTHER])

    [ended], [begun] = table.holds.worked([SERVER, OTHER], asked_at=table.now)

    assert (ended.target, begun.target, begun.since) == (SERVER, ONE, SINCE)
    assert [hold.target for hold in table.holds.active] == [ONE]
    assert not table.fail(narrow=ONE)  # a further try: it is the endpoint's, not the server's
    assert [hold.target for hold in table.holds.active] == [ONE]


def test_a_server_is_back_for_all_that_met_its_fault_when_one_of_them_works(table: Table) -> None:
    table.fail(narrow=ONE)
    table.fail(narrow=OTHER)
    table.now += 1

    [ended], begun = table.holds.worked([SERVER, OTHER], asked_at=table.now)

    assert (ended.target, begun) == (SERVER, [])


def test_what_is_held_until_a_delivery_does_not_end_with_an_answer(table: Table) -> None:
    table.fail(target=ONE, until=Proof.DELIVERY)
    table.now += 1

    assert table.holds.worked([ONE], asked_at=table.now, proof=Proof.ANSWER) == ([], [])
    assert table.holds.worked([ONE], asked_at=table.now, proof=Proof.CHUNK) == ([], [])
    assert len(table.holds.worked([ONE], asked_at=table.now, proof=Proof.DELIVERY)[0]) == 1


def test_a_file_that_is_held_alone_is_tried_more_rarely_in_the_end_and_at_once_when_asked(
    table: Table,
) -> None:
    file = Target("file", "a.csv")
    for _ in range(20):
        table.fail(target=file)
        table.now += table.next_in(file)
    table.fail(target=file)

    assert table.next_in(file) == FILE_CAPS * CAP
    table.holds.hurry(table.now, [file])
    assert table.next_in(file) == 0
