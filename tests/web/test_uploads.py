"""Uploads through the page that do not come to their end: what is told, and that nothing half stays."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.agent.test_agent import agent, log_of, until
from tests.conftest import World
from tests.web.page import get, page
from tests.web.test_acts import ALL, BASIC, PASSWORD, key
from watcher.disk.received import Received
from watcher.web import acts, least_pace, uploads
from watcher.web.least_pace import LeastPace

NAME = "agent_events.csv"


@contextmanager
def sending(url: str, *, length: int, page_key: str | None = None) -> Iterator[socket.socket]:
    """A connection on which the head of an upload went out."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        head = f"POST {acts.PATHS['upload']}?name={NAME} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Length: {length}\r\nAuthorization: {BASIC}\r\n"
        head += f"{acts.HEADER}: {key(url) if page_key is None else page_key}\r\n\r\n"
        connection.sendall(head.encode())
        yield connection


def told(connection: socket.socket) -> str:
    """What came until the other end closed."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts).decode()


def test_an_agent_that_is_stopped_breaks_uploads_off_says_so_and_leaves_nothing_half(world: World) -> None:
    world.settings["status"] = {"listen": "127.0.0.1:0", "password": PASSWORD, "actions": ALL}
    with agent(world) as process:
        until(lambda: "the status page is at" in log_of(world))
        found = re.search(r"status page is at (\S+)", log_of(world))
        assert found is not None
        with sending(found[1], length=1_000_000) as connection:
            connection.sendall(b"a,1\n" * 10_000)
            until(lambda: list(world.path("drop").glob(".*.part")))
            process.send_signal(signal.SIGTERM)
            answer = told(connection)
        assert process.wait(10) == 0

    assert answer.startswith("HTTP/1.1 503")
    assert "the agent is being stopped; nothing was kept: send it again when it runs" in answer
    assert list(world.path("drop").iterdir()) == []
    assert "upload agent_events.csv: the agent is being stopped" in log_of(world)
    assert "Traceback" not in log_of(world)


def test_one_whose_last_write_is_slow_when_the_agent_is_stopped_is_said_to_be_there_perhaps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "FINISH_SECONDS", 0.1)
    at_it, go_on, finish = threading.Event(), threading.Event(), Received.finish

    def slow(self: Received, name: str) -> bool:
        at_it.set()
        go_on.wait(10)
        return finish(self, name)

    monkeypatch.setattr(Received, "finish", slow)
    answers: list[str] = []
    with ExitStack() as stack:
        with page(world, password=PASSWORD, actions=ALL) as served:
            connection = stack.enter_context(sending(served.url, length=4))
            connection.sendall(b"a,1\n")
            assert at_it.wait(10)

            def hear() -> None:
                answers.append(told(connection))
                go_on.set()

            hears = threading.Thread(target=hear)
            hears.start()
        hears.join()

    assert "the agent is being stopped; it may be in the drop folder all the same" in answers[0]
    assert world.files("drop") == {NAME: b"a,1\n"}
    assert len(list(world.path("drop").iterdir())) == 1


@pytest.mark.parametrize("page_key", ["of an earlier run", None])
def test_a_refusal_arrives_though_the_browser_sends_its_whole_body_first(
    world: World, page_key: str | None
) -> None:
    with (
        page(world, password=PASSWORD, actions=ALL, upload_limit=1_000) as served,
        sending(served.url, length=30_000_000, page_key=page_key) as connection,
    ):
        for _ in range(30):  # far more than the buffers of a connection hold
            connection.sendall(b"x" * 1_000_000)
        answer = told(connection)

    assert ("HTTP/1.1 403" if page_key else "HTTP/1.1 413") in answer
    assert ("did not come from the page of this run" if page_key else "upload_limit is 1,000") in answer


def test_one_that_breaks_off_leaves_nothing_and_holds_up_nobody(world: World) -> None:
    with page(world, password=PASSWORD, actions=ALL) as served:
        with sending(served.url, length=9) as connection:
            connection.sendall(b"a,")
            until(lambda: list(world.path("drop").iterdir()))
            assert get(served.url, "/health", Authorization=BASIC).status == 200
        until(lambda: not list(world.path("drop").iterdir()))


def test_one_that_drips_is_ended_however_large_it_said_it_would_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(least_pace, "STALL_SECONDS", 0.3)
    with (
        page(world, password=PASSWORD, actions=ALL) as served,
        sending(served.url, length=90_000_000) as connection,
    ):
        connection.settimeout(0.05)
        answer = b""
        while not answer:  # until it is refused
            connection.sendall(b"a")
            with suppress(TimeoutError):
                answer = connection.recv(65_536)
        connection.settimeout(10)
        answer += told(connection).encode()  # its head may come before its body
        until(lambda: not list(world.path("drop").iterdir()))

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"it came too slowly, at less than 20,000 bytes a second for a while" in answer


def test_the_least_pace_ends_what_stalls_or_drips_and_nothing_else() -> None:
    steady, dripping, stalling, waits_for_us = (LeastPace(0.0) for _ in range(4))

    assert all(steady.came(now, 20_000, ours=0.0) > now + 59 for now in range(1, 10_000))
    assert next(now for now in range(1, 10_000) if dripping.came(now, 10_000, ours=0.0) < now) in (121, 122)
    stalling.came(1.0, 900_000_000, ours=0.0)
    assert stalling.until == 61.0  # what came fast is no credit for hours
    assert all(waits_for_us.came(30.0 * turn, 1, ours=29.9) > 30 * turn for turn in range(1, 100))
