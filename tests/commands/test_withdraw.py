"""`watcher withdraw`: out of the queue, into failed, and it says why; beside a running agent too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_agent import agent, until, watcher
from tests.conftest import World, answer, lose_answer, rows, works
from watcher.core.model import FileState
from watcher.disk.owner import OWNER_FILE
from watcher.sandbox.server import Answer, Request

TOKEN = "00000000-0000-4000-8000-000000000000"


def left_under_way(world: World, *script: Callable[..., Answer | None]) -> Path:
    """A file that an agent began with, and left behind; returns where it is."""
    world.server.script.extend(script)
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))
    assert world.run_once(patience=0.2) == 4
    (claimed,) = world.work_files()
    return claimed


def others_file(world: World, *, age: float | None) -> Path:
    """A file in the work folder of another agent that said `age` seconds ago that it lives, or never."""
    path = world.path("drop") / ".uploading" / "agent-other" / TOKEN / "event_types.json"
    path.parent.mkdir(parents=True)
    path.write_text("[1]")
    path.with_name("event_types.json.ok").write_text("")
    if age is not None:
        owner = path.parent.parent / OWNER_FILE
        owner.write_text('{"host": "acd-7"}')
        at = owner.stat().st_mtime - age
        os.utime(owner, (at, at))
    return path


def test_a_waiting_file_goes_to_failed_with_a_report(world: World) -> None:
    world.drop("agent_events.csv", rows(2))

    found = watcher(world, "withdraw", "agent_events.csv")

    assert found.returncode == 0, found.stderr
    assert set(world.files("failed")) == {"agent_events.csv", "agent_events.csv.error.txt"}
    assert world.files("drop") == {}
    report = world.report("agent_events.csv")
    assert report["reason"].startswith("withdrawn by ")
    assert "nothing of it was sent" in report["reason"]
    assert report["chunks_delivered"] == 0
    assert "copy it into the drop folder" in report["what_to_do"]
    assert [(row["state"], row["route"]) for row in world.history()] == [("failed", "agent-events")]
    assert not (world.path("drop") / ".uploading").exists()


def test_its_marker_goes_along(world: World) -> None:
    world.settings["routes"][2]["marker"] = "{name}.ok"
    world.drop("agent_events.csv", rows(2))
    world.drop("agent_events.csv.ok", "")

    assert watcher(world, "withdraw", "agent_events.csv").returncode == 0

    assert world.files("drop") == {}
    assert "agent_events.csv.ok" in world.files("failed")


def test_a_name_that_is_nowhere_is_said_and_the_others_are_withdrawn(world: World) -> None:
    world.drop("agent_events.csv", rows(2))

    found = watcher(world, "withdraw", "nowhere.csv", "agent_events.csv")

    assert found.returncode == 1
    assert "nowhere.csv: is not waiting, under way or stranded" in found.stdout
    assert "agent_events.csv" in world.files("failed")


def test_a_name_that_two_files_have_is_to_be_named_by_its_path(world: World) -> None:
    claimed = left_under_way(world)
    waiting = world.drop("agent_events.csv", rows(1))

    found = watcher(world, "withdraw", "agent_events.csv")

    assert found.returncode == 1
    assert str(claimed) in found.stdout
    assert str(waiting) in found.stdout
    assert watcher(world, "withdraw", str(claimed)).returncode == 0
    assert waiting.exists()
    assert world.files("failed")["agent_events.csv"] == rows(12).encode()


def test_what_is_no_regular_file_is_left_where_it_is(world: World) -> None:
    link = world.path("drop") / "agent_events.csv"
    link.symlink_to(world.config)

    found = watcher(world, "withdraw", "agent_events.csv")

    assert found.returncode == 1
    assert "no regular file" in found.stdout
    assert link.is_symlink()
    assert world.files("failed") == {}


def test_a_waiting_file_stays_where_it_is_while_the_failed_folder_is_away(world: World) -> None:
    world.drop("agent_events.csv", rows(2))
    world.path("failed").rmdir()

    found = watcher(world, "withdraw", "agent_events.csv")

    assert found.returncode == 1
    assert "it is not there" in found.stderr
    assert set(world.files("drop")) == {"agent_events.csv"}


def test_a_file_under_way_is_withdrawn_where_no_agent_runs(world: World) -> None:
    left_under_way(world, works)

    found = watcher(world, "withdraw", "agent_events.csv")

    assert found.returncode == 0, found.stderr
    report = world.report("agent_events.csv")
    assert report["chunks_delivered"] == 1
    assert "1 chunk of it delivered, and its upload not completed" in report["reason"]
    assert "import history" not in report["what_to_do"]
    assert world.work_files() == []
    world.server.always = None
    assert world.run_once() == 0
    assert world.completed() == []


def test_a_file_whose_last_answer_is_not_known_may_be_complete_and_the_report_says_so(world: World) -> None:
    left_under_way(world, works, works, lose_answer)

    assert watcher(world, "withdraw", "agent_events.csv").returncode == 0

    assert "look into the import history first" in world.report("agent_events.csv")["what_to_do"]


def test_a_held_file_is_withdrawn_beside_a_running_agent_and_the_next_one_goes_on(world: World) -> None:
    world.server.always = answer(503)
    world.settings["upload"]["retry_cap"] = "10m"
    world.drop("event_types.json", "[1]")
    world.drop("agent_events.csv", rows(2))
    with agent(world):
        until(lambda: any("event_types" in path.name for path in world.work_files()))

        found = watcher(world, "withdraw", "event_types.json")

        assert found.returncode == 0, found.stdout
        assert "event_types.json" in world.files("failed")
        until(lambda: any("agent_events" in path.name for path in world.work_files()))
        assert watcher(world, "withdraw", "agent_events.csv").returncode == 0
        assert not list(world.path("state").glob("withdraw.*"))

    assert [row["state"] for row in world.history()] == ["failed", "failed"]
    assert all(row["reason"].startswith("withdrawn by ") for row in world.history())


def test_a_waiting_file_is_withdrawn_beside_a_running_agent(world: World) -> None:
    world.server.always = answer(503)
    world.drop("event_types.json", "[1]")
    world.drop("agent_events.csv", rows(2))
    with agent(world):
        until(lambda: bool(world.work_files()))

        assert watcher(world, "withdraw", "agent_events.csv").returncode == 0

        assert "agent_events.csv" in world.files("failed")
        assert set(world.files("drop")) == set()


def test_a_request_that_an_agent_did_not_honour_any_more_is_honoured_by_the_next_one(world: World) -> None:
    claimed = left_under_way(world)
    (row,) = world.history()
    assert row["state"] not in (FileState.FAILED, FileState.DONE)
    (world.path("state") / "withdraw.1").write_text(json.dumps({"user": "alice"}))
    (world.path("state") / "withdraw.77").write_text("no row has this number")

    assert world.run_once() == 1

    assert not claimed.exists()
    assert world.report("agent_events.csv")["reason"].startswith("withdrawn by alice")


@pytest.mark.parametrize("age", [None, 3600.0])
def test_a_stranded_file_is_withdrawn_and_the_files_that_waited_for_it_go_on(
    world: World, age: float | None
) -> None:
    others_file(world, age=age)
    world.drop("agent_events.csv", rows(2))

    found = watcher(world, "withdraw", "event_types.json")

    assert found.returncode == 0, found.stderr
    assert set(world.files("failed")) == {
        "event_types.json",
        "event_types.json.ok",
        "event_types.json.error.txt",
    }
    report = world.report("event_types.json")
    assert "agent-other" in report["reason"]
    assert "look into the import history first" in report["what_to_do"]
    assert report["push_token"] == TOKEN
    assert not (world.path("drop") / ".uploading").exists()
    assert world.run_once() == 0
    assert set(world.files("done")) == {"agent_events.csv"}


def test_the_file_of_an_agent_that_lives_is_withdrawn_by_force_alone(world: World) -> None:
    theirs = others_file(world, age=5.0)

    found = watcher(world, "withdraw", "event_types.json")

    assert found.returncode == 1
    assert "acd-7" in found.stdout
    assert theirs.exists()
    assert watcher(world, "withdraw", "--force", "event_types.json").returncode == 0
    assert "event_types.json" in world.files("failed")


def test_a_file_that_is_being_sent_well_is_delivered_and_the_command_says_so(world: World) -> None:
    """Too late is no failure of the file; the command's exit code tells that it was not withdrawn."""
    asked: list[int] = []

    def ask(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        (world.path("state") / "withdraw.1").write_text(json.dumps({"user": "alice"}))
        asked.append(1)
        return take(request)

    world.server.script.append(ask)
    world.drop("agent_events.csv", rows(2))

    assert world.run_once() == 0

    assert asked
    assert set(world.files("done")) == {"agent_events.csv"}
