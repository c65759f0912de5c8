"""Which of the waiting files goes next, and why the others wait."""

import re

from watcher.core.model import Fingerprint, Route
from watcher.core.order import Waiting, blocked, queues
from watcher.core.settle import Ready, Wait

TYPES = Route("types", (re.compile("t.*"),), "http://wfm/t", "application/json", "json")
EVENTS = Route("events", (re.compile("e.*"),), "http://wfm/e", "text/csv", "csv", after=("types", "codes"))


def waiting(name: str, mtime_ns: int, *, route: Route | None = EVENTS, ready: bool = True) -> Waiting:
    """A file in the drop folder."""
    return Waiting(name, Fingerprint(1, 2, 3, mtime_ns), route, Ready() if ready else Wait("being written"))


def test_the_oldest_file_of_a_route_goes_first_and_names_break_ties() -> None:
    found = queues([waiting("e3", 30), waiting("e2", 10), waiting("e1", 10), waiting("e0", 20)])

    assert [found["events"].pop().name for _ in range(4)] == ["e1", "e2", "e0", "e3"]


def test_only_ready_files_queue_and_each_route_has_a_queue_of_its_own() -> None:
    found = queues(
        [
            waiting("e1", 1, ready=False),
            waiting("e2", 2),
            waiting("t1", 1, route=TYPES),
            waiting("other", 1, route=None),
        ]
    )

    assert {name: [file.name for file in queue] for name, queue in found.items()} == {
        "events": ["e2"],
        "types": ["t1"],
        None: ["other"],
    }


def test_a_route_waits_while_a_file_of_an_earlier_route_lies_in_the_drop_folder() -> None:
    assert blocked(EVENTS, present={"types": 1}, under_way={}) == "waits for types"
    assert blocked(EVENTS, present={"codes": 2}, under_way={}) == "waits for codes"


def test_a_route_waits_while_a_file_of_an_earlier_route_is_under_way() -> None:
    assert blocked(EVENTS, present={}, under_way={"codes": 1}) == "waits for codes"


def test_the_earlier_route_does_not_wait_for_the_later_one() -> None:
    assert blocked(TYPES, present={"events": 5}, under_way={"events": 1}) is None


def test_files_of_routes_that_are_not_named_do_not_block() -> None:
    assert blocked(EVENTS, present={"events": 3, None: 2, "history": 1}, under_way={"history": 1}) is None


def test_one_file_of_a_route_at_a_time_unless_parallel_says_otherwise() -> None:
    two = Route("events", EVENTS.patterns, EVENTS.url, "text/csv", "csv", parallel=2)

    assert blocked(EVENTS, present={}, under_way={"events": 1}) == "behind another file of events"
    assert blocked(two, present={}, under_way={"events": 1}) is None
    assert blocked(two, present={}, under_way={"events": 2}) == "behind another file of events"
