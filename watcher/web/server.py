"""Runs the status page beside the agent: a port of its own, a thread of its own, and no hold on either's end.

The port is bound before the agent begins, so that one that is taken is an error of the start.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from watcher.agent.signs import Signs
from watcher.core.errors import ConfigError
from watcher.core.events import Crashed, Warned
from watcher.core.holds import Hold, Holds
from watcher.report.stream import Stream
from watcher.settings.settings import Config
from watcher.settings.status_settings import Address, Status
from watcher.web import file_kept, file_page, outcomes, snapshot
from watcher.web.access import Guard
from watcher.web.acts import Acts
from watcher.web.again import DroppedAgain
from watcher.web.agents import Agents
from watcher.web.app import Sources, build
from watcher.web.connection import KEEP_ALIVE_SECONDS, MOST_CONNECTIONS, MOST_HEAD_BYTES, Connection
from watcher.web.feed import Feed
from watcher.web.health import Health
from watcher.web.metrics import Metrics
from watcher.web.reader import Reader

START_SECONDS = 10.0
STOP_SECONDS = 3.0


@contextmanager
def served(
    config: Config,
    status: Status,
    *,
    signs: Signs,
    holds: Holds,
    stream: Stream,
    token_renewals: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Serve the page as long as the block lasts; gives its URL. Raises `ConfigError` where it cannot."""
    sock = _bound(status.address)
    address = Address(status.address.host, sock.getsockname()[1])
    health = Health(signs, lambda: [str(hold.target) for hold in holds.active])
    agents = Agents(config)
    metrics = Metrics(
        [route.name for route in config.routes],
        signs,
        holds=lambda: holds.active,
        seconds_held=lambda hold: clock() - hold.began,
        token_renewals=token_renewals,
        agents=agents.numbers,
    )
    reader = Reader()
    end_listening = stream.subscribe(metrics.hear)
    acts = Acts(config, status, stream.emit)
    parts = (config, status, address, holds, clock, health, metrics, reader, acts, agents)
    server = _Server(lambda: _guarded(*parts), sock, stream, acts)
    try:
        server.start()
        yield address.url
    finally:
        server.stop()
        end_listening()
        reader.stop()
        agents.stop()
        acts.stop()  # behind the event loop: nothing more begins


def _guarded(
    config: Config,
    status: Status,
    address: Address,
    holds: Holds,
    clock: Callable[[], float],
    health: Health,
    metrics: Metrics,
    reader: Reader,
    acts: Acts,
    agents: Agents,
) -> tuple[Guard, Feed]:
    """Put the parts together; called in the server's event loop."""

    def next_try(hold: Hold) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=hold.next_at - clock())

    again = DroppedAgain(config)

    def now() -> dict[str, Any]:
        found = snapshot.now(config, holds.active, next_try, health.judge(), again)
        return found | {"acts": acts.as_data()}

    feed = Feed(lambda: reader.read(now))
    acts.begin()
    agents.begin()
    sources = Sources(
        feed=feed,
        history=lambda: reader.read(lambda: snapshot.history(config, holds.active, datetime.now(UTC))),
        outcomes=lambda wanted: reader.read(
            lambda: outcomes.outcomes(
                config, show=wanted.show, text=wanted.text, before=wanted.before, between=wanted.between
            )
        ),
        file=lambda kind, key: reader.read(lambda: file_page.about(config, holds.active, kind, key)),
        download=lambda what, kind, key: reader.read(lambda: file_kept.download(config, what, kind, key)),
        metrics=metrics.text,
        health=health.judge,
        acts=acts,
    )
    guard = Guard(
        build(sources),
        address=address,
        password=status.password.get_secret_value() if status.password else None,
        token=status.token.get_secret_value() if status.token else None,
        acts=acts,
        clock=clock,
    )
    return guard, feed


class _Server:
    """uvicorn in a thread. It gets no signals: those are the agent's."""

    def __init__(
        self, build_app: Callable[[], tuple[Guard, Feed]], sock: socket.socket, stream: Stream, acts: Acts
    ) -> None:
        self._stream, self._acts = stream, acts
        self._build_app = build_app
        self._socket = sock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uvicorn: uvicorn.Server | None = None
        self._feed: Feed | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-page", daemon=True)

    def start(self) -> None:
        """Return when it answers."""
        try:
            self._thread.start()
        except RuntimeError:  # files go on without us
            words = "the status page is not there: no thread can be started; restart the agent"
            self._stream.emit(Warned(words))
            return
        self._up.wait(START_SECONDS)

    def stop(self) -> None:
        """End it, within a bounded time; the thread is a daemon, whatever it hangs on."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._wind_up)
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _wind_up(self) -> None:
        assert self._uvicorn is not None
        assert self._feed is not None
        self._feed.end()
        self._acts.end()
        self._uvicorn.should_exit = True

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # the page is gone; the agent goes on
            self._stream.emit(Crashed("the status page", error))
        finally:
            self._up.set()

    async def _serve(self) -> None:
        app, self._feed = self._build_app()
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Connection,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,  # the agent's own log has it all
                access_log=False,
                proxy_headers=False,
                server_header=False,
                # Connections are counted as they are made: some of these are on their way out.
                limit_concurrency=2 * MOST_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=MOST_HEAD_BYTES,
                timeout_graceful_shutdown=1,
            )
        )
        self._loop = asyncio.get_running_loop()
        self._up.set()
        await self._uvicorn.serve(sockets=[self._socket])


def _bound(address: Address) -> socket.socket:
    """Return a listening socket. Raises `ConfigError`."""
    host = "127.0.0.1" if address.host == "localhost" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: without, answers take 44 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # there it would let two programs share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, address.port))
        sock.listen(MOST_CONNECTIONS)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            why = "another program has this port; stop it, or choose another port"
        elif error.errno == errno.EADDRNOTAVAIL:
            why = "this machine has no such address; 127.0.0.1 is always there"
        elif error.errno == errno.EACCES:
            why = "no permission; ports under 1024 need special rights, choose a higher one"
        else:
            why = f"{error.strerror or error}; choose another address"
        raise ConfigError(f"status.listen: {address.host}:{address.port}: {why}") from error
    return sock
