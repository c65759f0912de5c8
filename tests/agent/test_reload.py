"""SIGHUP to the real command: new settings take effect, wrong ones do not, and no upload is hurt."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import agent, gated, log_of, until
from tests.conftest import Server, World, answer, rows, works
from tests.forked import Forked
from tests.simulation import SimulatedWorkers, Simulation
from watcher.agent import build
from watcher.agent.agent import REPLACED, Agent
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.runs import Task
from watcher.agent.queue.claims import Claiming
from watcher.agent.start.opening import open_state
from watcher.disk.owner import Identity
from watcher.report.hold_history import HoldHistory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
TOLD = "the settings were read again"


def reload(process: Forked, world: World, words: str = TOLD) -> None:
    """Ask for a reload, and wait until the agent says `words` once more."""
    before = log_of(world).count(words)
    assert world.config.is_file()  # written anew
    process.send_signal(signal.SIGHUP)
    until(lambda: log_of(world).count(words) > before)


def end(process: Forked) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_new_route_takes_effect_without_a_restart(world: World) -> None:
    world.settings["unmatched"] = "ignore"
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        world.drop("queue_stats.csv", rows(2))
        world.settings["routes"].append(
            {"name": "stats", "match": "queue*.csv", "endpoint": "historical-data"}
        )
        reload(process, world)
        until(lambda: world.files("done"))
        end(process)

    assert log_of(world).count("watches") == 2
    (operation,) = world.completed()
    assert operation.body == rows(2).encode()


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda settings: settings["wfm"].update(tenantt="x"), "did you mean tenant?"),
    (lambda settings: settings["folders"].update(state="elsewhere"), "folders.state cannot be changed"),
    (lambda settings: settings["wfm"].update(ca_file="none.pem"), "none.pem"),
    (lambda settings: settings.update(log={"file": "none/x.log"}), "none/x.log"),
    (lambda settings: settings["folders"].update(done="failed-by-link"), "are the same folder"),
]


def test_wrong_settings_are_refused_and_the_old_ones_stay(world: World) -> None:
    world.path("none").write_text("no folder")
    world.path("failed-by-link").symlink_to("failed")
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        sound = copy.deepcopy(world.settings)
        for change, words in WRONG:
            change(world.settings)
            reload(process, world, "refused; the old ones stay in force")
            assert words in log_of(world).rpartition("refused;")[2]
            world.settings = copy.deepcopy(sound)
        world.drop("agent_events.csv", rows(2))
        until(lambda: world.files("done"))
        end(process)

    assert log_of(world).count("watches") == 1


@pytest.mark.parametrize("are_read", [True, False])
def test_settings_on_a_share_that_hangs_keep_the_agent_from_nothing(world: World, are_read: bool) -> None:
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        settings = world.config.read_text()
        file = world.root / "config.yaml"
        file.unlink()
        os.mkfifo(file)  # whoever opens it waits for somebody who writes
        process.send_signal(signal.SIGHUP)
        world.drop("agent_events.csv", rows(2))
        until(lambda: world.files("done"))
        if are_read:
            file.write_text(settings)
            until(lambda: TOLD in log_of(world))
        end(process)

    assert (TOLD in log_of(world)) == are_read


@pytest.mark.parametrize("new", ["the same", "refused"])
def test_a_log_file_that_was_moved_away_is_made_anew(world: World, new: str) -> None:
    """As logrotate does: it moves the file, and sends the signal."""
    world.settings["log"] = {"file": "agent.log.txt"}
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        world.path("agent.log.txt").rename(world.path("agent.log.1"))
        if new == "refused":
            world.settings["wfm"]["tenantt"] = "x"
        reload(process, world)
        world.drop("agent_events.csv", rows(2))
        until(lambda: world.files("done"))
        end(process)

    lines = world.path("agent.log.txt").read_text()
    assert TOLD in lines
    assert "agent_events.csv: delivered" in lines
    assert "delivered" not in world.path("agent.log.1").read_text()


def test_a_port_that_is_taken_when_the_settings_take_effect_gives_way_to_the_old_ones(world: World) -> None:
    pytest.importorskip("uvicorn", reason="the status page needs the extra `web`")
    with socket.create_server(("127.0.0.1", 0)) as other, agent(world) as process:
        until(lambda: "watches" in log_of(world))
        world.settings["status"] = {"listen": f"127.0.0.1:{other.getsockname()[1]}"}
        reload(process, world, "refused; the old ones stay in force")
        world.drop("agent_events.csv", rows(2))
        until(lambda: world.files("done"))
        end(process)

    assert "another program has this port" in log_of(world)


def test_an_upload_under_way_ends_under_its_old_settings_and_nothing_is_sent_twice(world: World) -> None:
    gate = gated(world, works)
    world.drop("agent_events.csv", rows(12))
    with agent(world) as process:
        assert gate.reached.wait(20)
        world.settings["upload"]["chunk_bytes"] = 1000
        world.settings["routes"][2]["acd_type"] = "avaya"
        reload(process, world)
        world.drop("agent_events_2.csv", rows(5))
        gate.open.set()
        until(lambda: len(world.files("done")) == 2)
        end(process)

    first, second = world.completed()
    assert (first.body, second.body) == (rows(12).encode(), rows(5).encode())
    assert (first.chunk_count, second.chunk_count) == (3, 1)
    kinds = [push["acdType"] for push in world.server.pushes()]
    assert kinds == ["genesis"] * 3 + ["avaya"]


def test_files_are_claimed_under_the_new_settings_while_an_upload_is_still_under_way(world: World) -> None:
    gate = gated(world)
    world.settings["unmatched"] = "ignore"
    world.drop("agent_events.csv", rows(2))
    with agent(world) as process:
        assert gate.reached.wait(20)
        world.settings["routes"].append(
            {"name": "stats", "match": "queue*.csv", "endpoint": "historical-data"}
        )
        reload(process, world)
        world.drop("queue_stats.csv", rows(3))
        until(lambda: set(world.files("done")) == {"queue_stats.csv"})
        gate.open.set()
        until(lambda: len(world.files("done")) == 2)
        end(process)

    assert len(world.server.operations()) == 2


@contextmanager
def simulated(here: Simulation, workers: SimulatedWorkers) -> Iterator[tuple[Agent, Engine]]:
    """An agent in simulated time, and its engine."""
    lock, journal = open_state(here.config.folders.state, None, lock="agent.lock", holder="another")
    with lock, closing(journal):
        world = build.World(
            workers=workers, clock=lambda: here.now, now=lambda: here.wall, client=lambda _config: here.wire
        )
        here.left = 1000.0
        holding = build.build_holding(world, world.stream, retry_cap=30)
        engine = build.build_engine(world, holding, world.stream, journal)
        made = build.build_agent(
            here.config, world, engine, holding, world.stream, journal, here.wire,
            history=HoldHistory(journal.timeline), identity=Identity.of_us(here.state), once_patience=None,
        )  # fmt: skip
        yield made, engine
        engine.stop()


def test_a_file_whose_claim_comes_back_when_the_agent_is_relieved_is_not_left_behind(tmp_path: Path) -> None:
    """The next agent takes over what is under way, and looks for nothing more where something is."""
    here = Simulation(tmp_path / "world")
    here.drop("agent_events.csv", rows(2).encode())
    dropped = here.root / "drop" / "agent_events.csv"
    with simulated(here, SimulatedWorkers(here.effects, here._sleep)) as (made, engine):
        code = made.run(told_to_stop=lambda: False, replaced=lambda: not dropped.exists())

        assert code == REPLACED
        assert [run.name for run in engine.runs.files] == ["agent_events.csv"]


class HungClaims(SimulatedWorkers):
    """The drop folder hangs as soon as a claim is tried, until it is let go."""

    hung: tuple[Task, Callable[[], object]] | None = None

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        if isinstance(ticket, Task) and isinstance(ticket.act, Claiming):
            self.hung = (ticket, work)
        else:
            super().do(ticket, work)

    def let_go(self) -> None:
        """It answers again."""
        assert self.hung is not None
        super().do(*self.hung)
        self.hung = None


def test_a_claim_that_hangs_delays_new_settings_and_nothing_else(tmp_path: Path) -> None:
    here = Simulation(tmp_path / "world")
    here.drop("agent_events.csv", rows(2).encode())
    workers, told = HungClaims(here.effects, here._sleep), set[str]()

    def replaced() -> bool:
        if workers.hung is not None and (here.state / "live.json").exists():
            status = json.loads((here.state / "live.json").read_text())
            told.update(held["reason"] for held in status["held"])
            if told:
                workers.let_go()
        return workers.hung is not None or (workers.acts > 0 and bool(told))

    with simulated(here, workers) as (made, engine):
        assert made.run(told_to_stop=lambda: False, replaced=replaced) == REPLACED
        assert [run.name for run in engine.runs.files] == ["agent_events.csv"]

    assert told == {"it has not answered for 60 s"}


def test_a_held_upload_goes_on_under_the_new_settings(world: World, server: Server) -> None:
    """The new settings may be the cure: they do not wait for the end of a hold."""
    server.always = answer(404)
    world.settings["upload"]["retry_cap"] = "1h"
    world.drop("agent_events.csv", rows(12))
    with agent(world) as process:
        until(lambda: "holding" in log_of(world))
        server.always = None
        world.settings["upload"]["retry_cap"] = "10ms"
        reload(process, world)
        until(lambda: world.files("done"))
        end(process)

    (operation,) = world.completed()
    assert operation.body == rows(12).encode()
    (row,) = world.history()
    assert row["state"] == "done"


def test_many_reloads_in_a_row_lose_nothing(world: World) -> None:
    names = [f"agent_events_{number}.csv" for number in range(12)]
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        for number, name in enumerate(names):
            world.drop(name, rows(12 + number))
            if number % 3 == 0:
                reload(process, world)
        until(lambda: len(world.files("done")) == len(names))
        end(process)

    bodies = sorted(len(operation.body) for operation in world.completed())
    assert bodies == [20 * (12 + number) for number in range(12)]
    assert len(world.server.operations()) == len(names)


def test_a_terminal_that_is_closed_ends_the_agent_as_before(world: World) -> None:
    master, slave = os.openpty()
    command = [sys.executable, "-m", "watcher", "run", "-c", str(world.config)]
    with (world.root / "agent.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=slave, stdout=subprocess.DEVNULL, stderr=log)
    try:
        os.close(slave)
        until(lambda: "watches" in log_of(world))
        os.close(master)  # hung up
        process.send_signal(signal.SIGHUP)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert TOLD not in log_of(world)
