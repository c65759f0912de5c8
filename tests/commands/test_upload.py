"""`watcher upload`: what it refuses to send, and what it says where it does not know how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_agent import until, watcher
from tests.conftest import World, answer, lose_answer, rows

DOUBT = "it may be complete at the server; look into the import history of the WFM first"


def test_a_file_whose_last_answer_was_lost_is_not_said_to_be_unsent(world: World) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(2))
    world.server.script.append(lose_answer)
    world.server.always = answer(503)

    found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert len(world.completed()) == 1
    assert found.returncode == 1
    assert DOUBT in found.stderr
    assert "not sent" not in found.stderr
    [row] = world.history()
    assert "it may be complete at the server" in row["reason"]
    assert row["what_to_do"].startswith("look into the import history")


def test_a_file_of_which_a_chunk_is_missing_is_said_to_be_unsent(world: World) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(12))
    world.server.script.append(lose_answer)
    world.server.always = answer(503)

    found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert "agent_events.csv: not sent: " in found.stderr
    assert "may be complete" not in found.stderr


@pytest.mark.skipif(os.name == "nt", reason="interrupts a child process")
def test_an_interrupted_upload_in_doubt_says_so_and_so_does_the_one_that_finds_a_killed_one(
    world: World,
) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(2))
    world.server.script.append(lose_answer)
    world.server.always = answer(503)
    told = [interrupted(world, path, signal.SIGINT), interrupted(world, path, signal.SIGKILL)]
    world.server.always = None
    assert watcher(world, "upload", str(path)).returncode == 0

    assert DOUBT in told[0]
    assert told[1] == ""
    reasons = [row["reason"] for row in world.history()[1:]]
    assert all("it may be complete at the server" in reason for reason in reasons), reasons


def interrupted(world: World, path: Path, number: signal.Signals) -> str:
    """Send a file and end the command once its last chunk is in doubt; returns what it said."""
    world.server.script.append(lose_answer)
    before = len(world.server.pushes())
    command = [sys.executable, "-m", "watcher", "upload", str(path), "-c", str(world.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: len(world.server.pushes()) >= before + 2)
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    return told


def plain(world: World) -> str:
    return str(world.path("drop") / "agent_events.csv")


def relative(world: World) -> str:
    return os.path.relpath(plain(world))


def by_another_folder(world: World) -> str:
    return str(world.path("done") / ".." / "drop" / "agent_events.csv")


def by_a_linked_folder(world: World) -> str:
    world.path("shortcut").symlink_to("drop")
    return str(world.path("shortcut") / "agent_events.csv")


def by_a_link(world: World) -> str:
    world.path("agent_events.csv").symlink_to(plain(world))
    return str(world.path("agent_events.csv"))


def by_a_hard_link(world: World) -> str:
    os.link(plain(world), world.path("agent_events.csv"))
    return str(world.path("agent_events.csv"))


def under_way(world: World) -> str:
    folder = world.path("drop") / ".uploading" / "agent-1" / "token"
    folder.mkdir(parents=True)
    return str(Path(plain(world)).rename(folder / "agent_events.csv"))


@pytest.mark.parametrize(
    "way",
    [plain, relative, by_another_folder, by_a_linked_folder, by_a_link, by_a_hard_link, under_way],
    ids=lambda way: way.__name__,
)
def test_a_file_in_drop_or_work_is_refused_whatever_way_leads_there(
    world: World, way: Callable[[World], str]
) -> None:
    world.drop("agent_events.csv", rows(2))
    other = world.path("agent_events_2.csv")
    other.write_text(rows(2))

    found = watcher(world, "upload", way(world), str(other))

    folder = "work" if way is under_way else "drop"
    assert found.returncode == 1
    assert f"a file in the {folder} folder" in found.stderr
    assert "is refused: the agent sends it; to send it by hand, copy it to another folder" in found.stderr
    assert world.server.requests() == []


def test_a_file_in_a_folder_below_drop_is_the_agents_no_more_than_any_other(world: World) -> None:
    path = world.path("drop") / "archive" / "agent_events.csv"
    path.parent.mkdir()
    path.write_text(rows(2))

    assert watcher(world, "upload", str(path)).returncode == 0
