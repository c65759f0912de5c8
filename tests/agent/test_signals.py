"""Signals to `watcher run` from its first moment on, and to `run --once`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.agent.test_agent import agent, gated, log_of, until
from tests.agent.test_reload import TOLD, end
from tests.conftest import World, rows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
# The command, that stops where it imports a module until it reads a line.
STOPS_AT = """
import sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {at!r}:
            print("there", flush=True)
            sys.stdin.readline()
sys.meta_path.insert(0, Stop())
sys.argv = ["watcher", "run", "-c", {settings!r}]
from watcher.{entry} import main
main()
"""
EARLY = [("__main__", "typer"), ("__main__", "watcher.commands.run"), ("cli", "watcher.commands.run")]


@contextmanager
def stopped_at(world: World, entry: str, at: str) -> Iterator[subprocess.Popen[str]]:
    """`watcher run`, by this entry, at the moment when it is about to import a module."""
    code = STOPS_AT.format(at=at, entry=entry, settings=str(world.config))
    with (
        (world.root / "agent.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield process
        finally:
            process.kill()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("entry", "at"), EARLY)
def test_told_to_stop_while_it_starts_it_ends_at_once_and_well(
    world: World, entry: str, at: str, number: signal.Signals
) -> None:
    with stopped_at(world, entry, at) as process:
        process.send_signal(number)
        assert process.wait(10) == 0

    assert log_of(world) == ""


@pytest.mark.parametrize(("entry", "at"), EARLY)
def test_sighup_before_the_settings_are_read_changes_nothing(world: World, entry: str, at: str) -> None:
    world.drop("agent_events.csv", rows(2))
    with stopped_at(world, entry, at) as process:
        process.send_signal(signal.SIGHUP)
        go_on(process)
        until(lambda: world.files("done"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert TOLD not in log_of(world)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_heard_while_the_settings_are_read(world: World, number: signal.Signals) -> None:
    """A reload that is asked for then is made up for: what was read may be what was there before."""
    text, path, fresh = world.config.read_text(), world.path("pipe.yaml"), world.config
    os.mkfifo(path)
    with agent(world, "-c", str(path)) as process:
        writer = os.open(path, os.O_WRONLY)  # it reads
        process.send_signal(number)
        if number == signal.SIGHUP:
            fresh.rename(path)
            os.write(writer, text.encode())
            os.close(writer)
            until(lambda: TOLD in log_of(world))
            end(process)
        else:
            assert process.wait(10) == 0
            os.close(writer)
            assert log_of(world) == ""


def test_sighup_does_not_end_what_ends_by_itself(world: World) -> None:
    gate = gated(world)
    world.drop("agent_events.csv", rows(3))
    with agent(world, "--once") as process:
        assert gate.reached.wait(20)
        process.send_signal(signal.SIGHUP)
        gate.open.set()
        assert process.wait(20) == 0

    assert list(world.files("done")) == ["agent_events.csv"]
    assert TOLD not in log_of(world)


def test_a_terminal_that_is_closed_while_it_starts_ends_it(world: World) -> None:
    master, slave = os.openpty()
    os.mkfifo(path := world.path("pipe.yaml"))
    command = [sys.executable, "-m", "watcher", "run", "-c", str(path)]
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        os.close(slave)
        writer = os.open(path, os.O_WRONLY)
        os.close(master)  # hung up
        process.send_signal(signal.SIGHUP)
        assert process.wait(10) == 0
        os.close(writer)
    finally:
        process.kill()
        process.wait()
