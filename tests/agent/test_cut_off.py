"""A file that was perhaps not written to its end is left where it is for a while, and then judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import World, rows
from tests.simulation import Simulation
from watcher.core.settle import EMPTY_PATIENCE
from watcher.sandbox.server import Answer, Request

NAME, OTHER = "agent_events_1.csv", "agent_events_2.csv"
WHOLE = rows(12).encode()
HALF = WHOLE[:-9]  # within the first field of a record


class Pausing:
    """A copy that stands still after its first half, without the file open."""

    def __init__(self, root: Path, seconds: float, name: str, half: bytes, whole: bytes) -> None:
        self.world = Simulation(root)
        self.world.drop(name, half)
        self._path, self._rest = root / "drop" / name, whole[len(half) :]
        self._at = self.world.now + seconds
        self.world.on_sleep = self._go_on
        self.waited: set[str] = set()  # for which reasons

    def _go_on(self) -> None:
        live = self.world.state / "live.json"
        for item in json.loads(live.read_text())["waiting"] if live.exists() else ():
            self.waited.add(item["why"])
        if self._rest and self.world.now >= self._at:
            with self._path.open("ab") as file:
                file.write(self._rest)
            self._rest = b""


@pytest.mark.parametrize(
    ("name", "half", "whole"),
    [
        (NAME, HALF, WHOLE),
        ("reason_codes.json", b'[{"id": 1}, {"id":', b'[{"id": 1}, {"id": 2}]'),
        (NAME, b'a,"b\n', b'a,"b\nc"\n'),
    ],
    ids=["record", "json", "quote"],
)
def test_a_copy_that_stands_still_for_less_than_that_is_delivered_once_and_whole(
    tmp_path: Path, name: str, half: bytes, whole: bytes
) -> None:
    copy = Pausing(tmp_path / "world", EMPTY_PATIENCE - 1.5, name, half, whole)

    assert copy.world.run() == 0

    (operation,) = copy.world.wire.operations()
    assert (operation.completed, operation.body) == (True, whole)
    assert [row.state for row in copy.world.rows()] == ["done"]  # it was never taken and put back
    assert any(why.startswith("perhaps not written to its end: ") for why in copy.waited), copy.waited


def test_what_stays_as_it_is_fails_after_that_with_its_line_and_nothing_is_sent(tmp_path: Path) -> None:
    world = Simulation(tmp_path / "world")
    world.drop(NAME, HALF)
    began = world.now

    assert world.run() == 1

    assert EMPTY_PATIENCE <= world.now - began < EMPTY_PATIENCE + 2
    assert world.wire.operations() == []
    (row,) = world.rows()
    assert row.state == "failed"
    assert row.outcome.lines == "12"
    assert "was not written to its end" in (row.outcome.reason or "")


def test_zero_bytes_at_the_end_are_waited_for_until_they_are_written(tmp_path: Path) -> None:
    world = Simulation(tmp_path / "world")
    world.drop(NAME, HALF + bytes(9))
    begun, path = world.now, world.root / "drop" / NAME

    def copied() -> None:
        if world.now > begun + 3 and path.read_bytes() != WHOLE:
            path.write_bytes(WHOLE)
            world.on_sleep = lambda: None

    world.on_sleep = copied
    assert world.run() == 0
    (operation,) = world.wire.operations()
    assert (operation.completed, operation.body) == (True, WHOLE)


def test_a_marker_says_that_the_file_is_whole_and_nothing_is_waited_for(tmp_path: Path) -> None:
    world = Simulation(tmp_path / "world", marker=', marker: "{name}.ok"')
    world.drop(NAME, HALF)
    world.drop(NAME + ".ok", b"")
    began = world.now

    assert world.run() == 1

    assert world.now - began < EMPTY_PATIENCE


def test_the_rest_that_comes_while_another_file_is_sent_makes_one_delivery(world: World) -> None:
    world.settings["settle"] = {"quiet": "500ms"}
    path = world.drop(NAME, HALF)

    def appending(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        with path.open("ab") as file:
            file.write(WHOLE[len(HALF) :])
        return take(request)

    world.server.script.append(appending)
    world.drop(OTHER, rows(3))

    assert world.run_once() == 0

    assert sorted(operation.body for operation in world.completed()) == sorted([WHOLE, rows(3).encode()])
    assert [row["state"] for row in world.history()] == ["done", "done"]


def test_half_a_record_fails_with_a_report_that_says_what_to_do(world: World) -> None:
    world.settings["settle"] = {"quiet": "50ms"}
    world.drop(NAME, HALF)

    assert world.run_once() == 1

    report = world.report(NAME)
    assert report["lines"] == "12"
    assert report["reason"].startswith("line 12: the file ends here after 1 field, without a line end")
    assert report["what_to_do"].startswith("export or copy the file again")
    assert world.server.operations() == []
