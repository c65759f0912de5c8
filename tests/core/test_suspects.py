"""Is it the file, or is it everybody? Files that meet the same, one after the other, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.core.suspects import Suspects, Suspicion
from watcher.core.target import Target

SERVER = Target("server", "http://wfm")
EVENTS, TYPES = Target("endpoint", "http://wfm/events"), Target("endpoint", "http://wfm/types")


class Bench:
    """Files that are known by their numbers; each step is a second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.table = Suspects()

    def meets(
        self,
        file: int,
        sign: str = "HTTP 500",
        *,
        at: Target = EVENTS,
        alone: bool = False,
        asked_at: float | None = None,
        **more: Any,
    ) -> Target | None:
        """A file met this; says what is held, None: the file is to blame."""
        self.now += 1
        asked_at = self.now if asked_at is None else asked_at
        self.table.noticed(file, Target("file", str(file)), at, SERVER, asked_at=asked_at, at=self.now)
        met = Suspicion(sign, sign, "the log", at, SERVER, last=more.pop("last", True), **more)
        fault = self.table.accuse(file, met, alone=alone)
        return fault and fault.target

    def delivered(self, file: int, at: Target = EVENTS, *, last: bool = True) -> list[str]:
        """A file was delivered, by a request of now; says which others are compared with it."""
        self.now += 1
        compared = self.table.passed(file, at, SERVER, last=last, asked_at=self.now, at=self.now)
        return [target.name for target in compared]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_that_nobody_can_be_compared_with_is_held_alone(bench: Bench) -> None:
    assert bench.meets(1) == Target("file", "1")
    assert bench.meets(1) == Target("file", "1")


def test_it_is_to_blame_when_another_was_delivered_and_it_fails_again(bench: Bench) -> None:
    bench.meets(1)

    assert bench.delivered(2) == ["1"]
    assert bench.meets(1) is None


def test_a_delivery_that_was_under_way_before_says_nothing(bench: Bench) -> None:
    asked_at = bench.now
    bench.meets(1)

    assert bench.table.passed(2, EVENTS, SERVER, last=True, asked_at=asked_at, at=bench.now) == []
    assert bench.meets(1) == Target("file", "1")


def test_what_was_asked_before_the_other_one_was_through_says_nothing(bench: Bench) -> None:
    """The end of an outage: the last request that met it comes back after the first that did not."""
    bench.meets(1)
    asked_at = bench.now
    bench.delivered(2)

    assert bench.meets(1, asked_at=asked_at) == Target("file", "1")
    assert bench.meets(1) is None


def test_a_chunk_in_the_middle_is_no_proof_for_others(bench: Bench) -> None:
    bench.meets(1)

    assert bench.delivered(2, last=False) == []
    assert bench.meets(1) == Target("file", "1")


def test_where_another_meets_the_same_the_endpoint_is_held_and_nobody_fails(bench: Bench) -> None:
    bench.meets(1)

    assert bench.meets(2) == EVENTS
    assert [target.name for target in bench.table.alike(2)] == ["1", "2"]
    assert bench.meets(1) == EVENTS
    assert bench.meets(3) == EVENTS


def test_where_two_endpoints_meet_the_same_the_server_is_held(bench: Bench) -> None:
    bench.meets(1)

    assert bench.meets(2, at=TYPES) == SERVER


def test_what_others_meet_that_is_not_the_same_says_nothing(bench: Bench) -> None:
    bench.meets(1)

    assert bench.meets(2, "HTTP 501") == Target("file", "2")


def test_the_first_refusal_fails_at_once_and_the_next_like_it_is_compared(bench: Bench) -> None:
    assert bench.meets(1, "HTTP 400", at_once=True) is None
    assert bench.meets(2, "HTTP 400", at_once=True) == Target("file", "2")
    assert bench.meets(3, "HTTP 400", at_once=True) == EVENTS
    assert bench.meets(4, "HTTP 422", at_once=True) is None


def test_a_delivery_between_makes_each_refusal_the_first(bench: Bench) -> None:
    for file in range(0, 20, 2):
        assert bench.meets(file, "HTTP 400", at_once=True) is None
        bench.delivered(file + 1)


def test_one_refusal_before_the_start_counts(bench: Bench) -> None:
    bench.table.failed_before(EVENTS, "HTTP 400")

    assert bench.meets(1, "HTTP 400", at_once=True) == Target("file", "1")


def test_a_delivery_at_another_endpoint_blames_at_most_two_that_have_no_other_of_their_own(
    bench: Bench,
) -> None:
    blamed = 0
    for file in range(10, 20):
        bench.meets(file, alone=True)
        bench.delivered(1, at=TYPES)
        blamed += bench.meets(file, alone=True) is None

    assert blamed == 2


def test_a_delivery_at_another_endpoint_says_nothing_where_the_route_has_others(bench: Bench) -> None:
    bench.meets(1)
    bench.delivered(2, at=TYPES)

    assert bench.meets(1, alone=False) == Target("file", "1")


def test_who_passes_in_the_end_is_no_suspect_any_more(bench: Bench) -> None:
    bench.meets(1)
    bench.delivered(1)

    assert bench.meets(2) == Target("file", "2")


def test_a_chunk_without_an_answer_holds_the_server_until_others_get_through(bench: Bench) -> None:
    assert bench.meets(1, "no answer", fails=False) == SERVER
    assert bench.meets(2, "no answer", fails=False) == SERVER
    bench.delivered(3)

    assert bench.meets(1, "no answer", fails=False) is None
    assert bench.meets(1, "no answer", fails=False) is None  # smaller, and smaller
