"""What systemd hears from the agent, on a real datagram socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.test_agent import log_of, until
from tests.conftest import World
from watcher.agent.systemd import Supervisor

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd's socket is a Unix socket")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The end that listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(10)
        yield end


def test_a_running_agent_says_ready_alive_and_stopping(world: World, systemd: socket.socket) -> None:
    environ = os.environ | {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "60000000"}
    command = [sys.executable, "-m", "watcher", "run", "-c", str(world.config)]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            heard = [systemd.recv(1000).decode()]
            heard.append(systemd.recv(1000).decode())
            process.send_signal(signal.SIGTERM)
            while "STOPPING" not in heard[-1]:
                heard.append(systemd.recv(1000).decode())
            _, log = process.communicate(timeout=10)
        finally:
            process.kill()

    assert heard[0] == "READY=1\nWATCHDOG=1"
    assert set(heard[1:-1]) == {"WATCHDOG=1"}
    assert heard[-1] == "STOPPING=1\nWATCHDOG=1"
    assert process.returncode == 0
    assert "WatchdogSec" not in log


def test_an_agent_whose_state_folder_is_away_is_ready_too_for_it_holds(
    world: World, systemd: socket.socket
) -> None:
    world.path("state").rmdir()
    world.path("state").write_text("no folder")
    environ = os.environ | {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "3000000"}
    command = [sys.executable, "-m", "watcher", "run", "-c", str(world.config)]
    with (
        (world.root / "agent.log").open("wb") as log,
        subprocess.Popen(command, env=environ, stderr=log) as process,
    ):
        try:
            assert systemd.recv(1000) == b"READY=1\nWATCHDOG=1"
            until(lambda: "holding folder" in log_of(world))
        finally:
            process.kill()

    assert "WatchdogSec=3 is too short" in log_of(world)


def test_it_tells_no_more_than_once_a_second_however_fast_the_loop_turns(systemd: socket.socket) -> None:
    clock = [100.0]
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname()}, clock=lambda: clock[0])
    for _ in range(50):
        supervisor.alive()
        clock[0] += 0.1
    systemd.setblocking(False)
    heard = [systemd.recv(100).decode() for _ in range(5)]
    with pytest.raises(BlockingIOError):
        systemd.recv(100)

    assert heard[0] == "READY=1\nWATCHDOG=1"
    assert heard[1:] == ["WATCHDOG=1"] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's own")
def test_an_abstract_socket_is_reached_by_its_name_with_an_at() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0watcher-test-{os.getpid()}")
        end.settimeout(5)
        Supervisor({"NOTIFY_SOCKET": f"@watcher-test-{os.getpid()}"}).alive()

        assert end.recv(100) == b"READY=1\nWATCHDOG=1"


def test_without_systemd_or_with_its_socket_gone_nothing_happens(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "/" + "x" * 500}):
        supervisor = Supervisor(environ)
        supervisor.alive()
        supervisor.stopping()

    assert Supervisor({"WATCHDOG_USEC": "junk"}).watchdog_seconds is None


def test_a_reader_that_is_full_does_not_stop_the_main_loop(systemd: socket.socket) -> None:
    clock = [0.0]
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname()}, clock=lambda: clock[0])
    for _ in range(5000):
        clock[0] += 2
        supervisor.alive()

    assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
