"""Commands whose output nobody reads to its end: `watcher history | head -1`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import World, rows

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGPIPE")


def into_closed_pipe(world: World, *arguments: str) -> tuple[int, str]:
    """The exit code, and what is said on stderr, of a command whose standard output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "watcher", *arguments, "-c", str(world.config)]
        found = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writer)
    return found.returncode, found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("history",),
        ("history", "--json"),
        ("status",),
        ("status", "--json"),
        ("status", "--watch", "0.2"),
        ("explain", "drop/agent_events.csv"),
        ("check", "--offline"),
        ("retry", "--all"),
        ("manual",),
        ("manual", "files"),
        ("service", "prometheus"),
        ("history", "--help"),
    ],
    ids=" ".join,
)
def test_a_command_ends_without_a_word_as_by_sigpipe(world: World, arguments: tuple[str, ...]) -> None:
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0
    path = str(world.drop("agent_events.csv", rows(2)))
    arguments = tuple(path if "agent_events" in word else word for word in arguments)

    assert into_closed_pipe(world, *arguments) == (141, "")


def test_an_upload_of_which_nobody_reads_is_not_said_to_be_well(world: World) -> None:
    world.path("agent_events.csv").write_text(rows(2))

    code, err = into_closed_pipe(world, "upload", str(world.path("agent_events.csv")))

    assert (code, err) == (141, "")
    assert [row["state"] for row in world.history()] == ["done"]


def test_wrong_settings_are_told_all_the_same(world: World) -> None:
    world.settings["tenantt"] = "x"

    code, err = into_closed_pipe(world, "status")

    assert code == 1
    assert "tenantt" in err
