"""The real command in a process of its own: signals, kill -9, two agents, a server that comes and goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.conftest import Server, Step, World, answer, rows, works
from tests.forked import Forked, run
from watcher.sandbox.server import Request


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for another process; fails loudly if it takes too long."""
    pause = threading.Event()
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.02)


@contextmanager
def agent(world: World, *options: str) -> Iterator[Forked]:
    """A running `watcher run`, killed at the end at the latest."""
    process = Forked("run", "-c", str(world.config), *options, stderr=world.root / "agent.log")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def log_of(world: World) -> str:
    """What the agents of this world wrote so far."""
    return (world.root / "agent.log").read_text()


def watcher(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run(*arguments, "-c", str(world.config))


class Gate:
    """A server step that tells that a request is under way, and answers when it is let through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: Request, take: Any) -> Any:
        self.reached.set()
        assert self.open.wait(20)
        return take(request)


def gated(world: World, *before: Step) -> Gate:
    """Put a gate behind these steps of the server; the agent waits for its answer as long as it takes,
    so that what a test looks at while the request is under way does not end by itself."""
    gate = Gate()
    world.server.script.extend([*before, gate])
    world.settings["wfm"]["timeout"] = "60s"
    return gate


def test_files_dropped_while_it_runs_are_delivered_by_events(world: World) -> None:
    world.settings |= {"observe": "native", "rescan": "1h"}
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        # Renamed in from outside, as careful exporters do: that gives no "closed" event.
        (world.path("elsewhere.csv")).write_text(rows(12))
        world.path("elsewhere.csv").rename(world.path("drop") / "agent_events.csv")
        until(lambda: world.completed())
        until(lambda: world.files("done"))
        world.drop("event_types.json", "[]")
        until(lambda: len(world.files("done")) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_sigterm_lets_the_request_under_way_finish_and_the_next_start_goes_on(world: World) -> None:
    gate = gated(world, works)
    world.drop("agent_events.csv", rows(12))
    with agent(world) as process:
        assert gate.reached.wait(20)
        process.send_signal(signal.SIGTERM)
        gate.open.set()
        assert process.wait(10) == 0
    # The signal may reach the agent before or after the next chunk went out.
    (row,) = world.history()
    assert row["state"] in ("retrying", "done")
    assert row["chunks"] >= 2
    with agent(world, "--once") as process:
        assert process.wait(20) == 0

    (operation,) = world.server.operations()
    assert operation.body == rows(12).encode()


def test_a_second_signal_ends_at_once_and_loses_nothing(world: World) -> None:
    gate = gated(world)
    world.drop("agent_events.csv", rows(3))
    with agent(world) as process:
        assert gate.reached.wait(20)
        process.send_signal(signal.SIGTERM)
        pause = threading.Event()
        assert not pause.wait(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 130
    gate.open.set()
    assert len(world.work_files()) == 1


def test_a_killed_agent_goes_on_under_the_same_token_at_the_right_chunk(world: World) -> None:
    gate = gated(world, works, works)
    world.drop("agent_events.csv", rows(22))
    with agent(world) as process:
        assert gate.reached.wait(20)
        process.kill()
    gate.open.set()  # the server takes the chunk whose sender is dead
    until(lambda: len(world.server.operations()[0].chunks) == 3)
    with agent(world, "--once") as process:
        assert process.wait(20) == 0

    (operation,) = world.server.operations()
    assert operation.completed
    # The third chunk's answer never came: it is there twice, and every other chunk once.
    assert operation.chunks == [
        operation.body[:100],
        operation.chunks[1],
        *[operation.chunks[2]] * 2,
        *operation.chunks[4:],
    ]
    assert b"".join(dict.fromkeys(operation.chunks)) == rows(22).encode()


def test_only_one_agent_runs_with_a_state_folder(world: World) -> None:
    with agent(world) as process:
        until(lambda: "watches" in log_of(world))
        second = watcher(world, "run", "--once")

        assert second.returncode == 1
        assert f"process {process.pid}" in second.stderr
        assert "Traceback" not in second.stderr


def test_status_and_history_tell_from_outside_what_the_agent_does(world: World) -> None:
    world.server.always = answer(503, Retry_After="1")
    world.settings["upload"]["retry_cap"] = "1s"
    world.drop("agent_events_1.csv", rows(3))
    world.drop("agent_events_2.csv", rows(3))
    with agent(world):
        until(lambda: json.loads(watcher(world, "status", "--json").stdout)["held"])
        found = watcher(world, "status", "--json")
        table = watcher(world, "status")

    told = json.loads(found.stdout)
    assert found.returncode == table.returncode == 1
    assert told["running"] is True
    (held,) = told["held"]
    assert held["target"] == world.server.url
    assert "503" in held["reason"]
    assert held["since"].endswith("Z")
    assert [row["name"] for row in told["under_way"]] == ["agent_events_1.csv"]
    (waiting,) = told["waiting"]
    assert waiting["name"] == "agent_events_2.csv"
    assert "behind another file" in waiting["why"]
    assert "agent_events_2.csv" in table.stdout
    assert json.loads(watcher(world, "status", "--json").stdout)["running"] is False


def test_status_tells_of_a_file_that_waits_as_soon_as_a_look_found_it(world: World) -> None:
    world.settings["settle"]["quiet"] = "1h"
    with agent(world):
        until(lambda: "watches" in log_of(world))
        world.drop("agent_events.csv", rows(3))
        until(lambda: [row["why"] for row in json.loads(watcher(world, "status", "--json").stdout)["waiting"]]
              == ["still being written"])  # fmt: skip


def test_a_server_that_stops_and_returns_is_a_hold_with_one_line_at_each_end(world: World) -> None:
    world.settings["upload"]["retry_cap"] = "100ms"
    port = int(world.server.url.rpartition(":")[2])
    world.server.stop()
    world.drop("agent_events.csv", rows(12))
    with agent(world) as process:
        until(lambda: "holding" in log_of(world))
        with Server(port=port) as back:
            until(lambda: world.files("done"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            (operation,) = back.operations()
            assert operation.body == rows(12).encode()
    assert log_of(world).count("holding") == 1
    assert log_of(world).count("is back after") == 1


def test_a_file_that_a_program_has_open_for_writing_is_not_taken(world: World) -> None:
    with (world.path("drop") / "agent_events.csv").open("w") as writer:
        writer.write(rows(3))
        writer.flush()
        assert world.run_once(patience=0.4) == 4
        assert world.server.operations() == []
        writer.write(rows(3))
    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == (rows(3) * 2).encode()


def test_two_agents_share_a_drop_folder_and_each_file_is_sent_once(world: World) -> None:
    for number in range(40):
        world.drop(f"agent_events_{number}.csv", rows(1) + f"{number},1\n")
    first = dict(world.settings["folders"])
    world.settings["folders"] = first | {"state": "state-2"}
    second_settings = world.root / "second.yaml"
    second_settings.write_text(world.config.read_text())
    world.settings["folders"] = first
    with agent(world, "--once") as one:
        command = [sys.executable, "-m", "watcher", "run", "--once", "-c", str(second_settings)]
        two = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        assert (one.wait(30), two.wait(30)) == (0, 0)

    assert len(world.files("done")) == len(world.completed()) == 40
    assert len({operation.body for operation in world.completed()}) == 40


def test_the_client_secret_is_in_nothing_that_is_written(world: World) -> None:
    world.server.script.extend([answer(500), answer(400, "no")])
    world.drop("agent_events_1.csv", rows(3))
    world.drop("agent_events_2.csv", rows(3))
    with agent(world, "--once", "-v", "--log-format", "json") as process:
        assert process.wait(20) == 1

    text = log_of(world)
    assert all(json.loads(line)["event"] for line in text.splitlines())
    secret = world.settings["wfm"]["client_secret"].encode()
    for path in world.root.rglob("*"):
        if path.is_file() and path.name not in ("config.yaml", "second.yaml"):
            assert secret not in path.read_bytes(), path
            assert b"eyJ" not in path.read_bytes(), path
    assert os.stat(world.path("state")).st_mode & 0o777 == 0o700
    for path in world.path("state").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
