"""Agents as processes that share a drop folder and a journal in PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import Take, World, rows
from tests.postgres import database, database_of_tests, postgres_server, served
from watcher.sandbox.server import Answer, Request

__all__ = ["database", "database_of_tests", "postgres_server"]
FILES = 50


def settings(world: World, url: str, agent: str) -> Path:
    """The settings of one agent: a state folder of its own, all else shared."""
    mine = world.settings | {
        "journal": url,
        "folders": world.settings["folders"] | {"state": f"state-{agent}"},
    }
    path = world.root / f"{agent}.yaml"
    path.write_text(yaml.safe_dump(mine), encoding="utf-8")
    path.chmod(0o600)
    return path


@contextmanager
def running(*configs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Agents with these settings; ended behind the block, whatever came of it."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for config in configs:
            processes.append(started(config))
        yield processes
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def started(config: Path) -> subprocess.Popen[bytes]:
    """An agent that was started with these settings; its log is beside them."""
    command = [sys.executable, "-m", "watcher", "run", "-c", str(config)]
    with config.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def told(command: str, config: Path) -> object:
    """What a command prints with --json."""
    arguments = [sys.executable, "-m", "watcher", command, "--json", "-c", str(config)]
    return json.loads(subprocess.run(arguments, capture_output=True, check=False).stdout)


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for other processes."""
    by = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < by
        time.sleep(0.05)


def each_delivered_once(world: World, config: Path, count: int) -> None:
    """Every file is in done, was sent under one push token, and has one row, which all agents see."""
    assert len(world.files("done")) == count
    assert not world.files("drop")
    assert not world.files("failed")
    lasts = Counter(push["pushToken"] for push in world.server.pushes() if push["lastChunk"] == "true")
    found = told("history", config)
    assert isinstance(found, list)
    assert [row["state"] for row in found] == ["done"] * count
    assert set(lasts) == {row["push_token"] for row in found}
    assert len(lasts) == count


def drop(world: World, begin: int, end: int) -> None:
    for number in range(begin, end):
        world.drop(f"agent_events_{number:03}.csv", rows(5) + f"last-{number},1\n")


def test_two_agents_share_a_folder_and_a_journal_that_names_both(world: World, database: str) -> None:
    one, two = settings(world, database, "one"), settings(world, database, "two")
    with running(one, two):
        eventually(lambda: len(agents_of(one)) == 2)
        drop(world, 0, FILES)
        eventually(lambda: len(world.files("done")) == FILES)
        eventually(lambda: not world.work_files())
        agents = agents_of(two)
        assert [agent["ended_at"] for agent in agents] == [None, None]
        assert len({agent["id"] for agent in agents}) == 2
    each_delivered_once(world, two, FILES)
    assert all(agent["ended_at"] for agent in agents_of(one))


def agents_of(config: Path) -> list[dict[str, object]]:
    """The agents that `watcher status` names."""
    found = told("status", config)
    assert isinstance(found, dict)
    listed: list[dict[str, object]] = found["agents"]
    return listed


def test_an_agent_holds_its_queue_while_the_database_is_away_and_loses_nothing(world: World) -> None:
    pytest.importorskip("psycopg")
    with served() as postgres:
        postgres.run("CREATE DATABASE journal")
        config = settings(world, postgres.url("journal"), "one")
        log = config.with_suffix(".log")
        with running(config):
            drop(world, 0, 20)
            eventually(lambda: len(world.files("done")) >= 3)
            postgres.stop()
            drop(world, 20, 30)
            eventually(lambda: b"the journal in PostgreSQL cannot be used" in log.read_bytes())
            found = told("status", config)
            assert isinstance(found, dict)
            assert found["running"]
            assert [hold["target"] for hold in found["held"]] == [f"folder {world.path('state-one')}"]
            postgres.start()
            eventually(lambda: len(world.files("done")) == 30)
            eventually(lambda: not world.work_files())
        each_delivered_once(world, config, 30)


def refuse_large(request: Request, take: Take) -> Answer | None:
    """A server that takes 20,000 bytes at a time."""
    return Answer(413, b"too large") if len(request.body) > 20_000 else take(request)


def test_what_one_agent_learned_of_the_servers_limit_another_one_need_not_learn_anew(
    world: World, database: str
) -> None:
    psycopg = pytest.importorskip("psycopg")
    world.settings["upload"]["chunk_bytes"] = 70_000
    world.server.always = refuse_large
    one, two = settings(world, database, "one"), settings(world, database, "two")
    with running(one) as [first]:
        world.drop("agent_events_1.csv", rows(9000))
        eventually(lambda: len(world.files("done")) == 1)
        refused = [seen.status for seen in world.server.requests()].count(413)
        assert refused == 2  # 70,000 bytes, and 35,000
        with psycopg.connect(database, autocommit=True) as connection:
            eventually(
                lambda: connection.execute("SELECT bytes FROM watcher.limits").fetchall() == [(17_500,)]
            )
        first.send_signal(signal.SIGSTOP)
        with running(two):
            world.drop("event_types_1.json", '{"types": []}')  # by then it has asked
            eventually(lambda: len(world.files("done")) == 2)
            world.drop("agent_events_2.csv", rows(9000))
            eventually(lambda: len(world.files("done")) == 3)
        first.send_signal(signal.SIGCONT)
    assert [seen.status for seen in world.server.requests()].count(413) == refused
