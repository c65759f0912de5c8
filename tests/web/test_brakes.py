"""Whoever keeps the status page busy, or guesses its password, shuts nobody else out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.conftest import World
from tests.web.page import Page, page
from tests.web.test_access import PASSWORD, TOKEN, basic
from watcher.web import connection
from watcher.web.brakes import FORGOTTEN_SECONDS, FREE_GUESSES, LONGEST_SECONDS, MOST_KNOWN, Brakes, origin
from watcher.web.connection import MOST_CONNECTIONS

STREAM = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def closed_page(world: World) -> Iterator[Page]:
    """A page with a password and a token."""
    with page(world, password=PASSWORD, token=TOKEN) as served:
        yield served


def connected(served: Page, stack: ExitStack, source: str = "127.0.0.1", said: bytes = b"") -> socket.socket:
    """Connect, from an address of this machine, and say no more than that."""
    host, port = served.url.removeprefix("http://").rstrip("/").split(":")
    opened = stack.enter_context(
        socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))
    )
    opened.sendall(said)
    return opened


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\nHost: 127.0", b"GET"])
def test_health_is_answered_whatever_number_of_silent_connections_there_is(world: World, said: bytes) -> None:
    with page(world) as served, ExitStack() as stack:
        for _ in range(3 * MOST_CONNECTIONS):
            connected(served, stack, said=said)
        for _ in range(5):
            assert served.get("/health").status == 200


@pytest.mark.parametrize("said", [b"", STREAM])
def test_an_address_that_fills_the_page_loses_its_own_connections_and_no_others(
    world: World, said: bytes
) -> None:
    with page(world) as served, ExitStack() as stack:
        watching = connected(served, stack, "127.0.0.2", STREAM)
        assert watching.recv(12) == b"HTTP/1.1 200"
        many = [connected(served, stack, "127.0.0.3", said) for _ in range(MOST_CONNECTIONS + 8)]
        assert served.get("/health").status == 200

        for opened in (watching, *many):
            opened.setblocking(False)
        assert sum(map(ends, many)) >= 8
        assert not ends(watching)


def ends(opened: socket.socket) -> bool:
    """Say whether the other side has closed it."""
    try:
        while opened.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_connection_whose_request_never_ends_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    with page(world) as served, ExitStack() as stack:
        slow = connected(served, stack, said=before + b"GET /health HTTP/1.1\r\nHo")
        assert ends(slow)


def test_a_head_that_is_too_long_is_refused(world: World) -> None:
    with page(world) as served, ExitStack() as stack:
        opened = connected(served, stack, said=b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
        with suppress(ConnectionError):
            assert b" 200 " not in opened.recv(65_536)


def test_wrong_passwords_make_whoever_gives_them_wait_and_longer_each_time(closed_page: Page) -> None:
    def guess(password: str) -> int:
        return closed_page.get("/metrics", Authorization=basic(password)).status

    assert [guess("x") for _ in range(FREE_GUESSES)] == [401] * FREE_GUESSES
    assert guess("y") == 429
    assert guess(PASSWORD) == 429, "or else guessing would be as quick as before"
    waited = []
    for _ in range(4):
        found = closed_page.get("/health", Authorization=basic("z"))
        waited.append(int(found.headers["retry-after"]))
        closed_page.clock[0] += waited[-1]
        assert guess("z") == 401
    assert waited == [1, 2, 4, 8]
    closed_page.clock[0] += LONGEST_SECONDS
    assert guess(PASSWORD) == 200
    assert guess("x") == 401


def test_who_has_the_token_gets_through_while_the_password_is_guessed(closed_page: Page) -> None:
    for _ in range(20):
        closed_page.get("/health", Authorization=basic("x"))

    assert closed_page.get("/health", Authorization=basic("x")).status == 429
    assert closed_page.get("/health", Authorization=f"Bearer {TOKEN}").status == 200
    assert closed_page.get("/health").status == 401  # as a browser asks first


def test_tokens_are_guessed_no_faster_whichever_way(closed_page: Page) -> None:
    for number in range(FREE_GUESSES):
        way = {"Authorization": f"Bearer {number}"} if number % 2 else {}
        assert closed_page.get("/health" if way else f"/?token={number}", **way).status == 401

    assert closed_page.get(f"/?token={TOKEN}").status == 429
    assert closed_page.get("/health", Authorization=f"Bearer {TOKEN}").status == 429


def test_guesses_are_forgotten_in_time_and_memory_is_bounded() -> None:
    now = [0.0]
    brakes = Brakes(lambda: now[0])
    for _ in range(FREE_GUESSES + 30):
        brakes.wrong("a")
    assert brakes.wait("a") == LONGEST_SECONDS
    assert brakes.wait("b") == 0

    now[0] += FORGOTTEN_SECONDS + 1
    brakes.wrong("a")
    assert brakes.wait("a") == 0
    for number in range(2 * MOST_KNOWN):
        brakes.wrong(str(number))
    assert len(brakes._known) == MOST_KNOWN


@pytest.mark.parametrize(
    ("client", "who"),
    [
        (None, ""),
        (("10.0.0.7", 1), "10.0.0.7"),
        (("2001:db8::1", 1), "2001:db8::/64"),
        (("2001:db8::ffff:1", 1), "2001:db8::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("unix", 1), "unix"),
    ],
)
def test_who_is_at_the_other_end(client: tuple[str, int] | None, who: str) -> None:
    assert origin(client) == who
