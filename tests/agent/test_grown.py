"""A file that changes between its delivery and its filing is never quietly in done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.conftest import Step, World, rows, works
from watcher.sandbox.server import Answer, Request

NAME = "agent_events.csv"
CONTENT = rows(12)  # three chunks
LATE = b"late,1\n"


def changing(world: World, change: Callable[[Path], None]) -> Step:
    """The claimed file changes after the server has all of the last chunk, and before its answer."""

    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        answer = works(request, take)
        (path,) = (path for path in world.work_files() if path.name == NAME)
        change(path)
        return answer

    return step


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LATE)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"AGENT")
    os.utime(path, (1, 1))


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def test_a_file_that_grew_after_its_commit_fails_with_a_report(world: World) -> None:
    world.server.script.extend([works, works, changing(world, grow)])
    world.drop(NAME, CONTENT)

    assert world.run_once() == 1

    (operation,) = world.server.operations()
    assert (operation.completed, operation.body) == (True, CONTENT.encode())
    assert world.files("done") == {}
    assert world.files("failed")[NAME] == CONTENT.encode() + LATE
    report = world.report(NAME)
    assert report["reason"] == (
        "it changed after it was delivered: the server has its first state (240 bytes); "
        "it has 247 bytes by now"
    )
    assert report["chunks_delivered"] == 3
    assert [row["state"] for row in world.history()] == ["failed"]


def test_what_was_delivered_is_not_sent_again_though_its_file_grew_then(world: World) -> None:
    world.settings["routes"][2]["duplicates"] = "skip"
    world.server.script.extend([works, works, changing(world, grow)])
    world.drop(NAME, CONTENT)
    assert world.run_once() == 1

    world.drop("agent_events_again.csv", CONTENT)
    assert world.run_once() == 0

    assert len(world.server.operations()) == 1


def test_a_file_whose_bytes_changed_after_its_commit_fails_too(world: World) -> None:
    world.server.script.extend([works, works, changing(world, rewrite)])
    world.drop(NAME, CONTENT)

    assert world.run_once() == 1

    assert world.files("done") == {}
    assert "it still has 240 bytes, but others" in world.report(NAME)["reason"]


def test_a_file_that_was_merely_touched_after_its_commit_is_done(world: World) -> None:
    world.server.script.extend([works, works, changing(world, touch)])
    world.drop(NAME, CONTENT)

    assert world.run_once() == 0

    assert world.files("done") == {NAME: CONTENT.encode()}


def test_bad_records_of_a_file_that_grew_are_in_it_and_nowhere_else(world: World) -> None:
    world.settings["routes"][2] |= {"bad_records": "set_aside", "columns": ["agent", "code"]}
    world.server.script.append(changing(world, grow))
    world.drop(NAME, "anna,1\nbert,2,3\ncarl,3\n")

    assert world.run_once() == 1

    assert set(world.files("failed")) == {NAME, f"{NAME}.error.txt"}
    assert world.files("failed")[NAME] == b"anna,1\nbert,2,3\ncarl,3\n" + LATE


@pytest.mark.skipif(os.name == "nt", reason="folders are taken away from under the agent")
def test_an_empty_file_that_was_filled_before_it_was_filed_is_sent_after_all(world: World) -> None:
    world.settings["routes"][2]["empty"] = "done"
    done = world.path("done")
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        done.rename(done.with_name("away"))
        world.drop(NAME, b"")
        until(lambda: str(done) in watcher(world, "status").stdout)
        (path,) = world.work_files()
        path.write_bytes(LATE)
        done.with_name("away").rename(done)
        until(lambda: world.files("done"))
        process.send_signal(signal.SIGTERM)
        process.wait()

    assert world.files("done") == {NAME: LATE}
    assert [operation.body for operation in world.completed()] == [LATE]
    assert [row["state"] for row in world.history()] == ["done", "returned"]
