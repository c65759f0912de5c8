"""Several agents, one database: files a second, and what a file asks of the database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Figure, ratio
from tests.bench.world import PATIENCE_SECONDS, Broken, World
from tests.postgres import Server, programs

PARALLEL = 8  # files of the route at a time, over all agents
_pause = threading.Event().wait


@contextmanager
def database() -> Iterator[Server | None]:
    """A server that commits as one in use does; None where PostgreSQL is not installed."""
    bin = programs()
    if bin is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="watcher-bench-") as folder:
        server = Server(Path(folder), bin, durable=True)
        try:
            yield server
        finally:
            server.stop()


def measured(here: World, server: Server, names: list[str], runs: int) -> list[Figure]:
    """Small files that several agents share, against one agent with its journal in the state folder."""
    rate: dict[int, list[float]] = {0: [], 1: [], 2: [], 4: []}
    asked: list[float] = []
    for run in range(runs):
        for count, rates in rate.items():
            name = f"bench_{run}_{count}"
            server.run(f"CREATE DATABASE {name}")
            url = server.url(name) if count else None
            rates.append(len(names) / _carried(here, names, url, max(count, 1)))
            here.count()
            if count == 1:
                asked.append(_transactions(server, name) / len(names))
            here.put_back()
    each = {count: f"{count} agent{'s' if count > 1 else ''} with PostgreSQL" for count in (1, 2, 4)}
    return [
        Figure(f"one agent, {len(names):,} files, {PARALLEL} at a time, SQLite", "files/s", tuple(rate[0])),
        *(Figure(what, "files/s", tuple(rate[count])) for count, what in each.items()),
        *(ratio(f"{what} against SQLite", rate[count], rate[0]) for count, what in each.items()),
        Figure("transactions of a file, with one agent", "a file", tuple(asked)),
    ]


def idle_transactions(here: World, server: Server, seconds: float) -> Figure:
    """What an agent with nothing to do asks of the database."""
    server.run("CREATE DATABASE idle")
    with _agents(here, server.url("idle"), 1):
        before = time.monotonic()
        _pause(seconds)
        lasted = time.monotonic() - before
    return Figure(
        "transactions of an agent without files", "a second", (_transactions(server, "idle") / lasted,)
    )


def _carried(here: World, names: list[str], url: str | None, count: int) -> float:
    """Return the seconds from the drop of these files to the last one in done."""
    with _agents(here, url, count):
        began = time.monotonic()
        for name in names:
            (here.root / "stock" / name).rename(here.root / "drop" / name)
        while len(list((here.root / "done").iterdir())) < len(names):
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise Broken(f"{count} agents did not deliver {len(names)} files")
            _pause(0.005)
        return time.monotonic() - began


@contextmanager
def _agents(here: World, url: str | None, count: int) -> Iterator[None]:
    """So many agents, each over its first look."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            config = json.loads(here.config(route={"parallel": PARALLEL}).read_text())
            state = here.root / f"state-{number}-{url is not None}-{time.monotonic_ns()}"
            state.mkdir()
            config["folders"]["state"] = str(state)
            path = here.root / f"agent-{number}.yaml"
            path.write_text(json.dumps(config | ({"journal": url} if url else {})))
            path.chmod(0o600)
            command = [sys.executable, "-m", "watcher", "run", "-c", str(path)]
            started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            while not (state / "live.json").exists():
                if started[-1].poll() is not None:
                    raise Broken("an agent ended")
                _pause(0.005)
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(60)


def _transactions(server: Server, name: str) -> int:
    """How many there were, now that nobody is connected any more."""
    return int(server.run(f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'"))
