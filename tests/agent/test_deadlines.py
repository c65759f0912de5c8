"""Servers that never come to an end, and the running command: it says what is held, and it stops."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import suppress

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.conftest import World, rows
from tests.sockets import Raw, Serve, raw, read_request, reset
from watcher.sandbox.server import Request

STOPS_IN = 15  # seconds; many times what one request may take here


def endless(first: bytes, unit: bytes) -> Serve:
    """After `first`, `unit` again and again, until the client has had enough."""

    def serve(connection: socket.socket) -> None:
        connection.settimeout(0.05)
        read_request(connection)
        connection.sendall(first)
        while True:
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return
            connection.sendall(unit)

    return serve


HEAD = endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")
CONTINUE = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("serve", [HEAD, CONTINUE], ids=["head", "100 Continue"])
@pytest.mark.parametrize("whose", ["api_url", "token_url"])
def test_an_answer_without_end_is_a_hold_that_is_told_and_a_stop_does_not_wait_for_it(
    world: World, serve: Serve, whose: str
) -> None:
    with raw(serve) as server:
        path = "/token" if whose == "token_url" else ""
        world.settings["wfm"] |= {whose: f"{server.url}{path}", "timeout": "300ms"}
        world.settings["upload"]["retry_cap"] = "1s"
        # Those that wait for one login are not to try it one after the other.
        world.settings["routes"][2]["parallel"] = 12
        for number in range(12):
            world.drop(f"agent_events_{number}.csv", rows(2))
        with agent(world) as process:
            until(lambda: "holding" in log_of(world))
            until(lambda: watcher(world, "status").returncode == 1)
            status = watcher(world, "status", "--json")
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOPS_IN) == 0

    assert status.returncode == 1
    (held,) = json.loads(status.stdout)["held"]
    assert held["target"] == f"{server.url}{path}"
    assert "did not answer within 0.3 s" in held["reason"]
    assert len(world.files("drop")) + len(world.work_files()) == 12


def test_a_file_that_starts_over_at_lost_answers_comes_through_a_balancer_that_resets_used_connections(
    world: World, lines: list[str]
) -> None:
    def balancer(connection: socket.socket) -> None:
        connection.sendall(answered(read_request(connection)))
        reset(connection)

    def answered(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        path, _, query = target.partition("?")
        fields = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
        taken = world.server.respond(
            Request(
                method,
                path,
                dict(pair.split("=") for pair in query.split("&")),
                {name.lower(): value for name, value in fields.items()},
                body,
            )
        )
        assert taken is not None
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (taken.status, len(taken.body), taken.body)

    server: Raw
    with raw(balancer) as server:
        world.settings["wfm"]["api_url"] = server.url
        world.settings["upload"] |= {"lost_answer": "new_token", "attempts": 8}
        world.drop("agent_events.csv", rows(40))

        assert world.run_once() == 0

    (whole,) = world.completed()
    assert whole.body == rows(40).encode()
    assert len([line for line in lines if "begins again" in line]) == 1
