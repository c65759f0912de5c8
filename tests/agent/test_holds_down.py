"""A server that is down or hangs, with a backlog behind it: one hold, one knock a step, all of it arrives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from tests.agent.test_holds_backlog import (
    FEW,
    LONG,
    MANY,
    PARALLEL,
    STEPS,
    Fault,
    assert_all_arrived,
    backlog,
    drop,
    tries,
)
from tests.conftest import Server, World, works
from tests.sockets import read_request
from watcher.sandbox.server import Request

__all__ = ["backlog"]  # a fixture


def test_a_server_that_hangs_is_probed_once_a_step(backlog: World, lines: list[str]) -> None:
    released = threading.Event()

    def hang(_request: Request, _take: Any) -> None:
        released.wait(LONG)

    backlog.settings["wfm"]["timeout"] = "400ms"
    fault = Fault(hang, together=PARALLEL)
    backlog.server.script.extend([fault] * (PARALLEL + 3))
    files = drop(backlog, FEW)

    assert backlog.run_once(patience=LONG) == 0
    released.set()

    assert_all_arrived(backlog, files)
    assert fault.requests - (PARALLEL - 1) <= tries(lines, backlog.server.url) <= fault.requests


class Connections:
    """Counts attempts to connect to a port, alone and at once, and does something at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
        self.count = 0
        self.most_at_once = 0
        self.at: dict[int, Callable[[], None]] = {}
        self._at_once = 0
        self._lock = threading.Lock()
        self._port = port
        self._connect = socket.socket.connect  # the guarded one
        monkeypatch.setattr(socket.socket, "connect", lambda *arguments: self._counted(*arguments))

    def _counted(self, sock: socket.socket, address: Any) -> None:
        if not isinstance(address, tuple) or address[1] != self._port:
            return self._connect(sock, address)
        with self._lock:
            self.count += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            act = self.at.pop(self.count, lambda: None)
        try:
            act()
            self._connect(sock, address)
        finally:
            with self._lock:
                self._at_once -= 1


def test_a_server_that_is_down_is_knocked_at_once_a_step(
    backlog: World, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(backlog.server.url.rpartition(":")[2])
    backlog.server.stop()
    files = drop(backlog, MANY)
    knocks = Connections(monkeypatch, port)
    with ExitStack() as stack:
        back: list[Server] = []
        knocks.at[PARALLEL + STEPS + 1] = lambda: back.append(stack.enter_context(Server(port=port)))

        assert backlog.run_once(patience=LONG) == 0

        assert_all_arrived(backlog, files, back[0])
    # No token was there yet: it is the token endpoint that is held, and asked for one thread at a time.
    refused = PARALLEL + STEPS
    assert refused - (PARALLEL - 1) <= tries(lines, backlog.server.token_url) <= refused


def test_a_server_that_goes_down_in_the_middle_is_one_hold(
    backlog: World, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(backlog.server.url.rpartition(":")[2])
    knocks = Connections(monkeypatch, port)
    files = drop(backlog, FEW)
    with ExitStack() as stack:
        back: list[Server] = []

        def go_down(_request: Request, _take: Any) -> None:
            backlog.server.stop()
            knocks.at[knocks.count + STEPS] = lambda: back.append(stack.enter_context(Server(port=port)))

        backlog.server.script.extend([works] * 5 + [go_down])

        assert backlog.run_once(patience=LONG) == 0

        # A file whose answer was lost when the server went down may be at both.
        whole = {
            one.body for server in (backlog.server, *back) for one in server.operations() if one.completed
        }
    assert whole == set(files.values())
    assert backlog.files("done") == files
    assert STEPS - PARALLEL <= tries(lines, backlog.server.url) <= STEPS + PARALLEL


@contextmanager
def resetting(port: int, resets: int) -> Iterator[str]:
    """A port before another one: it resets the first connections when a request came; the others go by."""

    def run() -> None:
        with suppress(OSError):  # closed
            for number in range(1_000_000):
                connection, _ = listener.accept()
                if number < resets:
                    read_request(connection)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    connection.close()
                else:
                    threads.append(threading.Thread(target=tunnel, args=(connection,), daemon=True))
                    threads[-1].start()

    def tunnel(connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=pump, args=(onward, connection), daemon=True)
            back.start()
            pump(connection, onward)
            back.join(LONG)

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads.append(threading.Thread(target=run, daemon=True))
        threads[0].start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(LONG)


def test_connections_that_are_reset_are_one_hold(backlog: World, lines: list[str]) -> None:
    port = int(backlog.server.url.rpartition(":")[2])
    resets = PARALLEL + STEPS
    files = drop(backlog, FEW)
    with resetting(port, resets) as url:
        backlog.settings["wfm"]["api_url"] = url

        assert backlog.run_once(patience=LONG) == 0

    assert_all_arrived(backlog, files)
    assert resets - (PARALLEL - 1) <= tries(lines, url) <= resets
