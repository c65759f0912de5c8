"""File names are data: hostile ones go every way that a file can go, and every command takes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.conftest import World, rows

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such names, links and pipes")

LONGEST = 255
ODD = ["\x01\x07", "a\nERROR forged", "a\r\nb", "\t", "\x7f", "\x1b[31mred", "\x85", "\u2028", "\u202etxt"]
ODD += ["\u200b", "\U0001f600", "\\n", "a\\b", "{0}", "{name}", "%s%n", "[red]", "[blink]", "<b>"]
ODD += ["'; --", "$(id)", "*?", "CON"]
NAMES = [
    *(f"agent_events_{odd}.csv" for odd in ODD),
    os.fsdecode(b"agent_events_m\xfcller.csv"),
    os.fsdecode(b"agent_events_\xff\xfe\x80.csv"),
    os.fsdecode(b"\xed\xa0\x80.csv"),  # a surrogate in UTF-8's clothes
    unicodedata.normalize("NFC", "agent_events_Zürich.csv"),
    unicodedata.normalize("NFD", "agent_events_Zürich.csv"),
    *("CON", "nul.csv", "COM1", "aux.", "agent_events.csv.", "agent_events.csv ", " ", "con ."),
    *("-rf", "--all", "-c", "--", "-", "a:b", "C:\\x.csv", "x.csv.error.txt", "Thumbs.db"),
    "agent_events_" + "x" * (LONGEST - 17) + ".csv",
    "agent_events_" + "x" * (LONGEST - 18) + "y.csv",  # its report's name is cut to the same one
    "ü" * 125 + ".csv",  # cut in the middle of a character, were it cut by bytes
    os.fsdecode(b"\xfc" * 251) + ".csv",
    "x" * LONGEST,
    "agent_events." + "csv" * 80,
    "agent_events_" + "z" * 225 + ".csv",  # fits with a stamp or with a report, not with both
]  # fmt: skip
BAD = b'"'
Files = dict[str, bytes]


@pytest.fixture
def anything(world: World) -> World:
    """A world whose one route takes every name."""
    route = {"name": "all", "match": "*", "endpoint": "agent-events", "acd_type": "genesis"}
    world.settings |= {"routes": [route]}
    world.settings["settle"]["ignore"] = []
    return world


def contents(*, bad: bool = False) -> Files:
    """Every hostile name with content of its own."""
    return {name: b"file,%d\n" % number + BAD * bad for number, name in enumerate(NAMES)}


def drop_all(world: World, files: Files) -> None:
    for name, content in files.items():
        world.drop(name, content)


def command(world: World, *arguments: str | Path, cwd: Path | None = None) -> str:
    """Run a command; it must end with 0 and say nothing that only a terminal or a debugger would read."""
    found = run(world, *arguments, cwd=cwd)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


def run(world: World, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    name, *others = map(str, arguments)
    words = [sys.executable, "-m", "watcher", name, "-c", str(world.config), *others]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "100"}
    found = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=50, check=False, env=environment
    )
    for said in (found.stdout, found.stderr):
        assert "Traceback" not in said
        assert all(char.isprintable() or char in "\n\t" for char in said), said
    return found


def places(world: World) -> Counter[bytes]:
    """How often each content is anywhere; reports do not count."""
    reports = {path for path in world.path("failed").iterdir() if path.read_bytes().startswith(b"file: ")}
    found = [
        path for name in ("drop", "done", "failed") for path in world.path(name).rglob("*") if path.is_file()
    ]
    assert all(len(os.fsencode(path.name)) <= LONGEST for path in found)
    return Counter(path.read_bytes() for path in found if path not in reports)


def assert_plain(lines: list[str]) -> None:
    """Each event is one line, and no line does anything to a terminal."""
    assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()]


def assert_told(world: World, state: str, count: int) -> None:
    """Status and history know all of them, in words and as JSON."""
    status = run(world, "status", "--json")
    assert status.returncode == run(world, "status").returncode == 1  # no agent runs
    assert len(json.loads(status.stdout)["last"]) == 10
    told = json.loads(command(world, "history", "--json"))
    assert [row["state"] for row in told] == [state] * count
    table = command(world, "history")
    assert len(re.findall("^2", table, re.MULTILINE)) == count
    assert "Zürich" in table


def test_good_files_of_any_name_arrive_and_are_in_done(anything: World, lines: list[str]) -> None:
    files = contents()
    drop_all(anything, files)
    told = json.loads(run(anything, "status", "--json").stdout)
    assert told["waiting_count"] == len(told["waiting"]) == len(NAMES)
    assert "[red]" in command(anything, "explain", "--", *NAMES, cwd=anything.path("drop"))

    assert anything.run_once() == 0

    assert anything.files("done") == files
    assert places(anything) == Counter(files.values())
    assert sorted(operation.body for operation in anything.completed()) == sorted(files.values())
    assert_plain(lines)
    assert_told(anything, "done", len(NAMES))


def test_bad_files_of_any_name_fail_with_a_report_and_retry_brings_them_back(
    anything: World, lines: list[str]
) -> None:
    files = contents(bad=True)
    drop_all(anything, files)
    found = run(anything, "explain", "--", *NAMES, cwd=anything.path("drop"))
    assert found.returncode == 1
    assert found.stdout.count("never closed") == len(NAMES)

    assert anything.run_once() == 1

    assert places(anything) == Counter(files.values())
    assert anything.files("drop") == {}
    reports = [text for text in anything.files("failed").values() if text.startswith(b"file: ")]
    assert len(reports) == len(NAMES)
    assert all(text.count(b"\r\n") == text.count(b"\n") == 10 for text in reports)
    assert all("line 2" in yaml.safe_load(text)["reason"] for text in reports)
    assert_plain(lines)
    assert_told(anything, "failed", len(NAMES))
    some = NAMES[::2]  # names as they are, dashes and all
    command(anything, "retry", "--", *some)
    assert anything.files("drop") == {name: files[name] for name in some}
    command(anything, "retry", "--all")
    assert anything.files("drop") == files
    assert anything.files("failed") == {}


@pytest.mark.parametrize("folder", ["done", "failed"])
def test_taken_names_are_never_overwritten_and_no_new_name_is_too_long(
    anything: World, lines: list[str], folder: str
) -> None:
    older = {name: b"older,%d\n" % number for number, name in enumerate(NAMES)}
    for name, content in older.items():
        (anything.path(folder) / name).write_bytes(content)
    files = contents(bad=folder == "failed")
    drop_all(anything, files)

    assert anything.run_once() == (folder == "failed")

    assert places(anything) == Counter([*older.values(), *files.values()])
    assert older.items() <= anything.files(folder).items()
    assert_plain(lines)
    if folder == "failed":
        command(anything, "retry", "--all")
        assert anything.files("failed") == {}
        assert places(anything) == Counter([*older.values(), *files.values()])


def test_files_of_any_name_are_sent_by_hand_and_stay(anything: World) -> None:
    files = contents()
    folder = anything.path("elsewhere")
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)

    told = command(anything, "upload", "--", *NAMES, cwd=folder)

    assert len(re.findall(r"(?m)^delivered\t.*\tin 1 chunk", told)) == len(NAMES)
    assert anything.files("elsewhere") == files
    assert sorted(operation.body for operation in anything.completed()) == sorted(files.values())


@pytest.mark.parametrize("name", ["..csv", ".agent_events.csv", "...", "~x"])
def test_a_name_with_a_dot_first_is_like_any_other_where_the_settings_do_not_ignore_it(
    anything: World, name: str
) -> None:
    anything.drop(name, BAD)

    assert anything.run_once() == 1
    assert anything.files("failed")[name] == BAD
    command(anything, "retry", "--", name)

    assert anything.files("drop") == {name: BAD}


def test_a_failed_file_with_a_stamp_can_be_retried_however_long_its_extension(world: World) -> None:
    name = "a." + "x" * (LONGEST - 2)
    (world.path("failed") / name).write_bytes(b"older")
    world.drop(name, b"newer")

    assert world.run_once() == 1
    command(world, "retry", "--all")

    assert sorted(world.files("drop").values()) == [b"newer", b"older"]


def test_explain_takes_a_name_whose_marker_would_have_too_long_a_name(anything: World) -> None:
    anything.settings["routes"][0]["marker"] = ".ok"
    path = anything.drop("x" * LONGEST, rows(2))

    assert "waits for its marker" in command(anything, "explain", path)


def test_a_row_is_one_line_in_a_pipe_however_long_its_name_is_when_escaped(anything: World) -> None:
    anything.drop(os.fsdecode(b"\xfc" * LONGEST), rows(2))

    assert anything.run_once() == 0

    assert len(command(anything, "history").splitlines()) == 2


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_commands_work_where_the_output_cannot_show_a_name(
    world: World, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """A pipe on Windows, or on a Linux of the old days, is not UTF-8."""
    world.drop(name := "agent_events_агент.csv", BAD)
    assert world.run_once() == 1
    monkeypatch.setenv("PYTHONIOENCODING", encoding)

    assert run(world, "status").returncode == 1
    assert json.loads(run(world, "status", "--json").stdout)["last"][0]["name"] == name
    assert json.loads(command(world, "history", "--json"))[0]["name"] == name
    command(world, "history")
    assert run(world, "explain", world.path("failed") / name).returncode == 1
    command(world, "retry", name)
    assert world.files("drop") == {name: BAD}
