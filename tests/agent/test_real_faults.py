"""The real command against real faults: kill -9, a server that keeps silent, folders and disks that go away,
fill up or turn read-only. What needs `mount` is skipped where that is not allowed."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import agent, gated, log_of, until, watcher
from tests.agent.test_drop_watcher import Folder, folder, linux
from tests.conftest import Server, World, rows
from tests.forked import Forked
from watcher.core.names import is_half_copied
from watcher.sandbox.server import Operation

__all__ = ["folder"]
PAGE = 4096
pause = threading.Event().wait


Mount = Callable[..., Path]


def sh(*command: str | Path) -> None:
    subprocess.run(command, check=True)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a fresh file system in memory; all are gone after the test."""

    def mounted(path: Path, size: str = "64k") -> Path:
        path.mkdir(exist_ok=True)
        sh("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
        return path

    if sys.platform != "linux":
        pytest.skip("only Linux has tmpfs and bind mounts")
    try:
        mounted(tmp_path / "trial")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not allowed here")
    try:
        yield mounted
    finally:
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in reversed(points):
            if point.startswith(f"{tmp_path}/"):
                sh("umount", "-l", point)


def fill(disk: Path) -> Path:
    """Write until nothing more goes onto the disk; returns the file that takes the room."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    return filler


def test_a_file_that_is_withdrawn_while_failed_is_full_goes_there_as_soon_as_there_is_room(
    world: World, mount: Mount
) -> None:
    """The command has ended by then: the running agent does it, though nothing else is under way."""
    failed, content = mount(world.path("failed")), rows(2_000)
    world.settings["routes"][2]["marker"] = ".ok"
    with agent(world):
        until(lambda: "watches" in log_of(world))  # else it is withdrawn as beside no agent
        world.drop("agent_events.csv", content)
        until(lambda: "agent_events.csv" in watcher(world, "status").stdout)
        filler = fill(failed)

        found = watcher(world, "withdraw", "agent_events.csv")

        assert found.returncode == 1
        assert "not in the failed folder yet" in found.stdout
        assert "the agent moves it there as soon as it can" in found.stdout
        (left,) = [path for path in world.work_files() if path.name == "agent_events.csv"]
        assert left.read_text() == content
        again = watcher(world, "withdraw", "agent_events.csv")
        assert "on its way out of the work folder" in again.stdout
        filler.unlink()
        until((failed / "agent_events.csv.error.txt").exists, 30)
        until(lambda: not list(world.path("state").glob("withdraw.*")), 30)

    assert world.files("failed")["agent_events.csv"] == content.encode()
    assert [row["state"] for row in world.history()] == ["failed"]
    assert world.server.pushes() == []


def shown_as_held(world: World) -> tuple[str, str]:
    """Wait until `status --json` shows a hold, and no other one; returns its target and reason."""
    found: dict[str, Any] = {}

    def held() -> bool:
        told = watcher(world, "status", "--json")
        found.update(json.loads(told.stdout))
        assert told.returncode == (1 if found["held"] or not found["running"] else 0)
        return bool(found["held"])

    until(lambda: "holding" in log_of(world))
    until(held, 5)
    (hold,) = found["held"]
    return hold["target"], hold["reason"]


def end(process: Forked) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def without_repeats(operation: Operation) -> bytes:
    """The bytes of an operation, each chunk that came several times in a row taken once."""
    return b"".join(chunk for chunk, _ in itertools.groupby(operation.chunks))


def assert_one_hold(world: World) -> None:
    log = log_of(world)
    ended = log.count("is back after") + log.count("is held no longer after")
    assert (log.count("holding"), ended) == (1, 1), log


def kill_at_random(worlds: list[World], chance: random.Random) -> None:
    """Start an agent in each world, and kill each at some moment soon after its start."""
    with ExitStack() as stack:
        for world in worlds:
            (world.root / "agent.log").write_text("")
        running = [stack.enter_context(agent(world)) for world in worlds]
        until(lambda: all("watches" in log_of(world) for world in worlds))
        for process in chance.sample(running, len(running)):
            pause(chance.uniform(0.0, 0.12))
            process.kill()


def assert_all_done(world: World, contents: dict[str, bytes]) -> None:
    assert world.files("done") == contents
    assert world.files("drop") == world.files("failed") == {}
    assert world.work_files() == []


@pytest.mark.parametrize("lost_answer", ["resend", "new_token"])
def test_killed_25_times_nothing_is_lost_and_no_rows_are_mixed_up(world: World, lost_answer: str) -> None:
    world.settings["upload"]["lost_answer"] = lost_answer
    world.server.always = lambda request, take: (pause(0.002), take(request))[1]
    chance = random.Random(f"kill -9 and {lost_answer}")
    contents = {f"agent_events_{number}.csv": f"{number},1\n{rows(50)}".encode() for number in range(30)}
    names = iter(contents)
    for _ in range(25):
        for name in itertools.islice(names, 2):
            world.drop(name, contents[name])
        kill_at_random([world], chance)
    with agent(world, "--once") as process:
        assert process.wait(40) == 0

    assert_all_done(world, contents)
    delivered = [without_repeats(operation) for operation in world.completed()]
    assert set(delivered) == set(contents.values())
    if lost_answer == "new_token":
        assert [operation.body for operation in world.completed()] == delivered
    else:
        assert len(delivered) == len(contents)


def test_two_agents_killed_at_random_on_one_drop_folder_deliver_each_file_once(world: World) -> None:
    (world.root / "other").mkdir()
    other = World(world.root / "other", world.server)
    for name in ("drop", "done", "failed"):
        other.settings["folders"][name] = str(world.path(name))
    world.server.always = lambda request, take: (pause(0.002), take(request))[1]
    contents = {f"agent_events_{number}.csv": f"{number},1\n{rows(50)}".encode() for number in range(16)}
    for name, content in contents.items():
        world.drop(name, content)
    chance = random.Random("two agents")
    for _ in range(4):
        kill_at_random([world, other], chance)
    with agent(world, "--once") as one, agent(other, "--once") as two:
        assert (one.wait(30), two.wait(30)) == (0, 0)

    assert_all_done(world, contents)
    assert sorted(row["name"] for row in world.history() + other.history()) == sorted(contents)
    assert sorted(map(without_repeats, world.completed())) == sorted(contents.values())


def test_a_server_that_accepts_and_never_answers_is_a_hold_and_does_not_keep_us(world: World) -> None:
    port = int(world.server.url.rpartition(":")[2])
    world.server.stop()
    world.settings["wfm"]["timeout"] = "500ms"
    contents = {f"agent_events_{number}.csv": rows(12).encode() for number in range(3)}
    for name, content in contents.items():
        world.drop(name, content)
    with socket.create_server(("127.0.0.1", port)), agent(world) as process:
        assert shown_as_held(world) == (world.server.token_url, "127.0.0.1 did not answer within 0.5 s")
        end(process)
    assert log_of(world).count("holding") == 1
    with Server(port=port) as good, agent(world, "--once") as process:
        assert process.wait(20) == 0
        assert [operation.body for operation in good.operations()] == list(contents.values())
    assert_all_done(world, contents)


@linux
@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_files_in_a_drop_folder_that_replaced_another_are_delivered(world: World, how: str) -> None:
    world.settings |= {"observe": "native", "rescan": "200ms"}
    drop, fresh = world.path("drop"), world.path("fresh")
    fresh.mkdir()
    with agent(world) as process:
        world.drop("agent_events_1.csv", rows(3))
        # Not before the agent is through with it: a work folder that goes with a file under way is a hold.
        until(lambda: "delivered to" in log_of(world))
        if how == "removed":
            shutil.rmtree(drop)
            until(lambda: "holding" in log_of(world))
        else:
            drop.rename(world.path("old"))
        fresh.rename(drop)
        until(lambda: how == "removed" or "watching anew" in log_of(world))
        world.drop("agent_events_2.csv", rows(4))
        until(lambda: len(world.files("done")) == 2)
        end(process)


@linux
def test_a_drop_folder_unmounted_during_an_upload_loses_nothing(world: World, mount: Mount) -> None:
    world.settings |= {"observe": "native", "rescan": "200ms"}
    drop, real = world.path("drop"), mount(world.path("real"))
    sh("mount", "--bind", real, drop)
    gate = gated(world)
    world.drop("agent_events_1.csv", rows(8))
    with agent(world) as process:
        assert gate.reached.wait(20)
        world.drop("agent_events_2.csv", rows(9))
        sh("umount", "-l", drop)
        until(lambda: "watching anew" in log_of(world))
        gate.open.set()
        until(lambda: "holding" in log_of(world))
        assert world.files("done") == world.files("failed") == {}
        before = log_of(world).count("watching anew")
        sh("mount", "--bind", real, drop)
        until(lambda: log_of(world).count("watching anew") > before)
        until(lambda: len(world.files("done")) == 2)
        end(process)
    assert sorted(operation.body for operation in world.completed()) == [rows(8).encode(), rows(9).encode()]


def whole_names(folder: Path) -> list[str]:
    """What lies in a folder, but for the half-written copy of a try that is under way."""
    return sorted(path.name for path in folder.iterdir() if not is_half_copied(path.name))


@linux
@pytest.mark.parametrize("looked", [True, False], ids=["a look between", "no look between"])
@pytest.mark.parametrize("same", [True, False], ids=["the same disk", "another disk"])
def test_events_come_from_a_drop_folder_that_was_mounted_again(
    mount: Mount, folder: Folder, same: bool, looked: bool
) -> None:
    real = mount(folder.path.with_name("real"))
    watcher = folder.watcher(events=True)
    for _ in range(2):
        # The device and inode of a new disk may well be those of the old one.
        sh("mount", "--bind", real, folder.path) if same else mount(folder.path)
        watcher.look()
        folder.woken.clear()
        folder.write("a.csv")
        assert folder.woken.wait(2), "no event came"
        sh("umount", "-l", folder.path)
        if looked:
            watcher.look()


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_done_folder_that_cannot_be_written_is_a_hold(world: World, mount: Mount, fault: str) -> None:
    disk = mount(world.path("disk"))
    done = disk / "done"
    done.mkdir()
    world.settings["folders"]["done"] = str(done)
    filler = fill(disk)
    sh("mount", "-o", "remount,ro" if fault == "read-only" else "remount,rw", disk)
    world.drop("agent_events.csv", rows(500))
    with agent(world) as process:
        target, reason = shown_as_held(world)
        assert (target, fault in reason) == (f"folder {done}", True)
        assert whole_names(done) == []
        assert [path.read_text() for path in world.work_files()] == [rows(500)]
        sh("mount", "-o", "remount,rw", disk)
        filler.unlink()
        until(lambda: world.history()[0]["state"] == "done")
        end(process)
    assert {path.name: path.read_text() for path in done.iterdir()} == {"agent_events.csv": rows(500)}
    assert len(world.server.operations()) == 1
    assert_one_hold(world)


@pytest.mark.parametrize("room", [0, 1], ids=["no room", "room for the file and not its report"])
def test_a_full_disk_under_failed_is_a_hold(world: World, mount: Mount, room: int) -> None:
    disk = mount(world.path("disk"))
    failed = disk / "failed"
    failed.mkdir()
    world.settings["folders"]["failed"] = str(failed)
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - room * PAGE)
    world.drop("agent_events.csv", 'a,"1\n')
    with agent(world) as process:
        assert shown_as_held(world) == (f"folder {failed}", "the disk is full")
        assert whole_names(failed) == ["agent_events.csv"] * room
        filler.unlink()
        until(lambda: world.history()[0]["state"] == "failed")
        end(process)
    assert {path.name for path in failed.iterdir()} == {"agent_events.csv", "agent_events.csv.error.txt"}
    assert b"what_to_do" in (failed / "agent_events.csv.error.txt").read_bytes()
    assert_one_hold(world)


@pytest.mark.parametrize(("room", "claimed"), [(0, False), (0, True), (1, False)])
def test_a_journal_on_a_full_disk_is_a_hold(world: World, mount: Mount, room: int, claimed: bool) -> None:
    disk = mount(world.path("disk"), "256k")
    state, gate = disk / "state", gated(world)
    world.settings["folders"]["state"] = str(state)
    with agent(world) as process:
        until((state / "live.json").exists)
        if claimed:
            world.drop("agent_events.csv", rows(50))
            assert gate.reached.wait(20)
        filler = fill(disk)
        world.drop("event_types.json" if claimed else "agent_events.csv", rows(50))
        gate.open.set()
        until(lambda: "holding" in log_of(world))
        pause(0.5)  # it wants to tell `status`, too
        os.truncate(filler, filler.stat().st_size - room * PAGE)
        target, reason = shown_as_held(world)
        assert (target, "full" in reason) == (f"folder {state}", True)
        assert len(world.files("drop")) + len(world.work_files()) == 1 + claimed
        assert world.files("done") == world.files("failed") == {}
        filler.unlink()
        until(lambda: "agent_events.csv" in world.files("done"))
        end(process)
    (operation,) = world.completed()
    assert operation.body == rows(50).encode()
    assert_one_hold(world)


def test_a_state_folder_that_is_read_only_at_the_start_is_a_hold(world: World, mount: Mount) -> None:
    state = mount(world.path("state"), "1m")
    sh("mount", "-o", "remount,ro", state)
    world.drop("agent_events.csv", rows(3))
    with agent(world) as process:
        until(lambda: f"holding folder {state}: the file system is read-only" in log_of(world))
        assert set(world.files("drop")) == {"agent_events.csv"}
        sh("mount", "-o", "remount,rw", state)
        until(lambda: world.files("done"))
        end(process)
    assert_one_hold(world)


def test_a_work_folder_on_another_disk_is_a_fault_in_check_and_a_hold(world: World, mount: Mount) -> None:
    work = mount(world.path("work"))
    world.settings["folders"]["work"] = str(work)
    world.drop("agent_events.csv", rows(3))
    checked = watcher(world, "check")
    (fault,) = [line for line in checked.stdout.splitlines() if line.startswith("FAULT")]
    assert (checked.returncode, "another file system" in fault) == (1, True)
    assert f"folders.work {work}" in fault
    with agent(world) as process:
        target, reason = shown_as_held(world)
        end(process)
    assert "another file system than the drop folder" in reason
    assert log_of(world).count("holding") == log_of(world).count("folders.work") == 1
    assert world.files("drop") == {"agent_events.csv": rows(3).encode()}
    assert str(work) in target + reason, "it blames the drop folder alone"
    assert list(work.glob("agent-*/*")) == [], "every try leaves a folder behind"


def test_a_state_disk_too_small_for_what_a_file_expands_to_holds_that_file_alone_and_loses_nothing(
    world: World, mount: Mount
) -> None:
    disk = mount(world.path("disk"), "1m")
    world.settings["folders"]["state"] = str(disk / "state")
    world.settings["upload"]["chunk_bytes"] = "1MB"
    text = rows(60_000)
    data = gzip.compress(text.encode())
    world.drop("agent_events.csv.gz", data)
    with agent(world) as process:
        target, reason = shown_as_held(world)
        assert target == "file agent_events.csv.gz"
        assert re.search(r"needs [\d,]+ bytes or more in .*, and [\d,]+ are free", reason)
        assert [path.read_bytes() for path in world.work_files()] == [data]
        world.drop("reason_codes.json", "[]")
        until(lambda: "reason_codes.json" in world.files("done"))
        sh("mount", "-o", "remount,size=8m", disk)
        until(lambda: "agent_events.csv.gz" in world.files("done"))
        end(process)
    assert text.encode() in [operation.body for operation in world.completed()]
    assert_one_hold(world)
