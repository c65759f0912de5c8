"""The client against servers that misbehave, each a real socket on the loopback."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import SECRET, Server, Take, answer
from tests.sockets import LONG, Serve, answers, free_port, raw, read_request, reset
from watcher.core.conversation import Reply, Request
from watcher.core.errors import ConfigError, CutOff, LostAnswer, NotWhole, Outside
from watcher.core.target import Target
from watcher.sandbox.wire import Answer
from watcher.sandbox.wire import Request as Received
from watcher.wfm.bounds import ANSWER_BYTES, NO_REUSE_SECONDS, Reuse
from watcher.wfm.client import Client
from watcher.wfm.login import ClientCredentials

TOKEN = "t0ken-of-the-tests"
BODY = b"agent,1\n" * 10


def token_answer() -> bytes:
    body = json.dumps({"access_token": TOKEN, "expires_in": 300}).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@contextmanager
def client(
    server: str, token_url: str | None = None, *, timeout: float = LONG, **options: Any
) -> Iterator[Client]:
    """A client for the API at `server`; without `token_url` a login server that works."""
    with raw(answers(token_answer())) as login:
        auth = ClientCredentials(
            token_url or f"{login.url}/token", "wfm-importer", SECRET, timeout_seconds=timeout
        )
        options = {"trust_env": False} | options
        opened = Client(auth, server=server, tenant="demo", timeout_seconds=timeout, **options)
        try:
            yield opened
        finally:
            opened.close()


def push(opened: Client, body: bytes = BODY) -> Reply:
    parameters = (("pushToken", "3f0e8a52-92f4-4a0e-8a3c-3d5f2f3f5a11"), ("lastChunk", "true"))
    return opened.push(Request(f"{opened.server}/import", parameters, "text/csv", body))


def fault(opened: Client, call: Callable[[Client], object] = push) -> Outside:
    """The error of a push; whatever it is, it is for people and holds no secret."""
    with pytest.raises(Outside) as caught:
        call(opened)
    error = caught.value
    text = "".join(traceback.format_exception(error)) + f"{error}{error!r}{error.check}{error.__dict__}"
    assert SECRET not in text
    assert TOKEN not in text
    assert error.target in (Target("server", opened.server), Target("login", opened.token_url))
    assert len(error.reason.split()) > 2, error.reason
    assert not error.reason.endswith(".")
    assert error.check
    return error


def dripping(first: bytes) -> tuple[Serve, threading.Event]:
    """After `first` send one byte every 20 ms, for 3 seconds or until the event is set."""
    enough = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(first)
        for _ in range(150):
            if enough.wait(0.02):
                return
            connection.sendall(b"x")

    return serve, enough


# The request cannot have arrived: plain `Outside`.


def test_a_refused_connection_is_outside_and_the_server_took_nothing() -> None:
    with client(f"http://127.0.0.1:{free_port()}") as opened:
        error = fault(opened)

    assert type(error) is Outside
    assert error.target == Target("server", opened.server)
    assert error.reason == "127.0.0.1 refuses the connection"


def test_a_name_that_does_not_resolve_is_outside() -> None:
    with client("http://wfm.example.invalid") as opened:
        error = fault(opened)

    assert type(error) is Outside
    assert error.reason == "the name wfm.example.invalid cannot be resolved"
    assert "DNS" in error.check


@pytest.mark.parametrize("port", ["99999", "abc", "-1"])
def test_a_port_that_cannot_be_is_no_crash(port: str) -> None:
    with client(f"http://127.0.0.1:{port}") as opened, pytest.raises((Outside, ConfigError)):
        push(opened)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1"])
def test_a_proxy_in_the_environment_that_cannot_be_used_is_a_config_error(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)

    with (
        pytest.raises(ConfigError, match="ALL_PROXY of the environment"),
        client("http://wfm.example.com", trust_env=True),
    ):
        pass


# The request went out and its answer did not come: `LostAnswer`.


def test_a_reset_before_the_answer_loses_the_answer() -> None:
    with raw(reset) as server, client(server.url) as opened:
        assert type(fault(opened)) is LostAnswer


def test_a_connection_that_is_closed_without_an_answer_loses_the_answer() -> None:
    with raw(answers(b"")) as server, client(server.url) as opened:
        error = fault(opened)

    assert type(error) is LostAnswer
    assert "closed the connection" in error.reason


@pytest.mark.parametrize("text", [b"220 mail.example ESMTP\r\n", b"\0\xff" * 99, b"HTTP/1.1 abc\r\n\r\n"])
def test_an_answer_that_is_no_http_is_a_lost_one(text: bytes) -> None:
    with raw(answers(text)) as server, client(server.url) as opened:
        error = fault(opened)

    assert type(error) is LostAnswer
    assert "did not speak HTTP" in error.reason


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        (b"Content-Length: 100", b"half", "half"),
        (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\nzz\r\n", "half"),
    ],
    ids=["too short", "no chunks"],
)
def test_an_answer_whose_body_is_cut_is_an_answer_all_the_same(
    status: int, head: bytes, body: bytes, said: str
) -> None:
    whole = b"HTTP/1.1 %d X\r\n%b\r\n\r\n%b" % (status, head, body)
    with raw(answers(whole)) as server, client(server.url) as opened:
        reply = push(opened)

    assert (reply.status, reply.said) == (status, said)


def test_a_server_that_hangs_ends_with_the_timeout() -> None:
    over = threading.Event()

    def hang(connection: socket.socket) -> None:
        read_request(connection)
        over.wait(LONG)

    with raw(hang) as server, client(server.url, timeout=0.2) as opened:
        error = fault(opened)
        over.set()

    assert type(error) is LostAnswer
    assert error.reason == "127.0.0.1 did not answer within 0.2 s"
    assert "wfm.timeout" in error.check


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_whose_body_drips_is_one_when_the_timeout_is_over(status: int) -> None:
    serve, enough = dripping(b"HTTP/1.1 %d X\r\nContent-Length: 999\r\n\r\n" % status)
    with raw(serve) as server, client(server.url, timeout=0.3) as opened:
        reply = push(opened)
        was_still_dripping = not enough.is_set()
        enough.set()

    assert reply.status == status
    assert set(reply.said) == {"x"}
    assert was_still_dripping


def test_a_refused_token_is_renewed_though_the_words_of_the_refusal_are_cut(server: Server) -> None:
    texts = [
        b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ]

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(texts.pop(0))

    with raw(serve) as api, client(api.url, server.token_url) as opened:
        assert push(opened).status == 200
        assert opened.token_renewals == 2


def test_a_refusal_of_the_login_is_one_though_its_words_are_cut(server: Server) -> None:
    text = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{"
    with raw(answers(text)) as login, client(server.url, f"{login.url}/token") as opened:
        assert "HTTP 401" in fault(opened).reason


@pytest.mark.parametrize("how", ["reset", "never read"])
def test_a_connection_that_breaks_before_the_body_is_sent_is_cut_off(how: str) -> None:
    """The server cannot have the chunk: there is no doubt about it."""
    over = threading.Event()

    def half(connection: socket.socket) -> None:
        connection.recv(100_000)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            over.wait(LONG)

    with raw(half) as server, client(server.url, timeout=0.5) as opened:
        error = fault(opened, lambda opened: push(opened, b"x" * 40_000_000))
        over.set()

    assert type(error) is CutOff


def test_an_answer_whose_head_drips_ends_with_the_deadline_of_the_request() -> None:
    """Each byte comes in time: only all of them together take too long."""
    serve, enough = dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with raw(serve) as server, client(server.url, timeout=0.3) as opened:
        error = fault(opened)
        was_still_dripping = not enough.is_set()
        enough.set()

    assert type(error) is LostAnswer
    assert was_still_dripping


def test_a_guard_is_asked_when_the_body_goes_out_and_what_it_raises_ends_the_request() -> None:
    bodies: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(5)
        while data := connection.recv(65_536):
            bodies.append(data)

    def guard() -> None:
        asked.append(len(bodies))
        raise NotWhole

    asked: list[int] = []
    with raw(serve) as server, client(server.url, timeout=5) as opened, pytest.raises(NotWhole):
        opened.push(Request(f"{server.url}/import", (("pushToken", "t"),), "text/csv", b"a,1\n"), guard)

    assert len(asked) == 1
    assert b"a,1" not in b"".join(bodies)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("how", ["reset", "closed"])
def test_after_a_connection_is_cut_when_used_again_each_request_has_its_own_for_ten_minutes(
    server: Server, how: str
) -> None:
    """As balancers do that forget what they have passed on; a fault on a fresh connection changes nothing."""

    def balancer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if how == "reset":
            reset(connection)
        else:
            read_request(connection)

    clock = Clock()
    with raw(balancer) as api, client(api.url, server.token_url, reuse=Reuse(clock)) as opened:
        assert push(opened).status == 200
        assert type(fault(opened)) is LostAnswer  # the second on this connection
        assert [push(opened).status for _ in range(5)] == [200] * 5
        clock.now = NO_REUSE_SECONDS
        assert push(opened).status == 200
        assert type(fault(opened)) is LostAnswer

    assert api.connections == 7


def test_a_connection_that_is_cut_at_its_first_request_says_nothing_of_others(server: Server) -> None:
    connections = 0

    def serve(connection: socket.socket) -> None:
        nonlocal connections
        connections += 1
        while connections > 1:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        reset(connection)

    with raw(serve) as api, client(api.url, server.token_url) as opened:
        assert type(fault(opened)) is LostAnswer
        assert [push(opened).status for _ in range(3)] == [200] * 3

    assert connections == 2


# What answers may do to us.


def test_an_endless_answer_is_cut_at_64_kib() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        read_request(connection)
        connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 100000000\r\n\r\n")
        while sent < 100_000_000:
            sent += connection.send(b"x" * 65536)

    with raw(flood) as server, client(server.url) as opened:
        reply = push(opened)

    assert reply.status == 500
    assert 0 < len(reply.said) <= ANSWER_BYTES
    assert sent < 16_000_000  # what the kernel's buffers take


@pytest.mark.parametrize("status", [200, 400])
def test_a_compressed_answer_is_expanded_to_64_kib_and_no_further(status: int) -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    head = b"HTTP/1.1 %d X\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (status, len(bomb))
    with raw(answers(head + bomb)) as server, client(server.url) as opened:
        reply = push(opened)

    assert reply.status == status
    assert reply.said == "x" * ANSWER_BYTES


def test_the_words_of_a_login_that_refuses_are_expanded_too(server: Server) -> None:
    words = gzip.compress(b'{"error_description": "no such client"}')
    head = b"HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(words)
    with raw(answers(head + words)) as login, client(server.url, f"{login.url}/token") as opened:
        assert "no such client" in fault(opened).reason


def test_no_cookie_is_kept_or_sent(server: Server) -> None:
    cookies = [("Set-Cookie", f"session{number}=ü; Path=/") for number in range(3)]
    seen: list[Mapping[str, str]] = []

    def serve(request: Received, take: Take) -> Answer | None:
        seen.append(request.headers)
        taken = take(request)
        assert taken is not None
        return replace(taken, headers=(*taken.headers, *cookies))

    server.script.extend([serve, serve])
    server.tokens.append(serve)
    with client(f"{server.url}/_rest/scheduling/adherence", server.token_url) as opened:
        for _ in range(2):
            push(opened)

    assert len(seen) == 3
    assert not any("cookie" in headers for headers in seen)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_token_goes_to_no_other_host(server: Server, status: int) -> None:
    with raw(answers(b"")) as other, client(server.url, server.token_url) as opened:
        server.script.append(answer(status, Location=f"{other.url}/stolen"))
        reply = push(opened)

    assert reply.status == status
    assert other.connections == 0


def test_a_redirect_of_the_token_endpoint_is_not_followed_with_the_secret(server: Server) -> None:
    with raw(answers(b"")) as other, client(server.url, server.token_url) as opened:
        server.tokens.append(answer(307, Location=f"{other.url}/stolen"))
        error = fault(opened)

    assert error.target == Target("login", opened.token_url)
    assert other.connections == 0


def test_an_early_413_is_read_although_the_body_is_still_going_out() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with raw(refuse) as server, client(server.url) as opened:
        reply = push(opened, b"x" * 20_000_000)

    assert (reply.status, reply.said) == (413, "big")


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("size", [300_000, 40_000_000], ids=["in the system's hands", "on its way"])
def test_a_2xx_before_the_body_was_sent_to_its_end_is_a_lost_answer(status: int, size: int) -> None:
    """A login page, say, or a gateway that answers for the server: nobody has read the chunk."""

    def rash(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 %d OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" % status)
        if size > 1_000_000:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            over.wait(LONG)

    over = threading.Event()
    with raw(rash) as server, client(server.url) as opened:
        error = fault(opened, lambda opened: push(opened, b"x" * size))
        over.set()

    assert type(error) is LostAnswer
    assert "before the request was sent to its end" in error.reason


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (b"Retry-After: 120", 120.0),
        (b"Retry-After: 604800", 604_800.0),
        (b"Date: Mon, 23 Nov 1998 10:00:00 GMT\r\nRetry-After: Mon, 23 Nov 1998 10:00:42 GMT", 42.0),
        (b"Date: Mon, 23 Nov 1998 10:00:00 GMT\r\nRetry-After: Mon, 23 Nov 1998 09:00:00 GMT", 0.0),
        (b"Date: yesterday\r\nRetry-After: Mon, 23 Nov 1998 10:00:42 GMT", 0.0),
        (b"Retry-After: soon", None),
        (b"Retry-After: -5", None),
        (b"X-None: 1", None),
    ],
)
def test_retry_after_is_read_against_the_servers_own_clock(fields: bytes, seconds: float | None) -> None:
    text = b"HTTP/1.1 503 Busy\r\n" + fields + b"\r\nContent-Length: 0\r\n\r\n"
    with raw(answers(text)) as server, client(server.url) as opened:
        assert push(opened).retry_after == seconds


# Faults of the token request: the token endpoint is held, and the chunk did not go out.


@pytest.mark.parametrize("call", [push, Client.get_token], ids=["push", "get_token"])
@pytest.mark.parametrize("how", ["refused", "reset", "garbage", "hang", "half"])
def test_a_fault_of_the_token_request_is_the_token_endpoints(
    server: Server, how: str, call: Callable[[Client], object]
) -> None:
    over = threading.Event()
    serves: dict[str, Serve] = {
        "refused": reset,  # not asked
        "reset": reset,
        "garbage": answers(b"220 mail.example\r\n"),
        "hang": lambda _connection: over.wait(LONG) and None,
        "half": answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    }
    with raw(serves[how]) as login:
        url = f"http://127.0.0.1:{free_port()}" if how == "refused" else login.url
        try:
            with client(server.url, f"{url}/token", timeout=0.3) as opened:
                error = fault(opened, call)
        finally:
            over.set()

    assert type(error) is Outside
    assert error.target == Target("login", f"{url}/token")
    assert server.pushes() == []


def test_those_that_wait_for_a_login_that_fails_fail_with_it_and_do_not_try_one_after_the_other(
    server: Server,
) -> None:
    """Else a login that keeps silent holds a stop up for its timeout times the number of uploads."""
    pushing = threading.Semaphore(0)

    def hang(connection: socket.socket) -> None:
        read_request(connection)
        for _ in range(6):
            assert pushing.acquire(timeout=LONG)
        connection.recv(1)  # until the client has had enough

    def push_too(opened: Client) -> Outside:
        pushing.release()
        return fault(opened)

    with raw(hang) as login, client(server.url, f"{login.url}/token", timeout=0.5) as opened:
        with ThreadPoolExecutor(6) as pool:
            faults = list(pool.map(push_too, [opened] * 6))
        tries = login.connections

    assert {(error.target, error.reason) for error in faults} == {
        (Target("login", f"{login.url}/token"), "127.0.0.1 did not answer within 0.5 s")
    }
    assert tries < 6


@pytest.mark.parametrize("rest", ["LocalHost:{port}/token", "localhost:{port}/realms/acme corp/token"])
def test_the_token_endpoint_is_known_however_its_url_is_written(server: Server, rest: str) -> None:
    token_url = "http://" + rest.format(port=free_port())
    with client(server.url, token_url) as opened:
        error = fault(opened)

    assert type(error) is Outside
    assert error.target == Target("login", token_url)
    assert error.reason == "localhost refuses the connection"


def test_a_token_that_no_header_takes_does_not_end_up_in_the_error(server: Server) -> None:
    body = json.dumps({"access_token": f"{TOKEN} "}).encode()
    text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw(answers(text)) as login, client(server.url, f"{login.url}/token") as opened:
        assert fault(opened).target == Target("login", opened.token_url)


def test_get_token_returns_how_long_it_will_be_used(server: Server) -> None:
    with client(server.url, server.token_url) as opened:
        assert opened.get_token() == pytest.approx(240, abs=5)
