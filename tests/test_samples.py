"""The samples in the manual are what the commands say; `python -m tests.test_samples` writes them anew.

Times, ids, hashes, ports and speeds differ from run to run; a line `...` stands for any lines.
"""

from __future__ import annotations

import getpass
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.agent.test_agent import agent, log_of, until
from tests.conftest import Server, World, answer
from tests.forked import run
from watcher.manual import pages

SAMPLES = Path(pages.__file__).with_name("commands.md")
_BLOCK = re.compile(r"```console\n\$ watcher (.*?)\n(.*?)```", re.DOTALL)
_DIFFERS = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3})?Z?", "TIME"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\bUTC([+-]\d\d:\d\d)?", "ZONE"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\b\d+(\.\d+)? s\b", "SECONDS s"),
    (r"[\d-]+:[\d-]{2}:[\d-]{2}", "LEFT"),
    (r"watcher \d+\.\d+\.\d+", "watcher VERSION"),
    (r"(?m)^(ExecStart=:|RequiresMountsFor=|BindReadOnlyPaths=)\S*", r"\1PATH"),
    # What `check` says of this machine's disk, and of a user who may do anything.
    (r"[\d.]+ \wB free of [\d.]+ \wB", "SPACE"),
    (r"(?m)^warn  user: .*\n", ""),
    (r"open files by lease\b(, those of other users by events)?", "LEASE"),
    (r"all is well, with 1 warning", "all is well"),
    (r"/tmp/watcher-demo-\w+", "FOLDER"),
    (r"(?m)^  \S*watcher (?=sandbox|check|run)", "  watcher "),  # where it is installed
)
HERE = "/srv/wfm"  # where the samples' world is


def blocks() -> dict[str, str]:
    """The samples: the command's arguments, and what it says."""
    return dict(_BLOCK.findall(SAMPLES.read_text(encoding="utf-8")))


def normal(text: str) -> list[str]:
    """Lines without what differs from run to run."""
    for pattern, word in _DIFFERS:
        text = re.sub(pattern, word, text)
    return [re.sub(r" {2,}", "  ", line.rstrip()) for line in text.strip("\n").splitlines()]


def is_sample(sample: list[str], real: list[str]) -> bool:
    """Whether `sample` is `real`, where `...` stands for any lines."""
    pattern = "".join(".*" if line == "..." else re.escape(line + "\n") for line in sample)
    return re.fullmatch(pattern, "".join(line + "\n" for line in real), re.DOTALL) is not None


class Tour:
    """The samples' world, gone through in their order."""

    def __init__(self, world: World, stack: ExitStack) -> None:
        self.world = world
        self._stack = stack
        world.settings["routes"][2]["match"] = ["agent?events*.csv", "adherence*.csv"]
        world.settings["observe"] = "native"
        for name in ("event_types.json", "reason_codes.json"):
            world.drop(name, '[{"id": 1}]')
        world.drop("agent_events.csv", "anna,ready,1\nbert,break,2\n")
        world.drop("adherence.csv", 'anna,ready,1\nbert,"break,2\n')
        world.path("monday.csv").write_text("anna,ready,1\n")

    def say(self, arguments: str) -> str:
        """Run a command; returns all that it says."""
        getattr(self, f"before_{arguments.split()[0]}", lambda: None)()
        settings = self.world.path("new.yaml") if arguments.startswith("init") else self.world.config
        command = [sys.executable, "-m", "watcher", *arguments.split(), "-c", str(settings)]
        if arguments.startswith("sandbox"):
            return self._sandbox(command)
        done = run(*command[3:], cwd=self.world.root)
        return self._here(done.stdout + done.stderr)

    def before_status(self) -> None:
        """The agent runs, and the server is in trouble."""
        world = self.world
        world.settings["upload"]["retry_cap"] = "1h"
        world.server.always = answer(503)
        world.drop("agent_events_2.csv", "carl,ready,3\n")
        self._agent = self._stack.enter_context(agent(world))
        until(lambda: "holding" in log_of(world))
        until(lambda: "503" in (world.path("state") / "live.json").read_text())

    def before_history(self) -> None:
        """The trouble is over; the agent was told to stop, and did, so that no try is under way."""
        self._agent.send_signal(signal.SIGTERM)
        self._agent.wait(30)
        self._stack.close()
        self.world.server.always = None

    def _sandbox(self, command: list[str]) -> str:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "client_secret" in line:  # the last one, until it is ended
                    break
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        return "".join(lines)

    def _here(self, text: str) -> str:
        by = f"withdrawn by {getpass.getuser()} "
        text = text.replace(str(self.world.root), HERE).replace("/new.yaml", "/config.yaml")
        return text.replace(by, "withdrawn by anna ")


@pytest.fixture
def tour(world: World) -> Iterator[Tour]:
    """Ready to go."""
    with ExitStack() as stack:
        yield Tour(world, stack)


@pytest.mark.timeout(180)  # a dozen processes, one after the other
def test_the_samples_are_what_the_commands_say(tour: Tour) -> None:
    samples = blocks()
    del samples["demo"]  # takes seconds; its own test compares it
    for arguments, sample in samples.items():
        real = tour.say(arguments)
        assert is_sample(normal(sample), normal(real)), f"{arguments}:\n{real}"


def test_every_command_has_a_sample() -> None:
    text = SAMPLES.read_text(encoding="utf-8")

    commands = set(re.findall(r"^\| `watcher (\w+)", text, re.MULTILINE))
    commands.remove("manual")  # its pages have tests of their own
    assert {arguments.split()[0] for arguments in blocks()} == commands


@pytest.mark.parametrize(
    ("sample", "real", "same"),
    [
        ("a\nb", "a\nb", True), ("a\n...\nd", "a\nb\nc\nd", True), ("a\n...", "a", True),
        ("a\nb", "a", False), ("a", "a\nb", False), ("a\n...\nd", "a\nb\nc", False),
    ],
)  # fmt: skip
def test_the_comparison_sees_a_difference(sample: str, real: str, same: bool) -> None:
    assert is_sample(normal(sample), normal(real)) is same


def rewrite(shorten: Callable[[str, str], str]) -> None:
    """Write every sample anew from what the commands say now; one with `...` is to be done by hand."""
    text = SAMPLES.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as root, Server() as server, ExitStack() as stack:
        tour = Tour(World(Path(root), server), stack)
        for arguments, sample in blocks().items():
            real = tour.say(arguments)
            if not is_sample(normal(sample), normal(real)):
                fresh = shorten(sample, "\n".join(line.rstrip() for line in real.strip("\n").splitlines()))
                text = text.replace(
                    f"$ watcher {arguments}\n{sample}```", f"$ watcher {arguments}\n{fresh}\n```"
                )
    SAMPLES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    assert shutil.which("git"), "so that what it wrote can be looked at"
    rewrite(lambda _sample, real: re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", real))
