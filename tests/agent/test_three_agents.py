"""Three agents as processes, one share, one database, and everything that goes wrong between them.

`WATCHER_AGENT_FILES`, `WATCHER_AGENT_FAULTS` and `WATCHER_AGENTS` say how many files, faults and agents.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from tests.agent.test_several_agents import each_delivered_once, eventually, settings
from tests.agent.test_takeover import agent
from tests.conftest import World, rows
from tests.journal.test_postgres import Line
from tests.postgres import served

pytest.importorskip("psycopg")
FILES = int(os.environ.get("WATCHER_AGENT_FILES", "80"))
FAULTS = int(os.environ.get("WATCHER_AGENT_FAULTS", "5"))
AGENTS = int(os.environ.get("WATCHER_AGENTS", "3"))
LEASE_SECONDS = 2.0
pause = threading.Event().wait


def test_each_file_is_delivered_once_and_in_order_whatever_happens_to_agents_and_database(
    world: World,
) -> None:
    chance = random.Random(f"three agents, {FILES} files, {FAULTS} faults")
    world.settings |= {"lease": f"{LEASE_SECONDS:g}s"}
    world.settings["wfm"]["timeout"] = "1s"
    expected = drop(world)
    with ExitStack() as stack:
        postgres = stack.enter_context(served())
        postgres.run("CREATE DATABASE journal")
        line = stack.enter_context(closing(Line(str(postgres.folder))))
        url = postgres.url("journal")
        urls = [line.url(url), *(AGENTS - 1) * [url]]
        configs = [settings(world, url, f"agent-{number}") for number, url in enumerate(urls)]
        agents = [stack.enter_context(agent(config)) for config in configs]

        def kill() -> None:
            victim = chance.randrange(AGENTS)
            agents[victim].kill()
            agents[victim].wait()
            agents[victim] = stack.enter_context(agent(configs[victim]))

        def sleep() -> None:
            victim = chance.choice(agents)
            victim.send_signal(signal.SIGSTOP)
            pause(2 * LEASE_SECONDS)
            victim.send_signal(signal.SIGCONT)

        def cut_off() -> None:
            line.cut_off()
            pause(2 * LEASE_SECONDS)
            line.is_closed = False

        def database_dies() -> None:
            postgres.stop()
            pause(0.5)
            postgres.start()

        def answer_lost() -> None:
            line.cut = chance.choice(("before", "behind"))
            for _ in range(100):  # it may have nothing to commit for a while
                if line.is_closed:
                    break
                pause(0.05)
            line.cut, line.is_closed = "", False

        faults: list[Callable[[], None]] = [kill, sleep, cut_off, answer_lost, database_dies]
        for number in range(FAULTS):
            wanted = FILES * (number + 1) // (FAULTS + 2)
            eventually(lambda wanted=wanted: len(world.files("done")) >= wanted, 120)
            faults[number % len(faults)]()
        eventually(lambda: len(world.files("done")) == FILES, 240)
        eventually(lambda: not world.work_files())
        each_delivered_once(world, configs[1], FILES)
    assert order_of(world) == expected


def drop(world: World) -> list[str]:
    """Drop all files, one older than the next; returns what is in each, in the order of the API."""
    types = [f"types-{number}" for number in range(FILES // 10)]
    events = [f"events-{number}" for number in range(FILES - len(types))]
    for number, text in enumerate(types):
        world.drop(f"event_types_{number}.json", f'["{text}"]')
    for number, text in enumerate(events):
        world.drop(f"agent_events_{number}.csv", f"{text},1\n" + rows(6))
    for number, path in enumerate(
        sorted(world.path("drop").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    ):
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    return [*types, *events]


def order_of(world: World) -> list[str]:
    """What is in each operation, in the order in which the server got their first chunks; one at a time."""
    tokens = [push["pushToken"] for push in world.server.pushes()]
    one_by_one = [token for token, _ in itertools.groupby(tokens)]
    assert one_by_one == list(dict.fromkeys(tokens))
    first = [operation.chunks[0].decode() for operation in world.server.operations()]
    return [text.strip('["]').partition(",")[0].partition('"')[0] for text in first]
