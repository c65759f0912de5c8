"""`rsync --delete`, or a janitor, removes the work folder: its files are told as vanished, the next go on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable

import pytest

from tests.conftest import Step, World, answer, rows, works
from watcher.sandbox.server import Answer, Request

NAME, NEXT = "agent_events_1.csv", "agent_events_2.csv"


def journal(world: World, statement: str) -> None:
    connection = sqlite3.connect(world.path("state") / "journal.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


def interrupted(world: World) -> None:
    """A file is under way, and nothing runs."""
    world.settings["upload"]["retry_cap"] = "9s"
    world.server.script.extend([works, answer(503, Retry_After="9")])
    world.drop(NAME, rows(12))
    assert world.run_once(patience=0.1) == 4


def removing(world: World, then: Step) -> Step:
    """Somebody removes the work folder before the server answers; the next file comes."""

    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        shutil.rmtree(world.path("drop") / ".uploading")
        world.drop(NEXT, rows(3))
        return then(request, take)

    return step


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("then", [works, answer(503), answer(400)])
def test_while_a_file_is_sent_it_ends_as_vanished_and_the_next_one_is_delivered(
    world: World, lines: list[str], at: int, then: Step
) -> None:
    world.server.script.extend([works] * at + [removing(world, then)])
    world.drop(NAME, rows(12))

    assert world.run_once() == 0

    assert world.files("done") == {NEXT: rows(3).encode()}
    assert [(row["name"], row["state"]) for row in world.history()] == [(NEXT, "done"), (NAME, "vanished")]
    assert any(NAME in line and "somebody took it" in line for line in lines)


def test_between_two_runs_it_ends_as_vanished_and_the_next_one_is_delivered(world: World) -> None:
    interrupted(world)
    shutil.rmtree(world.path("drop") / ".uploading")
    world.drop(NEXT, rows(3))

    assert world.run_once() == 0

    assert [(row["name"], row["state"]) for row in world.history()] == [(NEXT, "done"), (NAME, "vanished")]


def test_a_file_whose_claim_was_never_confirmed_is_told_too(world: World) -> None:
    world.settings["routes"][2]["marker"] = "{name}.ok"
    world.drop(f"{NAME}.ok", "")
    interrupted(world)
    journal(world, "UPDATE files SET state = 'seen'")
    shutil.rmtree(world.path("drop") / ".uploading")
    world.drop(f"{NAME}.ok", "")  # of the next file of that name

    assert world.run_once() == 0

    assert [(row["name"], row["state"]) for row in world.history()] == [(NAME, "vanished")]
    assert set(world.files("drop")) == {f"{NAME}.ok"}


def test_a_work_folder_elsewhere_is_made_anew_too(world: World) -> None:
    world.settings["folders"]["work"] = "work"
    world.path("work").mkdir()
    interrupted(world)
    shutil.rmtree(world.path("work"))
    world.drop(NEXT, rows(3))

    assert world.run_once() == 0

    assert [row["state"] for row in world.history()] == ["done", "vanished"]


def test_a_drop_folder_on_another_device_is_a_share_that_is_away_and_nothing_is_lost(world: World) -> None:
    interrupted(world)
    hidden = world.path("drop") / ".uploading"
    hidden.rename(world.path("share"))
    journal(world, "UPDATE files SET device = device + 1")

    assert world.run_once(patience=0.1) == 4

    assert [row["state"] for row in world.history()] == ["retrying"]
    world.path("share").rename(hidden)
    assert world.run_once() == 0
    assert [row["state"] for row in world.history()] == ["done"]
