"""The rows of the table: each measures the agent and its contenders in turn, beside what is the goal."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import agents, contenders
from tests.bench.backlog import commit_seconds, fill_journal
from tests.bench.data import COLUMNS, csv_file, export_file, small_files
from tests.bench.figures import Figure, ratio
from tests.bench.world import Broken, World

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything. The default is for people, `SMALL` for the CI, `FULL` for an evening."""

    folder: Path
    runs: int = 5
    large_mb: int = 512
    checked_mb: int = 64
    files: int = 3_000
    curls: int = 100
    memory_mb: int = 1_000
    backlog: int = 100_000
    taken: int = 100  # of a backlog
    rows: int = 1_000_000
    filed: int = 10_000
    idle_files: int = 5_000
    idle_seconds: float = 30.0
    drops: int = 25


SMALL = {
    "runs": 1, "large_mb": 4, "checked_mb": 1, "files": 10, "curls": 5, "memory_mb": 2, "backlog": 50,
    "taken": 5, "rows": 200, "filed": 10, "idle_files": 20, "idle_seconds": 0.1, "drops": 1,
}  # fmt: skip
FULL = {"files": 10_000, "curls": 1_000, "taken": 1_000, "memory_mb": 4_000, "idle_seconds": 600.0}


@contextmanager
def world(scale: Scale, name: str = "world", **options: Any) -> Iterator[World]:
    """A world that is gone afterwards but for its files, which go with the temporary folder."""
    made = World(scale.folder / name, **options)
    try:
        yield made
    finally:
        made.close()


def large(scale: Scale) -> list[Figure]:
    """One large CSV file with quotes in every record."""
    took: dict[str, list[float]] = {"agent": [], "httpx": [], "parts": [], "kept": []}
    with world(scale) as here:
        file = here.root / "stock" / "large.csv"
        size = csv_file(file, scale.large_mb * MB, quote='"')
        with here.agent() as agent:
            for _ in range(scale.runs):
                began = agent.drop(file.name)
                took["agent"].append(agent.delivered(1) - began)
                here.expect(size=size, commits=1)
                here.put_back()
                for name, send in (
                    ("httpx", contenders.httpx_loop),
                    ("parts", contenders.curl_by_parts),
                    ("kept", contenders.curl_kept_alive),
                ):
                    took[name].append(send(here, file))
                    here.expect(size=size, commits=1)
    speed = {name: tuple(size / MB / seconds for seconds in times) for name, times in took.items()}
    return [
        Figure("the agent", "MB/s", speed["agent"]),
        Figure("a bare httpx loop", "MB/s", speed["httpx"]),
        Figure("split, one curl per part (documented)", "MB/s", speed["parts"]),
        Figure("split, one curl, kept alive", "MB/s", speed["kept"]),
        ratio("the agent against the httpx loop", speed["agent"], speed["httpx"], goal=0.6),
        ratio("the agent against the documented way", speed["agent"], speed["parts"], goal=8),
        ratio("the agent against one curl, kept alive", speed["agent"], speed["kept"]),
    ]


RULES = [
    {"name": "timestamp", "is": "utc_time", "required": True},
    {"name": "agent", "is": "text", "required": True},
    {"name": "event", "one_of": ["READY", "AWAY"]},
    {"name": "queue", "pattern": "[a-z]+ [a-z]+ [0-9]+"},
    {"name": "duration", "is": "integer"},
]


def checked(scale: Scale) -> list[Figure]:
    """The same with column rules on every record, and transcoded. By CPU seconds: of one core."""
    forms: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        "names of columns alone": ({"columns": list(COLUMNS)}, {}),
        "a rule for each column": ({"columns": RULES}, {}),
        "cp1252 with semicolons": (
            {"encoding": "cp1252", "delimiter": ";"},
            {"encoding": "cp1252", "delimiter": ";", "agent": "Jürgen"},
        ),
    }
    speed: dict[str, list[float]] = {"reader": [], "writer": []} | {name: [] for name in forms}
    with world(scale) as here:
        for _ in range(scale.runs):
            for name, (route, form) in forms.items():
                file = here.root / "stock" / "checked.csv"
                size = csv_file(file, scale.checked_mb * MB, **form)
                speed[name].append(size / MB / _cpu_seconds(here, file.name, route))
            size = csv_file(file, scale.checked_mb * MB)
            for name in ("reader", "writer"):
                speed[name].append(size / MB / contenders.csv_module(file, writing=name == "writer"))
    return [
        *(Figure(f"the agent, {name}", "MB/s", tuple(speed[name]), goal=60) for name in forms),
        Figure("the csv module alone, reader", "MB/s", tuple(speed["reader"])),
        Figure("the csv module alone, reader and writer", "MB/s", tuple(speed["writer"])),
        ratio("a rule for each column against the reader", speed["a rule for each column"], speed["reader"]),
    ]


def _cpu_seconds(here: World, name: str, route: dict[str, object]) -> float:
    """Return how much of one core the agent needs for a file, from the rename to done."""
    with here.agent(route=route) as agent:
        before = agent.cpu_seconds
        agent.drop(name)
        agent.delivered(1)
        seconds = max(agent.cpu_seconds - before, 0.01)
    if here.count()["commits"] != 1:
        raise Broken(name)
    here.put_back()
    return seconds


SHAPED = {
    "header": "drop",
    "lines": {"header": "^\"?Agent\"?,", "footer": "^Total"},
    "others": "drop",
    "columns": [
        {"name": "timestamp", "from": "Time", "time": "%d/%m/%Y %H:%M:%S", "timezone": "Europe/Prague"},
        {"name": "agent", "from": "Agent"},
        {"name": "acd", "value": "genesis"},
        {"name": "event", "from": "State", "map": {"Ready": "READY", "Not Ready": "AWAY"}},
        {"name": "duration", "from": "Duration", "duration": "H:MM:SS"},
    ],
}  # fmt: skip


def shaped(scale: Scale) -> list[Figure]:
    """An export that is brought into the API's shape. By CPU seconds: of one core."""
    speed: dict[str, list[float]] = {"agent": [], "quoted": [], "writer": [], "written": []}
    with world(scale) as here:
        file = here.root / "stock" / "shaped.csv"
        for _ in range(scale.runs):
            for name, beside, quote in (("agent", "writer", ""), ("quoted", "written", '"')):
                size = export_file(file, scale.checked_mb * MB, quote=quote)
                speed[name].append(size / MB / _cpu_seconds(here, file.name, SHAPED))
                speed[beside].append(size / MB / contenders.csv_module(file, writing=True))
    return [
        Figure("the agent", "MB/s", tuple(speed["agent"])),
        Figure("the agent, every field in quotes", "MB/s", tuple(speed["quoted"])),
        Figure("the csv module alone, reader and writer", "MB/s", tuple(speed["writer"])),
        ratio("the agent against the csv module", speed["agent"], speed["writer"], goal=0.7),
        ratio("the same, every field in quotes", speed["quoted"], speed["written"]),
    ]


def many(scale: Scale) -> list[Figure]:
    """Small files that wait at the start."""
    rate: dict[str, list[float]] = {"agent": [], "each": [], "all": [], "httpx": []}
    commit: list[float] = []
    with world(scale) as here:
        names, size = small_files(here.root / "stock", scale.files)
        few = [here.root / "stock" / name for name in names[: scale.curls]]
        for _ in range(scale.runs):
            rate["each"].append(len(few) / contenders.curl_for_each(here, few))
            here.expect(size=size // len(names) * len(few), commits=len(few))
            rate["all"].append(len(few) / contenders.curl_for_all(here, few))
            here.expect(size=size // len(names) * len(few), commits=len(few))
            rate["httpx"].append(len(few) / contenders.httpx_loop(here, *few))
            here.expect(size=size // len(names) * len(few), commits=len(few))
            rate["agent"].append(_carried(here, names))
            commit.append(commit_seconds(here.root) * 1e3)
            here.expect(size=size, commits=len(names))
            here.put_back()
    return [
        Figure(f"the agent, {scale.files:,} files, from its start", "files/s", tuple(rate["agent"])),
        Figure("one curl for each", "files/s", tuple(rate["each"])),
        Figure("one curl for all", "files/s", tuple(rate["all"])),
        Figure("a bare httpx loop", "files/s", tuple(rate["httpx"])),
        ratio("the agent against one curl for each", rate["agent"], rate["each"], goal=3),
        ratio("the agent against the httpx loop", rate["agent"], rate["httpx"], goal=0.35),
        Figure(
            "one commit of the journal on this disk; a small file shares one with the next",
            "ms",
            tuple(commit),
        ),
    ]


def _carried(here: World, names: list[str], **settings: Any) -> float:
    """Start the agent with these files waiting; returns files a second, its start included."""
    for name in names:
        (here.root / "stock" / name).rename(here.root / "drop" / name)
    with here.agent(**settings) as agent:
        return len(names) / (agent.delivered(len(names)) - agent.began)


def memory(scale: Scale) -> list[Figure]:
    """The peak of memory, for a small file and a huge one; a new agent for each."""
    peak: dict[int, list[float]] = {1: [], scale.memory_mb: []}
    with world(scale) as here:
        for megabytes in peak:
            csv_file(here.root / "stock" / f"{megabytes}.csv", megabytes * MB)
        for _ in range(scale.runs):
            for megabytes, peaks in peak.items():
                with here.agent() as agent:
                    agent.drop(f"{megabytes}.csv")
                    agent.delivered(1)
                    peaks.append(agent.memory_mb())
                here.put_back()
    small, huge = peak[1], peak[scale.memory_mb]
    return [
        Figure("peak, 1 MB file", "MB", tuple(small), goal=70, at_least=False),
        Figure(f"peak, {scale.memory_mb:,} MB file", "MB", tuple(huge), goal=70, at_least=False),
        ratio("the huge file against the small one", huge, small, goal=1.05, at_least=False),
    ]


def backlog(scale: Scale) -> list[Figure]:
    """A drop folder with very many files against one with 1,000."""
    few = min(1_000, scale.backlog // 2)
    cost: dict[int, list[float]] = {few: [], scale.backlog: []}
    work: dict[int, list[float]] = {few: [], scale.backlog: []}
    first: list[float] = []
    with world(scale, "few") as small, world(scale, "lots") as big:
        for here, number in ((small, few), (big, scale.backlog)):
            small_files(here.root / "drop", number)
        for _ in range(scale.runs):
            for here, number in ((small, few), (big, scale.backlog)):
                here.count()
                with here.agent() as agent:
                    # The agent before this one had claimed some: they go first, and need no look.
                    begun = agent.delivered(min(40, few // 2))
                    cpu = agent.cpu_seconds
                    cost[number].append((agent.delivered(scale.taken) - begun) / scale.taken * 1e3)
                    work[number].append((agent.cpu_seconds - cpu) / scale.taken * 1e3)
                    if here is big:
                        first.append(here.count()["first_at"] - agent.began)
                for path in (here.root / "done").iterdir():
                    path.rename(here.root / "drop" / path.name)
    return [
        Figure(f"{few:,} files: cost of one", "ms", tuple(cost[few])),
        Figure(f"{scale.backlog:,} files: cost of one", "ms", tuple(cost[scale.backlog])),
        Figure(f"{few:,} files: CPU for one", "ms", tuple(work[few])),
        Figure(f"{scale.backlog:,} files: CPU for one", "ms", tuple(work[scale.backlog])),
        ratio("cost against few files", cost[scale.backlog], cost[few], goal=1.2, at_least=False),
        Figure("first upload after the start of the agent", "s", tuple(first), goal=3, at_least=False),
    ]


def history(scale: Scale) -> list[Figure]:
    """A journal of very many rows, and full folders, against empty ones."""
    rate: dict[str, list[float]] = {"new": [], "old": []}
    with world(scale, "new") as new, world(scale, "old") as old:
        with old.agent():
            pass  # makes the journal
        fill_journal(old.root, rows=scale.rows, filed=scale.filed)
        names, _size = small_files(new.root / "stock", scale.taken)
        small_files(old.root / "stock", scale.taken)
        for _ in range(scale.runs):
            for key, here in (("new", new), ("old", old)):
                rate[key].append(_carried(here, names))
                for name in names:
                    (here.root / "done" / name).rename(here.root / "stock" / name)
    return [
        Figure("with none, the start included", "files/s", tuple(rate["new"])),
        Figure(f"{scale.rows:,} rows, {scale.filed:,} files in each folder", "files/s", tuple(rate["old"])),
        ratio("speed against none", rate["old"], rate["new"], goal=0.95),
    ]


def idle(scale: Scale) -> list[Figure]:
    """Files wait that may not go: their marker is missing."""
    with world(scale) as here:
        small_files(here.root / "drop", scale.idle_files)
        with here.agent(route={"marker": ".ok"}) as agent:
            threading.Event().wait(min(2.0, scale.idle_seconds))
            cpu, memory_before = agent.cpu_seconds, agent.memory_mb("VmRSS")
            began = time.monotonic()
            threading.Event().wait(scale.idle_seconds)
            share = (agent.cpu_seconds - cpu) / (time.monotonic() - began) * 100
            growth = agent.memory_mb("VmRSS") - memory_before
    what = f"{scale.idle_files:,} files waiting, {scale.idle_seconds:g} s"
    return [
        Figure(f"{what}: of one core", "%", (share,), goal=0.5, at_least=False),
        Figure(f"{what}: growth of memory", "MB", (growth,), goal=0.5, at_least=False),
    ]


def start(scale: Scale) -> list[Figure]:
    """Starting."""
    asked: list[float] = []
    looked: list[float] = []
    with world(scale) as here:
        for _ in range(scale.runs + 1):
            began = time.monotonic()
            subprocess.run([sys.executable, "-m", "watcher", "--help"], stdout=subprocess.DEVNULL, check=True)
            asked.append(time.monotonic() - began)
            with here.agent() as agent:
                looked.append(agent.looked_after)
    return [  # the first of each finds cold caches, and makes the journal
        Figure("watcher --help", "s", tuple(asked[1:]), goal=0.25, at_least=False),
        Figure("watcher run, to the end of its first look", "s", tuple(looked[1:]), goal=0.5, at_least=False),
    ]


def latency(scale: Scale) -> list[Figure]:
    """From the rename into the drop folder to the first byte on the wire."""
    interval = 0.2
    waits: dict[str, list[float]] = {}
    with world(scale) as here:
        names, size = small_files(here.root / "stock", scale.drops)
        for observe in ("native", "polling"):
            waits[observe] = []
            with here.agent(observe=observe, rescan=interval if observe == "polling" else 30) as agent:
                for name in names:
                    threading.Event().wait(0.7)  # people do not drop at the very moment of a claim
                    here.count()
                    began = agent.drop(name)
                    agent.delivered(1)
                    seen = here.expect(size=size // len(names), commits=1)
                    waits[observe].append((seen["first_at"] - began) * 1e3)
            here.put_back()
    return [
        Figure("by events", "ms", tuple(waits["native"]), goal=30, at_least=False),
        Figure(
            "polling every 200 ms", "ms", tuple(waits["polling"]), goal=interval * 1e3 + 30, at_least=False
        ),
    ]


def distance(scale: Scale) -> list[Figure]:
    """A server 20 ms away."""
    speed: dict[str, list[float]] = {"agent": [], "httpx": [], "one": [], "four": []}
    number = max(8, min(100, scale.files // 5))
    with world(scale, latency_seconds=0.02) as here:
        file = here.root / "stock" / "large.csv"
        size = csv_file(file, scale.checked_mb * MB)
        names, small_size = small_files(here.root / "stock", number)
        for _ in range(scale.runs):
            with here.agent() as agent:
                began = agent.drop(file.name)
                speed["agent"].append(size / MB / (agent.delivered(1) - began))
                here.expect(size=size, commits=1)
            here.put_back()
            speed["httpx"].append(size / MB / contenders.httpx_loop(here, file))
            here.expect(size=size, commits=1)
            for key, parallel in (("one", 1), ("four", 4)):
                with here.agent(route={"parallel": parallel}) as agent:
                    began = agent.drop(*names)
                    speed[key].append(number / (agent.delivered(number) - began))
                here.expect(size=small_size, commits=number)
                here.put_back()
    return [
        Figure("the agent, one large file", "MB/s", tuple(speed["agent"])),
        Figure("a bare httpx loop", "MB/s", tuple(speed["httpx"])),
        ratio("the agent against what one connection allows", speed["agent"], speed["httpx"], goal=0.95),
        Figure("small files, parallel: 1", "files/s", tuple(speed["one"])),
        Figure("small files, parallel: 4", "files/s", tuple(speed["four"])),
        ratio("parallel: 4 against 1", speed["four"], speed["one"], goal=3.6),
    ]


def several(scale: Scale) -> list[Figure]:
    """Agents that share one folder and one PostgreSQL database."""
    with world(scale) as here, agents.database() as server:
        if server is None:
            return []
        names, _ = small_files(here.root / "stock", min(scale.files, 1_000))
        figures = agents.measured(here, server, names, scale.runs)
        return [*figures, agents.idle_transactions(here, server, scale.idle_seconds)]


ROWS: dict[str, Callable[[Scale], list[Figure]]] = {
    row.__name__: row
    for row in (
        large,
        checked,
        shaped,
        many,
        memory,
        backlog,
        history,
        idle,
        start,
        latency,
        distance,
        several,
    )
}
