"""Two agents with one id, for a state folder was copied: the second one takes nothing of the first one's."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.agent.test_recovery import interrupted
from tests.conftest import World, answer, rows
from watcher.core.errors import NotAlone, Outside
from watcher.disk.owner import OWNER_FILE, Identity, Owner, Told, is_living

US = Identity("acd-1", "boot-1", 100, "pid:[1]", "5", "1:1", "us")


def told(seconds: float = 30.0, *, stopped: bool = False, uptime: float = 1e6, **who: object) -> bool:
    """Whether one is taken for alive that is like us but for `who`, and was last heard so long ago."""
    theirs = replace(US, instance="they", **who)  # type: ignore[arg-type]
    return is_living(Told(theirs, 0.0, stopped), US, silent=seconds, uptime=uptime)


def test_whoever_had_the_state_folder_that_we_have_locked_is_dead() -> None:
    assert not told(0.0)
    assert not told(0.0, host="renamed", pids="pid:[2]", pid=1)  # another container of this system


def test_with_a_copy_of_the_state_folder_on_one_system_the_process_decides() -> None:
    pid = os.getpid()

    assert told(state="1:2", pid=pid, began=None)
    assert told(599.0, state="1:2", pid=pid, began=None)
    assert not told(state="1:2", pid=pid, began="of another process, which had that number before")
    assert not told(state="1:2", pid=2**22 + 1)


def test_a_process_of_another_container_is_known_by_its_silence_alone() -> None:
    assert told(599.0, state="1:2", pid=1, pids="pid:[2]")
    assert not told(601.0, state="1:2", pid=1, pids="pid:[2]")


def test_another_host_is_known_by_its_silence_alone_whatever_the_clocks_say() -> None:
    assert told(599.0, host="acd-2", boot="boot-2")
    assert told(-3600.0, host="acd-2", boot="boot-2")
    assert told(5.0, host="acd-2", boot="boot-2", uptime=1.0)
    assert not told(601.0, host="acd-2", boot="boot-2")


def test_what_ran_before_a_reboot_is_dead_and_a_clone_of_the_same_name_is_not() -> None:
    assert not told(90.0, boot="boot-0", uptime=40.0)
    assert told(30.0, boot="boot-0", uptime=400.0)
    assert not told(-3600.0, boot="boot-0", uptime=40.0)  # its clock was ahead, and was put right


def test_one_that_has_stopped_and_one_that_nothing_is_known_of_are_not_in_the_way() -> None:
    assert not told(0.0, host="acd-2", boot="boot-2", stopped=True)
    assert not is_living(Told(Identity(), 0.0), US, silent=0.0, uptime=None)


def living(part: Path, **who: object) -> Path:
    """Write the owner file of another agent that lives elsewhere."""
    part.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = part / OWNER_FILE
    owner.write_text(json.dumps(asdict(Identity("acd-7", "another boot", 7, instance="they")) | who))
    return owner


def test_an_agent_whose_id_another_one_took_over_completes_nothing_and_ends(tmp_path: Path) -> None:
    part = tmp_path / "agent-1"
    part.mkdir(mode=0o700)
    owner = Owner(part, Identity.of_us(tmp_path))
    owner.take()
    owner.check()

    living(part)

    with pytest.raises(Outside, match="process 7"):
        owner.check()
    with pytest.raises(NotAlone, match="on acd-7"):
        owner.beat()
    owner.leave()
    assert "they" in (part / OWNER_FILE).read_text()


def test_an_agent_that_stopped_says_so_and_the_next_one_may_be_anywhere(tmp_path: Path) -> None:
    part = tmp_path / "agent-1"
    part.mkdir(mode=0o700)
    first = Owner(part, replace(US, host="acd-2", boot="boot-2", instance="first"))
    first.beat()
    with pytest.raises(NotAlone):
        Owner(part, US).take()

    first.leave()

    Owner(part, US).take()


def test_a_copied_state_folder_takes_nothing_of_the_agent_that_lives(world: World) -> None:
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))
    with agent(world) as process:
        until(lambda: "holding" in log_of(world))
        (claimed,) = world.work_files()
        shutil.copytree(world.path("state"), world.path("state-2"))
        settings = dict(world.settings["folders"])
        world.settings["folders"] = settings | {"state": "state-2"}
        world.drop("agent_events_2.csv", rows(3))

        second = watcher(world, "run", "--once")
        withdrawn = watcher(world, "withdraw", "agent_events.csv")

        assert (second.returncode, withdrawn.returncode) == (4, 1)  # a service is started again after a 4
        for words in (second.stdout + second.stderr, withdrawn.stderr):
            assert f"process {process.pid}" in words
            assert "remove the copy" in words
        assert claimed.is_file()
        world.server.always = None
        until(lambda: len(world.files("done")) == 2)

    assert sorted(operation.body for operation in world.completed()) == sorted(
        [rows(12).encode(), rows(3).encode()]
    )


def test_a_copy_whose_agent_runs_elsewhere_is_refused_before_anything_is_moved(
    world: World, lines: list[str]
) -> None:
    interrupted(world)
    (claimed,) = world.work_files()
    living(claimed.parent.parent)
    world.drop("agent_events_2.csv", rows(2))

    assert world.run_once() == 4

    assert any("acd-7" in line and "remove the copy" in line for line in lines)
    assert claimed.is_file()
    assert set(world.files("drop")) == {"agent_events_2.csv"}
    living(claimed.parent.parent, stopped=True)
    assert world.run_once() == 0
    assert len(world.completed()) == 2


def test_one_that_was_killed_starts_again_at_once(world: World) -> None:
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))
    with agent(world) as process:
        until(lambda: "holding" in log_of(world))
        process.kill()
        process.wait(10.0)
    world.server.always = None

    assert watcher(world, "run", "--once").returncode == 0

    assert set(world.files("done")) == {"agent_events.csv"}
