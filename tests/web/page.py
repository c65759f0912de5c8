"""A status page on a real port of the loopback, and questions to it without httpx."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.agent.test_agent import agent, log_of, until
from tests.conftest import World
from watcher.agent.engine.holding import Holding
from watcher.agent.queue.drop_watcher import DropWatcher
from watcher.agent.signs import Signs
from watcher.core.holds import Holds
from watcher.disk.drop import Drop
from watcher.report.stream import Stream
from watcher.settings.config import load
from watcher.settings.presets import build_routes
from watcher.web.server import served


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    text: str


@dataclass
class Page:
    """A page that is served, with the parts behind it."""

    url: str
    signs: Signs
    holds: Holding
    stream: Stream
    watcher: DropWatcher
    waiting: list[str]
    clock: list[float] = field(default_factory=lambda: [1000.0])

    def get(self, path: str, method: str = "GET", **headers: str) -> Got:
        """Ask for a path."""
        return get(self.url, path, method, **headers)


def get(url: str, path: str, method: str = "GET", **headers: str) -> Got:
    """Ask a page; `headers` with underscores."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, found, answer.read().decode())
    finally:
        connection.close()


@contextmanager
def page(world: World, **status: Any) -> Iterator[Page]:
    """Serve a page for a world in which no agent runs: its main loop is the test."""
    world.settings["status"] = {"listen": "127.0.0.1:0", **status}
    config, _ = load(world.config, {})
    assert config.status is not None
    clock = [1000.0]
    waiting: list[str] = []
    stream = Stream()
    table = Holds(cap_seconds=60, jitter=lambda: 0.0)
    holds = Holding(table, stream, clock=lambda: clock[0], now=lambda: datetime.now(UTC))
    drop_watcher = DropWatcher(
        Drop(config.folders.drop, (), network=False),
        build_routes(config),
        quiet=0,
        rescan=30,
        ignore_unmatched=False,
        events=False,
        wake=lambda: None,
        stream=stream,
        clock=lambda: clock[0],
    )
    signs = Signs(
        drop_watcher, waiting=lambda: waiting, under_way=lambda: 0, lost=list, clock=lambda: clock[0]
    )
    with served(
        config, config.status, signs=signs, holds=table, stream=stream, token_renewals=lambda: 3,
        clock=lambda: clock[0],
    ) as url:  # fmt: skip
        yield Page(url, signs, holds, stream, drop_watcher, waiting, clock)


@contextmanager
def running(world: World, **status: Any) -> Iterator[str]:
    """A real agent in a process of its own; gives its page's URL."""
    world.settings["status"] = {"listen": "127.0.0.1:0", **status}
    with agent(world):
        until(lambda: "the status page is at" in log_of(world))
        found = re.search(r"status page is at (\S+)", log_of(world))
        assert found is not None
        yield found[1]
