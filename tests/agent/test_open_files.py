"""Files of other users, which the kernel tells us nothing about: events do, and where they cannot, time."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import watchdog.observers  # noqa: F401  # the agent's user may not read where it is installed

from watcher.agent.queue.drop_watcher import DropWatcher
from watcher.agent.queue.kept import Kept
from watcher.agent.queue.openings import Openings
from watcher.core.model import Route
from watcher.core.route import compiled_glob
from watcher.core.settle import EMPTY_PATIENCE, OPEN_FOR_WRITING, Ready, Wait
from watcher.disk.drop import Drop
from watcher.disk.leases import trial
from watcher.report.stream import Stream

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="leases and inotify are Linux"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="it takes two users"),
]
QUIET, UNSURE, EVER = 2.0, 30.0, 1e6
LONG = 60.0  # seconds of real time to wait for what must happen
SOMEBODY = 4001  # the user whose agent it is
QUIETER = Wait("still, but nothing tells whether a program has it open", 1000.0 + UNSURE)


class Agent:
    """Watches a drop folder as an ordinary user, by a clock that the tests move; root's are the files."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path, self.now, self.woken = path, 1000.0, threading.Event()
        marker = options.pop("marker", None)
        if options.pop("shared", False):
            options["openings"] = Openings(path, shared=True)
        route = Route("events", (compiled_glob("*.csv"),), "http://h/", "text/csv", "csv", marker=marker)
        settings = {"quiet": QUIET, "unsure": UNSURE, "events": True} | options
        self.watcher = DropWatcher(
            Drop(path, ["*.part"], network=False), [route], rescan=30.0, ignore_unmatched=False,
            wake=self.woken.set, stream=Stream(), clock=lambda: self.now, **settings,
        )  # fmt: skip

    def verdict(self, after: float = 0.0) -> Ready | Wait:
        """What it says of the one file, so many seconds later."""
        self.now += after
        with somebody():
            (file,) = self.watcher.look().waiting
        return file.verdict


@contextmanager
def somebody() -> Iterator[None]:
    """Be the agent's user for a moment."""
    os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def drop() -> Iterator[Path]:
    """A folder that everybody reaches."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def agent(drop: Path) -> Iterator[Agent]:
    made = Agent(drop)
    with somebody():
        made.watcher.look()
    yield made
    made.watcher.stop()


@contextmanager
def agent_of(drop: Path, **options: Any) -> Iterator[Agent]:
    made = Agent(drop, **options)
    try:
        yield made
    finally:
        made.watcher.stop()


def test_the_kernel_tells_us_nothing_of_another_users_file(drop: Path) -> None:
    (drop / "a.csv").write_bytes(b"a,1\n")

    with somebody():
        assert not trial(drop / "a.csv").told


def test_a_file_that_another_user_has_open_waits_for_its_end_however_long_it_is_still(agent: Agent) -> None:
    with (agent.path / "a.csv").open("wb", buffering=0) as file:
        file.write(b"a,1\n")
        assert agent.woken.wait(LONG)  # for its creation: the next time is for its end
        assert agent.verdict() == Wait("still being written", 1000.0 + QUIET)
        assert agent.verdict(EVER) == Wait(OPEN_FOR_WRITING)
        assert agent.watcher.openings.is_open("a.csv")
        agent.woken.clear()
    assert agent.woken.wait(LONG)

    assert agent.verdict() == Ready()
    assert not agent.watcher.openings.is_open("a.csv")


def test_a_file_that_another_user_closed_waits_no_longer_than_our_own(agent: Agent) -> None:
    (agent.path / "a.csv").write_bytes(b"a,1\n")

    agent.verdict()
    assert agent.verdict(QUIET) == Ready()


def test_an_empty_file_that_is_open_is_not_taken_for_one_that_is_empty(agent: Agent) -> None:
    with (agent.path / "a.csv").open("wb"):
        agent.verdict()
        assert agent.verdict(QUIET * EMPTY_PATIENCE) == Wait(OPEN_FOR_WRITING)
    assert agent.verdict() == Ready()


def test_a_file_that_gets_its_name_while_it_is_written_is_open_under_that_name(agent: Agent) -> None:
    part = agent.path / "a.csv.part"
    with part.open("wb", buffering=0) as file:
        file.write(b"a,1\n")
        part.rename(agent.path / "a.csv")
        agent.verdict()
        assert agent.verdict(EVER) == Wait(OPEN_FOR_WRITING)
    assert agent.verdict() == Ready()


def test_a_file_from_before_the_start_is_still_for_longer_unless_it_is_our_own(drop: Path) -> None:
    path = drop / "a.csv"
    path.write_bytes(b"a,1\n")
    with agent_of(drop) as agent:
        agent.verdict()
        assert agent.verdict(QUIET) == QUIETER
        assert agent.verdict(UNSURE - QUIET) == Ready()

    os.chown(path, SOMEBODY, -1)
    with agent_of(drop) as agent:
        agent.verdict()
        assert agent.verdict(QUIET) == Ready()


def test_a_file_from_before_the_start_that_is_written_on_is_open(drop: Path) -> None:
    with (drop / "a.csv").open("wb", buffering=0) as file, agent_of(drop) as agent:
        agent.verdict()
        file.write(b"b,2\n")
        agent.verdict()
        assert agent.verdict(EVER) == Wait(OPEN_FOR_WRITING)


def test_the_next_agent_of_the_process_knows_who_has_a_file_open(drop: Path) -> None:
    """Settings are read anew: nobody tells once more that a program has opened it."""
    kept = Kept()
    first = Agent(drop, openings=kept.openings_of(drop, shared=False))
    with somebody():
        first.watcher.look()
    with (drop / "a.csv").open("wb", buffering=0) as file:
        file.write(b"a,1\n")
        first.verdict()
        first.watcher.stop(for_good=False)

        with agent_of(drop, openings=kept.openings_of(drop, shared=False)) as second:
            second.verdict()
            assert second.verdict(EVER) == Wait(OPEN_FOR_WRITING)


def test_a_file_whose_marker_came_is_whole(drop: Path) -> None:
    (drop / "a.csv").write_bytes(b"a,1\n")
    with agent_of(drop, marker="{name}.ok") as agent:
        agent.verdict()
        assert agent.verdict(QUIET) == Wait("waits for its marker a.csv.ok")
        (drop / "a.csv.ok").touch()
        assert agent.verdict() == Ready()


@pytest.mark.parametrize("how", [{"shared": True}, {"events": False}], ids=["a share", "looks alone"])
def test_where_nothing_tells_every_file_of_others_is_still_for_longer(
    drop: Path, how: dict[str, bool]
) -> None:
    with agent_of(drop, **how) as agent:
        with somebody():
            agent.watcher.look()
        (drop / "a.csv").write_bytes(b"a,1\n")

        agent.verdict()
        assert agent.verdict(QUIET) == QUIETER
        assert agent.verdict(UNSURE - QUIET) == Ready()


def test_on_a_share_not_even_our_own_file_is_known_to_be_closed_by_others(drop: Path) -> None:
    (drop / "a.csv").write_bytes(b"a,1\n")
    os.chown(drop / "a.csv", SOMEBODY, -1)
    with agent_of(drop, shared=True) as agent:
        agent.verdict()
        assert agent.verdict(QUIET) == QUIETER


def test_what_is_known_outlives_the_mount_of_something_else(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    (agent.path / "a.csv").write_bytes(b"a,1\n")
    agent.verdict()
    hints = agent.watcher._hints
    assert hints is not None
    monkeypatch.setattr(hints._mounts, "changed", lambda: True)

    assert agent.verdict(QUIET) == Ready()
    assert agent.watcher._hints is not hints
