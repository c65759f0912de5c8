"""What commands look like on a terminal: what fits, in which colours; and that a pipe gets all, plain."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.conftest import World, rows
from tests.forked import run
from watcher.commands.table import cut_name, laid_out
from watcher.commands.terminal import local_time

if os.name == "nt":
    pytest.skip("there are no pseudo terminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

LONG = "agent_events_of_the_very_long_night_shift_in_the_second_house_2026-11-24.csv"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """A command on a pseudo terminal of its own."""

    def __init__(self, world: World, *arguments: str, columns: int = 80, **environ: str) -> None:
        command = [sys.executable, "-m", "watcher", *arguments, "-c", str(world.config)]
        unset = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
        env = {key: value for key, value in os.environ.items() if key not in unset}
        env |= {"TERM": "xterm-256color"} | environ
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            os.execve(command[0], command, env)
        self.text = ""

    def until(self, words: str) -> None:
        """Read on until it said so."""
        while words not in self.text:
            read = self._read()
            assert read, self.text
            self.text += read

    def ended(self) -> int:
        """Read to the end; returns its exit code."""
        while read := self._read():
            self.text += read
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> str:
        try:
            return os.read(self._terminal, 65536).decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # on Linux: the other end is closed
            return ""


@pytest.fixture
def after_some(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Files were delivered, one failed, one waits; and the clock on the wall is not UTC."""
    monkeypatch.setenv("TZ", "XYZ-05:30")
    world.drop(LONG, rows(2))
    world.drop("agent_events_bad.csv", b'a,1\nb,"2\n')
    assert world.run_once() == 1
    world.drop("agent_events_" + LONG, rows(2))
    return world


@pytest.mark.parametrize("command", ["status", "history"])
def test_at_80_columns_no_line_is_longer_and_the_names_keep_their_ends(
    after_some: World, command: str
) -> None:
    screen = Screen(after_some, command)
    screen.ended()

    text = _COLOURS.sub("", screen.text)
    tables = [line for line in text.splitlines() if not line.startswith("mend and drop")]
    assert max(map(cell_len, tables)) <= 80
    assert re.search(r"agent_eve\S*…\S*24\.csv", text)
    assert "line 2: the quote that opens here is never closed" in text


@pytest.mark.parametrize("command", ["status", "history"])
def test_a_pipe_gets_whole_names_local_times_and_no_colours_and_json_stays_utc(
    after_some: World, command: str
) -> None:
    piped = run(command, "-c", str(after_some.config)).stdout
    data = json.loads(run(command, "--json", "-c", str(after_some.config)).stdout)

    assert LONG in piped
    assert "\x1b" not in piped
    [row] = [row for row in (data["last"] if command == "status" else data) if row["name"] == LONG]
    at = row["finished_at" if command == "status" else "started_at"]
    assert at.endswith("Z")
    assert local_time(at) not in piped  # this process has the clock of the machine
    assert "UTC+05:30" in piped
    assert len(re.findall("UTC", piped)) == 1


def test_problems_are_red_what_is_well_is_green_and_a_table_is_plain_where_no_colours_are_wanted(
    after_some: World,
) -> None:
    coloured = Screen(after_some, "history")
    plain = [Screen(after_some, "history", NO_COLOR="1"), Screen(after_some, "history", TERM="dumb")]

    for screen in (coloured, *plain):
        assert screen.ended() == 0
    assert "\x1b[31mfailed\x1b[0m" in coloured.text
    assert "\x1b[32mdone\x1b[0m" in coloured.text
    assert not any(_COLOURS.search(screen.text) for screen in plain)


def test_a_pipe_has_colours_where_they_are_forced_and_the_width_of_a_pipe(
    after_some: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    found = run("history", "-c", str(after_some.config)).stdout

    assert "\x1b[31mfailed\x1b[0m" in found
    assert LONG in found


def test_watched_status_is_drawn_anew_until_ctrl_c_which_is_no_fault(after_some: World) -> None:
    screen = Screen(after_some, "status", "--watch", "0.2")
    screen.until("last outcomes")
    screen.text = ""
    screen.until("not running")
    screen.text = ""
    screen.until("last outcomes")
    os.kill(screen.pid, signal.SIGINT)

    assert screen.ended() == 0
    assert screen.text.endswith("\x1b[?1049l\x1b[?25h"), "the screen from before is not back"


@pytest.mark.parametrize("wrong", [("5",), ("--watch", "--json"), ("--watch", "0"), ("--watch", "soon")])
def test_what_cannot_be_watched_is_wrong_usage(world: World, wrong: tuple[str, ...]) -> None:
    assert run("status", *wrong, "-c", str(world.config)).returncode == 2


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [
        ("short.csv", 12, "short.csv"),
        ("agent_events_of_the_day.csv", 16, "agent_…e_day.csv"),
        ("no_extension_but_a_long_name", 12, "no_ext…_name"),
        ("a.dot.that.is_no_extension_at_all", 12, "a.dot.…t_all"),
        ("日本語日本語日本語日本語.csv", 14, "日本 …本語.csv"),
    ],
)
def test_a_name_is_cut_in_its_middle_and_keeps_its_extension(name: str, width: int, shown: str) -> None:
    assert cut_name(name, width) == shown
    assert cell_len(shown) <= width


def test_a_table_that_has_room_keeps_all_in_columns_and_one_that_has_none_puts_words_beneath() -> None:
    rows_ = [("a_long_name_of_a_file.csv", 1234, "a reason of quite some words")]
    columns = ("name", "bytes", "reason")

    wide = [line.plain for line in laid_out(columns, rows_, 80, names=("name",), beneath={"reason": ""})]
    narrow = [line.plain for line in laid_out(columns, rows_, 24, names=("name",), beneath={"reason": "- "})]

    assert wide == [
        "name                       bytes  reason",
        "a_long_name_of_a_file.csv  1,234  a reason of quite some words",
    ]
    assert narrow == [
        "name               bytes",
        "a_long…a_file.csv  1,234",
        "    - a reason of quite",
        "    some words",
    ]


COMMANDS = (
    "init",
    "run", "check", "upload", "explain", "status", "history", "retry", "withdraw", "journal", "service",
    "sandbox", "demo", "manual",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_has_no_types_no_brackets_of_the_library_and_no_empty_defaults(command: str) -> None:
    text = run(command, "--help", cwd=Path("/")).stdout

    assert f"watcher {command} [OPTIONS]" in text
    for noise in ("<", "{", "required", "(60s)", "None", "x>=", "[env"):
        assert noise not in text


def test_the_list_of_commands_says_of_each_a_whole_sentence() -> None:
    text = run("--help", cwd=Path("/")).stdout.partition("Commands:")[2]

    assert "..." not in text
    assert set(re.findall(r"(?m)^  (\w+) ", text)) == set(COMMANDS)
