"""`watcher demo`: nothing is left behind, unless it is to stay; and its page shows every state."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import until
from watcher import web
from watcher.commands.demo import demo
from watcher.commands.terminal import Terminal
from watcher.core.errors import ConfigError

COMMAND = [sys.executable, "-m", "watcher", "demo"]


@contextmanager
def shown(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo with its page, and the page's address; killed at the end at the latest."""
    process = subprocess.Popen(
        [*COMMAND, "--web", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    assert process.stdout is not None
    try:
        text = ""
        while "status page" not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        yield process, text.split()[text.split().index("page:") + 1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def now(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{url}api/now", timeout=10) as answer:
            data: dict[str, Any] = json.loads(answer.read())
            return data
    except OSError:
        return {}


def test_with_keep_the_folder_stays_and_the_commands_that_are_printed_work_on_it(tmp_path: Path) -> None:
    found = subprocess.run(
        [*COMMAND, "--keep"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )

    [folder] = tmp_path.glob("watcher-demo-*")
    assert f"what to look at in {folder}:" in found.stdout
    assert {"done", "failed", "state", "config.yaml", "watcher.log"} <= {
        item.name for item in folder.iterdir()
    }
    said = {}
    for line in re.findall(r"(?m)^  (\S.* -c \S+config\.yaml)$", found.stdout):
        command = shlex.split(line)
        if "run" not in command:  # needs the stand-in
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", check=False)
            said[next(word for word in command if word in ("status", "history", "explain"))] = done
    assert set(said) == {"status", "history", "explain"}
    assert all(done.stderr == "" for done in said.values())
    assert "adherence_broken.csv" in said["status"].stdout
    assert "agent_events_full.csv" in said["history"].stdout
    assert "line 17" in said["explain"].stdout


def test_the_page_shows_every_state_and_ctrl_c_ends_the_demo_and_leaves_nothing(tmp_path: Path) -> None:
    seen: set[str] = set()

    with shown(tmp_path) as (process, url):

        def look() -> bool:
            data = now(url)
            seen.update(row["state"] for row in data.get("last", ()))
            seen.update("stuck" for row in data.get("waiting", ()) if row["stuck"])
            seen.update("held" for _ in data.get("held", ()))
            return seen >= {"done", "failed", "stuck", "held"}

        until(look, 90)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0

    assert list(tmp_path.iterdir()) == []
    assert now(url) == {}, "the agent is still there"


def agents_in(folder: Path) -> list[str]:
    """The processes that work with settings in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended just now
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if "watcher run" in line and str(folder) in line]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
@pytest.mark.parametrize("options", [(), ("--web",)])
def test_a_signal_ends_the_demo_and_its_agent_and_leaves_nothing(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        try:
            until(lambda: agents_in(tmp_path))
            process.send_signal(number)
            process.send_signal(number)  # as a terminal does that is closed
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()

    # To the page, Ctrl-C is how it is meant to end.
    assert process.returncode == (0 if options and number == signal.SIGINT else code)
    assert "Traceback" not in err
    assert agents_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


SIGNALLED = """\
import os, runpy, signal, subprocess, sys
class Popen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if options.get("start_new_session"):
            os.kill(os.getpid(), signal.SIGINT)
subprocess.Popen = Popen
runpy.run_module("watcher", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("options", "code"), [((), 130), (("--web",), 0)])
def test_ctrl_c_while_the_agent_is_started_ends_the_demo_as_it_does_later(
    tmp_path: Path, options: tuple[str, ...], code: int
) -> None:
    command = [sys.executable, "-c", SIGNALLED, "demo", *options]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"TMPDIR": str(tmp_path)}
    )

    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_page_ends_by_itself_after_so_many_seconds(tmp_path: Path) -> None:
    with shown(tmp_path, "--seconds", "0", "--keep") as (process, _url):
        assert process.stdout is not None
        text = process.stdout.read()
        assert process.wait(20) == 0

    assert text.endswith("The folder stays.\n")
    [folder] = tmp_path.iterdir()
    assert "stopped" in (folder / "watcher.log").read_text()


def test_without_the_packages_of_the_page_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PACKAGES", ("a_package_that_nobody_has",))

    with pytest.raises(
        ConfigError, match=r"--web: the status page needs .*pip install '\.\[web\]'"
    ) as raised:
        demo(Terminal(), web=True)
    assert "remove" not in str(raised.value)


def test_seconds_are_for_the_page_alone() -> None:
    found = subprocess.run([*COMMAND, "--seconds", "3"], capture_output=True, text=True, check=False)

    assert found.returncode == 2
    assert "--web" in found.stderr
