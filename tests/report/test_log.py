"""The log: one line an event whatever the names hold, lines that machines can read, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from loguru import logger

from tests.conftest import SECRET, Server
from tests.made import made_row
from watcher.core.events import (
    ChunkSent,
    Claimed,
    Crashed,
    Event,
    FileDelivered,
    FileFailed,
    FileReturned,
    FileVanished,
    FolderCreated,
    HoldBegan,
    HoldEnded,
    LargeBegan,
    Progressed,
    Resumed,
    SmallerChunks,
    Started,
    StartedOver,
    Stopped,
    Stuck,
    StuckEnded,
    TryingAgain,
    Warned,
)  # fmt: skip
from watcher.core.model import FileState, Fingerprint, Row
from watcher.core.target import Target
from watcher.report import log

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HOSTILE = [
    "two\nlines.csv",
    "return\rline.csv",
    "\x1b[2J\x1b[31mred.csv",
    "{0} {name} {extra[line]} {{}}.csv",
    "<red>markup</red> </>.csv",
    "%s %(name)s.csv",
    "\udcff\udc80.csv",  # bytes that are no UTF-8, as os.scandir gives them
    "\ud800.csv",
    "\u2028\u2029\x85.csv",
    "\u202egnp.csv",  # writes from right to left
    "n" * 4096,
    "",
]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    logger.remove()
    logging.basicConfig(handlers=[], force=True)


def entry(name: str) -> Row:
    return made_row(
        FileState.SENDING,
        name=name,
        source=f"/drop/.uploading/{name}",
        route="agent-events",
        acd_type="genesis",
        push_token="3f0e8a52-92f4-4a0e-8a3c-3d5f2f3f5a11",
        fingerprint=Fingerprint(1, 2, 30, 4),
        chunks=2,
        target=f"/done/{name}",
        reason=f"the server refused {name}",
        what_to_do="mend it",
        note=name,
    )


EVENTS: list[Callable[[str], Event]] = [
    lambda name: Started(f"/{name}", name, "1", 2, name),
    Stopped,
    Warned,
    lambda name: FolderCreated(f"/{name}"),
    lambda name: Resumed(entry(name)),
    lambda name: Claimed(entry(name)),
    lambda name: ChunkSent(entry(name), 0, 9, True),
    lambda name: LargeBegan(entry(name), 1000, 30),
    lambda name: Progressed(entry(name), 10, 1000, 1.5),
    lambda name: FileDelivered(entry(name), 1.23456),
    lambda name: FileFailed(entry(name)),
    lambda name: FileReturned(entry(name)),
    lambda name: FileVanished(entry(name)),
    lambda name: HoldBegan(Target("server", name), name, name, 1),
    lambda name: HoldEnded(Target("server", name), name, NOW, 1, 2),
    lambda name: HoldEnded(Target("server", name), name, NOW, 1, 2, is_back=False),
    lambda name: TryingAgain(entry(name), name, 1, 2),
    lambda name: Stuck(name, name, name, NOW, (name, name), 3),
    lambda name: StuckEnded(name, 1),
    lambda name: SmallerChunks(name, 16384),
    lambda name: StartedOver(entry(name)),
]


def of_a_library(name: str) -> None:
    logging.getLogger("watchdog").warning("overflow %s {}", name)


SAID: list[Callable[[str], None]] = [
    *((lambda name, event=event: log.hear(event(name))) for event in EVENTS),
    of_a_library,
]


def crash(message: str = "boom") -> None:
    """A fault of ours in a frame that knows the secret."""
    client_secret = SECRET
    try:
        raise RuntimeError(message) from KeyError(len(client_secret))
    except RuntimeError as error:
        log.hear(Crashed("the upload of row 1", error))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_every_event_is_one_printable_line(name: str) -> None:
    out = io.StringIO()
    log.setup("debug", stream=out)
    for number, say in enumerate(SAID, 1):
        say(name)

        lines = out.getvalue().split("\n")
        assert (len(lines), lines[-1]) == (number + 1, "")
        assert lines[-2].isprintable()
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ +", lines[-2])
    out.getvalue().encode()


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_every_json_line_parses_and_has_the_same_four_fields(name: str) -> None:
    out = io.StringIO()
    log.setup("debug", style="json", stream=out)
    for say in SAID:
        say(name)
    crash()

    lines = out.getvalue().encode().decode().split("\n")
    assert len(lines) == len(SAID) + 2
    assert lines.pop() == ""
    for line in lines:
        record = json.loads(line)
        assert {"time", "level", "event", "message"} <= set(record)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", record["time"])
        assert record["level"] in ("debug", "info", "warning", "error", "critical")
        assert record["event"]
        assert record["message"].isprintable()


def test_json_lines_carry_the_values_by_name() -> None:
    out = io.StringIO()
    log.setup(style="json", stream=out)

    log.hear(FileDelivered(entry("a.csv"), 1.5))

    record = json.loads(out.getvalue())
    assert (record["level"], record["event"]) == ("info", "delivered")
    assert (record["name"], record["bytes"], record["chunks"], record["seconds"]) == ("a.csv", 30, 2, 1.5)
    assert record["push_token"] == "3f0e8a52-92f4-4a0e-8a3c-3d5f2f3f5a11"


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_shows_no_values(style: str, tmp_path: Path) -> None:
    out = io.StringIO()
    log.setup("debug", style=style, stream=out, file=tmp_path / "watcher.log")

    crash()

    for text in (out.getvalue(), (tmp_path / "watcher.log").read_text()):
        assert "a fault of watcher itself" in text
        assert "RuntimeError: boom" in text
        assert "KeyError" in text  # the cause too
        assert "test_log.py" in text
        assert SECRET not in text


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_crash_over_a_strange_name_reaches_the_file_as_well(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints = io.StringIO()
    monkeypatch.setattr(sys, "stderr", complaints)  # loguru's own complaints go there
    log.setup(style=style, stream=io.StringIO(), file=tmp_path / "watcher.log")

    crash("no such file: \udcff.csv")

    assert ascii(complaints.getvalue()) == "''"
    assert "no such file: " in (tmp_path / "watcher.log").read_text(encoding="utf-8")


def test_under_journald_each_line_begins_with_its_priority(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    log.setup("debug")

    log.hear(Claimed(entry("a\nb.csv")))
    log.hear(Stopped("asked to"))
    log.hear(Warned("careful"))
    log.hear(FileFailed(entry("a.csv")))

    lines = capsys.readouterr().err.splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>"]
    assert lines[2] == "<4>careful"


def test_under_journald_the_lines_of_a_traceback_have_a_priority_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else journald files them as informational, apart from the error that they explain."""
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    log.setup()

    crash()

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 3
    assert {line[:3] for line in lines if line} == {"<2>"}


def test_a_stream_of_ones_own_gets_no_journald_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    out = io.StringIO()
    log.setup(stream=out)

    log.hear(Warned("careful"))

    assert out.getvalue().endswith("WARNING  careful\n")


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["claimed", "stopped", "careful", "failed"]),
        ("info", ["stopped", "careful", "failed"]),
        ("warning", ["careful", "failed"]),
        ("error", ["failed"]),
    ],
)
def test_the_level_leaves_out_what_is_below(level: str, seen: list[str]) -> None:
    out = io.StringIO()
    log.setup(level, stream=out)

    log.hear(Claimed(entry("a.csv")))
    log.hear(Stopped("asked to"))
    log.hear(Warned("careful"))
    log.hear(FileFailed(entry("a.csv")))

    lines = out.getvalue().splitlines()
    assert len(lines) == len(seen)
    assert all(word in line for word, line in zip(seen, lines, strict=True))


def test_the_file_is_rotated_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    log.setup(stream=io.StringIO(), file=tmp_path / "logs" / "watcher.log", rotate_bytes=1000, keep=2)

    for number in range(200):
        log.hear(Warned(f"sentence {number:03} {'x' * 60}"))

    files = sorted((tmp_path / "logs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert (tmp_path / "logs" / "watcher.log") in files
    assert 2 <= len(files) <= 3
    assert all(path.stat().st_size <= 1000 for path in files)
    numbers = sorted(
        int(number) for path in files for number in re.findall(r"sentence (\d+)", path.read_text())
    )
    assert numbers == list(range(numbers[0], 200))


def test_a_log_that_cannot_be_written_does_not_stop_the_agent(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    log.setup(stream=Full())

    log.hear(Warned("careful"))

    assert "No space left" in capsys.readouterr().err


def test_setting_up_twice_does_not_write_twice() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.setup(stream=first)
    log.setup(stream=second)

    log.hear(Warned("careful"))
    logging.getLogger("httpx").warning("more")

    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2


@pytest.mark.parametrize("library", ["httpx", "httpcore.connection", "watchdog.observers.inotify_c"])
def test_warnings_of_the_libraries_arrive_and_their_chatter_does_not(library: str, lines: list[str]) -> None:
    logging.getLogger(library).debug("no")
    logging.getLogger(library).info("no")
    logging.getLogger(library).warning("event queue overflowed: %d {name}", 7)
    logging.getLogger(library).error("worse")

    assert [line.partition(" ")[2][13:] for line in lines] == [
        f"WARNING  {library}: event queue overflowed: 7 {{name}}",
        f"ERROR    {library}: worse",
    ]


def test_a_request_logs_neither_its_url_nor_its_token(server: Server, lines: list[str]) -> None:
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer token"}) as client:
        client.get(f"{server.url}/?pushToken=1")

    assert lines == []


def test_the_log_goes_to_standard_error_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup()

    log.hear(Warned("careful"))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("WARNING  careful\n")
    assert "\x1b" not in captured.err


class _Terminal(io.StringIO):
    """Somewhere that people look at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "on_terminal", "in_pipe"),
    [
        ({}, True, False),
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_for_terminals_and_for_who_wants_them(
    environ: dict[str, str], on_terminal: bool, in_pipe: bool
) -> None:
    assert log.wants_colours(_Terminal(), {"WT_SESSION": "x"} | environ) is on_terminal
    assert log.wants_colours(io.StringIO(), {"WT_SESSION": "x"} | environ) is in_pipe


def test_on_a_terminal_the_level_has_the_colour_and_the_file_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "JOURNAL_STREAM"):
        monkeypatch.delenv(name, raising=False)
    out = _Terminal()
    log.setup(stream=out, file=tmp_path / "watcher.log")

    log.hear(FileFailed(entry("a.csv")))
    log.hear(HoldBegan(Target("server", "x"), "down", "", 1))
    log.hear(FileDelivered(entry("a.csv"), 1))
    log.hear(Stopped("told to"))

    red, amber, green, plain = out.getvalue().splitlines()
    assert " \x1b[31mERROR   \x1b[0m " in red
    assert " \x1b[33mWARNING \x1b[0m " in amber
    assert " \x1b[32mINFO    \x1b[0m " in green
    assert "\x1b" not in plain
    assert "\x1b" not in (tmp_path / "watcher.log").read_text()
