"""A last chunk whose answer never came: the file may be complete, and is never sent anew by itself."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server, World, answer, lose_answer, lose_request, rows, works
from tests.simulation import Simulation
from watcher.sandbox.server import Answer, Request

WHOLE = rows(12).encode()
NAME = "agent_events.csv"


def unanswered(world: World, *, taken: bool = True, code: int = 4) -> None:
    """Live up to the point where the last chunk went out without an answer, and the server is away."""
    world.server.script.extend([works, works, lose_answer if taken else lose_request])
    world.server.always = answer(503)
    world.drop(NAME, rows(12))

    assert world.run_once(patience=0.2) == code

    world.server.always = works


def tokens(world: World) -> set[str]:
    return {push["pushToken"] for push in world.server.pushes()}


@pytest.mark.parametrize("lost_answer", ["resend", "new_token"])
@pytest.mark.parametrize("taken", [True, False])
def test_it_is_sent_again_under_its_own_token_by_both_policies_and_after_a_restart(
    world: World, lost_answer: str, taken: bool
) -> None:
    world.settings["upload"]["lost_answer"] = lost_answer
    unanswered(world, taken=taken)

    assert world.run_once() == 0

    assert len(tokens(world)) == 1
    (operation,) = world.completed()
    assert operation.body == WHOLE
    assert world.history()[0]["state"] == "done"


def test_a_chmod_in_between_changes_nothing(world: World) -> None:
    unanswered(world)
    (path,) = world.work_files()
    path.chmod(0o600)

    assert world.run_once() == 0

    assert len(world.completed()) == len(tokens(world)) == 1


def test_a_file_whose_content_changed_in_between_fails_and_says_that_it_may_be_complete(world: World) -> None:
    unanswered(world)
    (path,) = world.work_files()
    path.write_bytes(WHOLE.replace(b"agent", b"AGENT"))

    assert world.run_once() == 1

    assert len(tokens(world)) == 1
    report = world.report(NAME)
    assert "may be complete at the server" in report["reason"]
    assert report["what_to_do"].startswith("look into the import history of the WFM first")


def test_a_file_that_is_gone_in_between_is_told_with_that(world: World) -> None:
    unanswered(world)
    (path,) = world.work_files()
    path.unlink()

    assert world.run_once() == 0

    (row,) = world.history()
    assert row["state"] == "vanished"
    assert "may be complete at the server" in row["reason"]


def remove_route(world: World) -> Callable[[], None]:
    world.settings["routes"][2]["name"] = "renamed"
    return lambda: world.settings["routes"][2].update(name="agent-events")


def change_tenant(world: World) -> Callable[[], None]:
    world.settings["routes"][2]["params"] = {"source": "other"}
    return lambda: world.settings["routes"][2].pop("params")


@pytest.mark.parametrize("change", [remove_route, change_tenant])
def test_settings_that_send_it_elsewhere_hold_it_alone_until_they_are_brought_back(
    world: World, lines: list[str], change: Callable[[World], Callable[[], None]]
) -> None:
    unanswered(world)
    bring_back = change(world)

    assert world.run_once(patience=0.2) == 4

    assert any(f"holding file {NAME}" in line and "had no answer" in line for line in lines)
    assert len(tokens(world)) == 1

    bring_back()
    assert world.run_once() == 0

    assert len(world.completed()) == len(tokens(world)) == 1


def test_another_server_never_gets_it(world: World) -> None:
    unanswered(world)
    old = dict(world.settings["wfm"])
    with Server() as other:
        world.settings["wfm"] |= {"api_url": other.url, "token_url": other.token_url}

        assert world.run_once(patience=0.2) == 4

        assert other.operations() == []
    world.settings["wfm"] = old
    assert world.run_once() == 0


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_of_the_repeat_says_that_it_may_be_complete(world: World, status: int) -> None:
    unanswered(world)
    world.server.always = answer(status, "no such operation")

    assert world.run_once() == 1

    report = world.report(NAME)
    assert "may have completed it" in report["reason"]
    assert report["what_to_do"].startswith("look into the import history of the WFM first")
    assert report["server_said"] == "no such operation"


def test_a_server_that_fails_behind_the_commit_and_then_knows_it_has_it(world: World) -> None:
    def commit_and_fail(request: Request, take: Callable[[Request], Answer | None]) -> Answer:
        take(request)
        return Answer(500)

    world.server.script.extend([works, works, commit_and_fail, answer(409)])
    world.drop(NAME, rows(12))

    assert world.run_once() == 0

    assert len(world.completed()) == 1
    assert "had landed" in world.history()[0]["note"]


def test_its_times_may_be_set_in_between(world: World) -> None:
    """The bytes decide, for they are what was sent."""
    unanswered(world)
    (path,) = world.work_files()
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert world.run_once() == 0

    assert len(tokens(world)) == 1


@pytest.mark.parametrize("seed", range(30))
def test_a_stop_leaves_no_chunk_in_doubt_whenever_it_comes(seed: int, tmp_path: Path) -> None:
    """What was written down as going out goes out, or the next start would have to take it for unanswered."""
    simulation = Simulation(tmp_path / "world", lost_answer="new_token")
    simulation.chance = random.Random(seed)
    for number in range(3):
        records = (b"%06d,%02d,x\n" % (number, record) for record in range(40))
        simulation.drop(f"agent_events_{number}.csv", b"".join(records))

    while not (code := simulation.run(seconds=simulation.chance.uniform(0, 12))) and simulation.left <= 0:
        assert "sending" not in {row.state for row in simulation.rows()}

    assert code == 0
    assert len(simulation.wire.operations()) == 3
    simulation.check_quiet(resends=0)
