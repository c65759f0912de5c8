"""A file that a disk refuses, or cannot read, is held alone and named; the others go on, and it follows."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import agent, gated, until, watcher
from tests.conftest import World, answer, rows
from tests.simulation import Simulation
from watcher.core.events import Event, HoldBegan
from watcher.core.route import matching_route
from watcher.core.target import Target
from watcher.disk import system
from watcher.disk.drop import Drop
from watcher.settings.config import load
from watcher.settings.presets import build_routes

NAME, OTHER = "agent_events_1.csv", "reason_codes.json"
LONG = "agent_events_" + "x" * 230 + ".csv"
READ = (errno.EIO, os.strerror(errno.EIO))

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a path may be of any length there")


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder so deep that a path in it may end with a short name, and with no long one (PATH_MAX)."""
    room = os.pathconf("/", "PC_PATH_MAX") - 1 - len(os.fsencode(tmp_path)) - 140
    parts = [*["d" * 199] * (room // 200), "e" * (room % 200)]
    path = tmp_path.joinpath(*filter(None, parts))
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(tmp_path / parts[0])


def held(lines: list[str]) -> list[str]:
    return [line for line in lines if "holding" in line]


def test_a_name_that_the_done_folder_refuses_holds_that_file_alone(
    world: World, lines: list[str], deep: Path
) -> None:
    world.settings["folders"]["done"] = str(deep)
    world.drop(LONG, rows(2))
    world.drop(NAME, rows(3))
    world.drop("agent_events_2.csv", rows(4))

    assert world.run_once(patience=3) == 4

    assert sorted(path.name for path in deep.iterdir()) == [NAME, "agent_events_2.csv"]
    assert [path.name for path in world.work_files()] == [LONG]
    (told,) = held(lines)
    assert f"file {LONG}" in told
    assert "File name too long" in told
    assert "another disk" in told
    world.settings["folders"]["done"] = "done"
    assert world.run_once() == 0
    assert set(world.files("done")) == {LONG}


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of claimed files that the disk cannot read."""
    opened, names = os.open, set[str]()

    def failing(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if Path(path).name in names and ".uploading" in str(path) and not flags & os.O_WRONLY:
            raise OSError(*READ)
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", failing)
    return names


def test_a_file_that_cannot_be_read_holds_no_other_route_and_follows_when_it_can(
    world: World, lines: list[str], unreadable: set[str]
) -> None:
    unreadable.add(NAME)
    world.drop(NAME, rows(3))
    world.drop("agent_events_2.csv", rows(4))
    world.drop("event_types.json", "[]")

    assert world.run_once(patience=2) == 4

    assert "event_types.json" in world.files("done")
    (told,) = held(lines)
    assert f"file {NAME}" in told
    assert "Input/output error" in told
    assert NAME not in world.files("failed")
    unreadable.clear()
    assert world.run_once() == 0
    assert {NAME, "agent_events_2.csv"} <= set(world.files("done"))


def test_a_file_that_cannot_be_moved_out_of_the_drop_folder_waits_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def failing(source: Any, target: Any) -> None:
        if Path(source).name == NAME:
            raise OSError(*READ)
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    world.drop(NAME, rows(3))
    world.drop("agent_events_2.csv", rows(4))

    world.run_once(patience=2)

    assert set(world.files("done")) == {"agent_events_2.csv"}
    assert set(world.files("drop")) == {NAME}


def test_a_file_that_cannot_even_be_looked_at_waits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Drop._look

    def failing(self: Drop, entry: os.DirEntry[str]) -> object:
        if entry.name == "a.csv":
            raise OSError(*READ)
        return look(self, entry)

    monkeypatch.setattr(Drop, "_look", failing)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("1\n")

    found = {item.name: item.busy for item in Drop(tmp_path, (), network=False).scan()}

    assert found == {"a.csv": "cannot be looked at: Input/output error", "b.csv": ""}


def test_where_times_may_not_be_set_the_file_is_moved_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def no_times(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    link = system.rename_new
    monkeypatch.setattr(
        system,
        "rename_new",
        lambda source, *args, **kwargs: (no_links if ".uploading" in str(source) else link)(
            source, *args, **kwargs
        ),
    )
    monkeypatch.setattr(os, "utime", no_times)
    world.drop(NAME, rows(3))

    assert world.run_once() == 0

    assert world.files("done") == {NAME: rows(3).encode()}


def test_a_file_in_the_work_folder_that_cannot_be_put_back_keeps_nobody_from_starting(
    world: World, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.server.always = answer(503)
    world.drop(NAME, rows(3))
    assert world.run_once(patience=0.1) == 4
    world.server.always = None
    (claimed,) = world.work_files()
    lost = claimed.parents[1] / "unknown" / "lost.csv"
    lost.parent.mkdir()
    lost.write_text(rows(1))
    rename = system.rename_new

    def failing(source: Path, target: Path) -> None:
        if source.name == lost.name:
            raise OSError(*READ)
        rename(source, target)

    monkeypatch.setattr(system, "rename_new", failing)

    assert world.run_once() == 0

    assert set(world.files("done")) == {NAME}
    assert any(str(lost) in line and "Input/output error" in line for line in lines)


def test_in_the_simulation_a_fault_of_one_name_never_holds_a_folder(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    targets: list[Target] = []

    def hear(event: Event) -> None:
        if isinstance(event, HoldBegan):
            targets.append(event.target)

    def refused(effect: str, path: str) -> OSError | None:
        refuses = effect in ("rename_new", "link") and NAME in path and world.now < 1100
        return OSError(errno.EINVAL, os.strerror(errno.EINVAL), path) if refuses else None

    world.on_event = hear
    world.effects.fault = refused
    world.drop(NAME, rows(3).encode())
    world.drop(OTHER, b"[]")

    assert world.run() == 0

    assert [(target.kind, target.name) for target in targets] == [("file", NAME)]
    world.check_quiet(resends=0)


LONG_NAME = "q" * 240 + "_end.csv"


def failed_and_dropped_again(world: World, **matching: str) -> None:
    """One route; a failed file with a long name, and another one of that name in drop."""
    (*_, events) = world.settings["routes"]
    world.settings["routes"] = [{key: value for key, value in events.items() if key != "match"} | matching]
    world.drop(LONG_NAME, b'"no end\n')
    assert world.run_once() == 1
    world.drop(LONG_NAME, rows(2))


def test_a_long_name_that_is_taken_keeps_what_its_route_needs_on_its_way_back(world: World) -> None:
    failed_and_dropped_again(world, match="*_end.csv")

    assert watcher(world, "retry", "--all").returncode == 0

    (back,) = set(world.files("drop")) - {LONG_NAME}
    assert matching_route(back, build_routes(load(world.config, {})[0])) is not None
    assert world.run_once() == 1
    assert list(world.files("done")) == [LONG_NAME]
    (reason,) = {row["reason"] for row in world.history() if row["state"] == "failed"}
    assert "no route" not in reason


def test_a_failed_file_whose_route_needs_all_of_its_name_stays_while_that_is_taken(world: World) -> None:
    failed_and_dropped_again(world, regex="q{240}_end[.]csv")
    failed = world.files("failed")

    found = watcher(world, "retry", "--all")

    assert found.returncode == 1
    assert "its name is taken in the drop folder" in found.stdout
    assert "move the other file of that name on" in found.stdout
    assert (set(world.files("drop")), world.files("failed")) == ({LONG_NAME}, failed)
    assert world.run_once() == 0
    assert watcher(world, "retry", "--all").returncode == 0
    assert set(world.files("drop")) == {LONG_NAME}


def test_a_file_of_nobody_in_the_work_folder_keeps_its_route_on_its_way_back(
    world: World, lines: list[str]
) -> None:
    failed_and_dropped_again(world, match="*_end.csv")
    world.server.always = answer(503)
    assert world.run_once(patience=0.1) == 4
    (claimed,) = world.work_files()
    lost = claimed.parents[1] / "unknown" / LONG_NAME
    lost.parent.mkdir()
    lost.write_text(rows(3))
    world.drop(LONG_NAME, rows(4))
    world.server.always = None

    assert world.run_once() == 0

    assert sorted(len(content) for content in world.files("done").values()) == [40, 60, 80]
    assert any("unknown to the journal; back at" in line for line in lines)


def test_a_changed_file_waits_until_its_name_is_free_where_its_route_needs_all_of_it(
    world: World,
) -> None:
    """It is no file without a route then: the other one of its name goes on, and so does it."""
    failed_and_dropped_again(world, regex="q{240}_end[.]csv")
    world.drop(LONG_NAME, rows(12))
    gate = gated(world)
    with agent(world) as process:
        assert gate.reached.wait(20)
        (claimed,) = world.work_files()
        world.drop(LONG_NAME, rows(4))
        with claimed.open("a") as growing:
            growing.write(rows(1))
        gate.open.set()
        until(lambda: len(world.files("done")) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert sorted(len(content) for content in world.files("done").values()) == [80, 260]
