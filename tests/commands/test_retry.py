"""`watcher retry`: failed files go back into the drop folder; what the server may have goes only if named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import watcher
from tests.agent.test_grown import changing, grow
from tests.agent.test_in_doubt import unanswered
from tests.commands.test_withdraw import others_file
from tests.conftest import Take, World, answer, rows, works
from watcher.sandbox.server import Answer, Request

NAME = "agent_events.csv"


def failed_files(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(watcher(world, "status", "--json").stdout)["failed"]
    return found


# -- what the server may have ------------------------------------------------------------------------


def refused_in_doubt(world: World) -> None:
    """The server refuses the repeat of a last chunk that had no answer."""
    unanswered(world)
    world.server.always = answer(400, "no such operation")
    assert world.run_once() == 1


def failing_behind_the_commit(world: World) -> None:
    """The server fails on the last chunk, and gets another file through."""

    def failing(request: Request, take: Take) -> Answer | None:
        taken = take(request)
        is_other = request.query["lastChunk"] == "false" or request.body == rows(2).encode()
        return taken if is_other else Answer(500)

    world.settings["upload"]["attempts"] = 1
    world.server.always = failing
    world.drop(NAME, rows(12))
    world.drop("agent_events_2.csv", rows(2))
    assert world.run_once() == 1


def changed_in_doubt(world: World) -> None:
    unanswered(world)
    (path,) = world.work_files()
    path.write_bytes(b"a,2\n")
    assert world.run_once() == 1


def withdrawn_in_doubt(world: World) -> None:
    unanswered(world)
    assert watcher(world, "withdraw", NAME).returncode == 0


def stranded(world: World) -> None:
    path = others_file(world, age=3600.0)
    path.rename(path.with_name(NAME))
    path.with_name("event_types.json.ok").unlink()
    assert watcher(world, "withdraw", NAME).returncode == 0


def changed_after_delivery(world: World) -> None:
    world.server.script.extend([works, works, changing(world, grow)])
    world.drop(NAME, rows(12))
    assert world.run_once() == 1


@pytest.mark.parametrize(
    ("happened", "known"),
    [
        (refused_in_doubt, "perhaps"),
        (failing_behind_the_commit, "perhaps"),
        (changed_in_doubt, "perhaps"),
        (withdrawn_in_doubt, "perhaps"),
        (stranded, "perhaps"),
        (changed_after_delivery, "all"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_retry_all_leaves_what_the_server_may_have_says_so_and_a_name_sends_it_all_the_same(
    world: World, happened: Any, known: str
) -> None:
    happened(world)
    world.server.always = None
    (world.path("failed") / "event_types.json").write_text("[1]")
    told = {row["name"]: row["at_server"] for row in failed_files(world)}

    found = watcher(world, "retry", "--all")

    assert told == {NAME: known, "event_types.json": None}
    assert found.returncode == 1
    left, moved = found.stdout.splitlines()
    reason = {"perhaps": "it may be complete at the server", "all": "the server has it as it was"}[known]
    assert left.startswith(f"{NAME}: left in the failed folder: {reason}")
    assert f"`watcher retry {NAME}` sends it" in left
    assert moved == "event_types.json: back in the drop folder as event_types.json"
    assert set(world.files("failed")) == {NAME, f"{NAME}.error.txt"}

    assert watcher(world, "retry", NAME).returncode == 0
    assert world.files("failed") == {}


def test_retry_all_moves_what_the_server_refused_before_it_had_all_of_it(world: World) -> None:
    world.server.script.extend([works, works, answer(503), answer(400)])
    world.drop(NAME, rows(12))
    assert world.run_once() == 1
    assert [row["at_server"] for row in failed_files(world)] == [None]

    assert watcher(world, "retry", "--all").returncode == 0

    assert set(world.files("drop")) == {NAME}


def test_retry_all_moves_nothing_where_a_damaged_journal_cannot_tell_what_the_server_has(
    world: World,
) -> None:
    refused_in_doubt(world)
    for path in world.path("state").glob("journal.db*"):
        path.write_bytes(b"damaged " * 1_000)

    found = watcher(world, "retry", "--all")

    assert found.returncode == 1
    assert "--all: the journal cannot be read" in found.stderr
    assert world.files("drop") == {}
    assert watcher(world, "retry", NAME).returncode == 0
    assert set(world.files("drop")) == {NAME}


# -- markers -----------------------------------------------------------------------------------------


def failed_with_marker(world: World, marker: str, name: str = NAME, beside: str = f"{NAME}.ok") -> None:
    world.settings["routes"][2]["marker"] = marker
    world.drop(name, 'a,"b\n')
    world.drop(beside, "")
    assert world.run_once() == 1


@pytest.mark.parametrize(("marker", "beside"), [(".ok", f"{NAME}.ok"), ("{stem}.done", "Agent_Events.done")])
def test_a_marker_is_no_failed_file_of_its_own_and_goes_back_with_its_file(
    world: World, marker: str, beside: str
) -> None:
    failed_with_marker(world, marker, beside=beside)
    assert len(world.files("failed")) == 3
    assert [row["name"] for row in failed_files(world)] == [NAME]
    (world.path("failed") / NAME).write_text(rows(2))

    found = watcher(world, "retry", NAME)

    back = marker.replace("{stem}", "agent_events") if "{" in marker else f"{NAME}.ok"
    assert found.stdout == f"{NAME}: back in the drop folder as {NAME}, with its marker {back}\n"
    assert world.files("failed") == {}
    assert world.run_once() == 0
    assert set(world.files("done")) == {NAME, back}


def test_a_marker_takes_the_name_that_its_file_gets_on_the_way_and_back(world: World) -> None:
    (world.path("failed") / NAME).write_text("an older one")
    failed_with_marker(world, ".ok")
    stamped = next(name for name in world.files("failed") if name.endswith("Z.csv"))
    assert f"{stamped}.ok" in world.files("failed")
    assert {row["name"] for row in failed_files(world)} == {NAME, stamped}
    world.drop(NAME, "a newer one")

    found = watcher(world, "retry", stamped)

    back = next(name for name in world.files("drop") if name.endswith("Z.csv"))
    assert set(world.files("drop")) == {NAME, back, f"{back}.ok"}
    assert found.stdout.endswith(f"as {back}, with its marker {back}.ok\n")
    assert world.files("failed") == {NAME: b"an older one"}


def test_retry_all_takes_no_marker_for_a_file_and_never_writes_over_one(world: World) -> None:
    failed_with_marker(world, ".ok")
    world.drop(f"{NAME}.ok", "made by hand")

    found = watcher(world, "retry", "--all")

    assert (found.returncode, len(found.stdout.splitlines())) == (0, 1)
    assert world.files("drop") == {NAME: b'a,"b\n', f"{NAME}.ok": b"made by hand"}
    assert failed_files(world) == []
    assert "there are no failed files" in watcher(world, "retry", "--all").stdout


def test_a_file_without_its_marker_goes_back_and_says_that_it_waits_for_it(world: World) -> None:
    failed_with_marker(world, ".ok")
    os.remove(world.path("failed") / f"{NAME}.ok")

    found = watcher(world, "retry", NAME)

    assert found.stdout.endswith(f"as {NAME}, where it waits for its marker {NAME}.ok\n")


def test_what_has_a_report_of_its_own_is_a_failed_file_though_the_settings_now_call_it_a_marker(
    world: World,
) -> None:
    world.drop("agent_events_2.csv.ok", "x")
    assert world.run_once() == 1
    world.settings["routes"][2]["marker"] = ".ok"

    assert [row["name"] for row in failed_files(world)] == ["agent_events_2.csv.ok"]


def test_a_marker_whose_file_was_taken_out_by_hand_is_no_failed_file(world: World) -> None:
    failed_with_marker(world, ".ok")
    for name in (NAME, f"{NAME}.error.txt"):
        Path(world.path("failed") / name).unlink()

    assert failed_files(world) == []
