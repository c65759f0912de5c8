"""Files that wait for a reason of their own: when they are told, and how often. The clock is a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from watcher.agent.queue.patience import Case, Patience
from watcher.core.events import Event, Stuck, StuckEnded
from watcher.core.model import Fingerprint, Route
from watcher.core.order import ANY, Waiting, behind
from watcher.core.route import compiled_glob
from watcher.core.settle import Ready, Wait, remedy
from watcher.report.stream import Stream

START = datetime(2026, 11, 24, 3, 12, tzinfo=UTC)
AFTER = {"types": (), "codes": ("types",), "events": ("types", "codes")}
GROWS, OPEN = Wait("still being written", 5.0), "a program has it open for writing"


class Told:
    """A Patience of 900 s, its clock, and what it told."""

    def __init__(self, cases: dict[str, Case] | None = None) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        stream = Stream()
        stream.subscribe(self.events.append)
        self.waiting: dict[str, Waiting] = {}
        self.patience = Patience(
            900, AFTER, stream, cases=cases,
            clock=lambda: self.now, now=lambda: START + timedelta(seconds=self.now),
        )  # fmt: skip

    def look(self, *files: Waiting, misplaced: tuple[tuple[str, str], ...] = ()) -> None:
        self.waiting = {file.name: file for file in files}
        self.patience.look(files, misplaced)
        self.patience.tell(self.waiting)

    @property
    def stuck(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, Stuck)]


def file(name: str, verdict: Ready | Wait, route: str = "events", mtime: int = 1) -> Waiting:
    made = Route(route, (compiled_glob("*"),), "http://127.0.0.1:1/", "text/csv", "csv", after=AFTER[route])
    return Waiting(name, Fingerprint(1, 2, 3, mtime), made, verdict)


@pytest.mark.parametrize("verdict", [GROWS, Wait("waits for its marker a.csv.ok"), Wait("cannot be opened")])
def test_a_file_that_waits_too_long_is_told_once_and_once_when_it_is_over(verdict: Wait) -> None:
    told = Told()
    for told.now in range(0, 3000, 30):
        told.look(file("a.csv", verdict, mtime=int(told.now)))
        assert told.stuck == (["a.csv"] if told.now >= 900 else [])
    told.look(file("a.csv", Ready()))

    first, last = told.events
    assert first == Stuck("a.csv", verdict.why, remedy(verdict.why), START)
    assert last == StuckEnded("a.csv", 2970.0)
    assert told.patience.number == 0


def test_one_that_is_over_in_time_is_never_told() -> None:
    told = Told()
    told.look(file("a.csv", GROWS))
    told.now = 899
    told.look()
    told.now = 2000
    told.look(file("a.csv", GROWS))

    assert told.events == []


def test_a_file_that_claims_cannot_have_is_told_with_their_reason_though_it_settles_between_them() -> None:
    told = Told()
    for told.now in range(0, 1000, 10):
        told.look(file("a.csv", GROWS))
        told.look(file("a.csv", Ready()))
        told.patience.refused("a.csv", OPEN)
        told.patience.tell(told.waiting)

    (event,) = told.events
    assert isinstance(event, Stuck)
    assert event.why == OPEN


def test_a_file_that_was_refused_once_and_then_waits_its_turn_is_not_told() -> None:
    told = Told()
    told.look(file("a.csv", Ready()))
    told.patience.refused("a.csv", OPEN)
    for told.now in range(10, 3000, 10):
        told.look(file("a.csv", Ready()))

    assert told.events == []
    told.patience.over(["a.csv"])  # claimed
    assert told.patience.number == 0


def test_when_the_next_one_is_due_is_known() -> None:
    told = Told()
    assert told.patience.due_at == float("inf")
    told.now = 100
    told.look(file("a.csv", GROWS))

    assert told.patience.due_at == 1000
    told.now = 1000
    assert told.patience.tell(told.waiting)
    assert told.patience.due_at == float("inf")


def test_a_folder_is_told_and_blocks_nobody() -> None:
    told = Told()
    for told.now in (0, 900):
        told.look(file("b.csv", Ready()), misplaced=(("export", "a folder: move the files"),))

    (event,) = told.events
    assert isinstance(event, Stuck)
    assert (event.name, event.blocks, event.blocked) == ("export", (), 0)
    assert "settle.ignore" in event.check
    assert "withdraw" not in event.check


def test_whoever_waits_for_a_stuck_file_is_named() -> None:
    told = Told()
    followers = [file(f"{number:02}.csv", Ready()) for number in range(30)]
    for told.now in (0, 900):
        told.look(file("types.json", GROWS, "types"), *followers)

    (event,) = told.events
    assert isinstance(event, Stuck)
    assert (event.blocks[:2], len(event.blocks), event.blocked) == (("00.csv", "01.csv"), 20, 30)


def test_at_the_end_all_are_told_that_were_not_yet() -> None:
    told = Told()
    told.look(file("a.csv", GROWS), misplaced=(("export", "a folder"),))
    for _ in range(2):
        told.patience.tell(told.waiting, all_of_them=True)

    assert sorted(told.stuck) == ["a.csv", "export"]


def test_under_new_settings_what_was_told_is_not_told_again() -> None:
    cases: dict[str, Case] = {}
    before = Told(cases)
    for before.now in (0, 900):
        before.look(file("a.csv", GROWS))
    after = Told(cases)
    after.now = 901
    after.look(file("a.csv", GROWS))

    assert (before.stuck, after.stuck, after.patience.number) == (["a.csv"], [], 1)


def test_those_that_are_stuck_are_listed_first() -> None:
    told = Told()
    told.look(file("old.csv", GROWS))
    told.now = 900
    told.look(file("new.csv", GROWS), file("old.csv", GROWS))

    listed = [(event.name, is_stuck) for event, is_stuck in told.patience.listed(told.waiting, 10)]
    assert listed == [("old.csv", True), ("new.csv", False)]


@pytest.mark.parametrize(
    ("key", "present", "routes"),
    [
        ("types", {}, {"codes", "events"}),
        ("codes", {}, {"events"}),
        ("events", {"codes": 1}, set()),  # its own route goes on
        (None, {}, set()),
        (ANY, {}, {"codes", "events"}),
    ],
)
def test_which_routes_are_behind_a_file(key: str | None, present: dict[str, int], routes: set[str]) -> None:
    assert behind(key, AFTER, present) == routes


@pytest.mark.parametrize(("present", "routes"), [({"b": 1}, {"b", "c"}), ({}, {"b"})])
def test_those_behind_the_ones_that_wait_wait_too(present: dict[str, int], routes: set[str]) -> None:
    assert behind("a", {"a": (), "b": ("a",), "c": ("b",)}, present) == routes


def test_what_waits_for_a_stuck_file_is_told_while_that_one_is_being_tried_too() -> None:
    told = Told()
    told.look(file("t.json", Wait(OPEN), "types"), file("a.csv", Wait("waits for types")))
    told.now = 1000
    told.patience.tell(told.waiting)
    del told.waiting["t.json"]  # a claim is under way

    stuck = {event.name: event.blocks for event, _ in told.patience.listed(told.waiting, 10)}
    assert stuck["t.json"] == ("a.csv",)
