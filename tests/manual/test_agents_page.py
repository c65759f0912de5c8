"""The page on several agents, followed by hand: from one agent to two, and one of them dies."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.agent.test_agent import watcher
from tests.agent.test_several_agents import agents_of, each_delivered_once, eventually
from tests.agent.test_takeover import agent, log
from tests.conftest import World, answer, rows, works
from tests.postgres import programs, served
from watcher.manual.pages import page

pytest.importorskip("psycopg")
PAGE = page("agents").partition("## From one agent")[2].partition("\n## ")[0]


def block(kind: str, number: int = 0) -> str:
    """A block of the page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[number]


def test_the_page_leads_from_one_agent_to_two_and_the_second_goes_on_when_the_first_dies(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drop("agent_events_0.csv", rows(2))
    assert world.run_once() == 0  # one agent, with a history
    monkeypatch.setenv("JOURNAL_PASSWORD", "secret")
    with ExitStack() as stack:
        postgres = stack.enter_context(served(user="postgres"))
        for line in block("console").splitlines():
            command = shlex.split(line.removeprefix("# ").removeprefix("sudo -u postgres "))
            if command[0] != "apt":
                make(command, postgres.folder)
        journal = yaml.safe_load(block("yaml"))["journal"].replace("db.example.com", "")
        world.settings |= {"journal": f"{journal}?host={postgres.folder}", "lease": "2s"}
        world.settings["wfm"]["timeout"] = "1s"
        copied = watcher(world, *block("console", 1).removeprefix("$ watcher ").split())
        assert copied.returncode == 0, copied.stderr
        one = world.config.rename(world.root / "one.yaml")
        world.settings["folders"] |= {"state": "state-two"}
        two = world.config.rename(world.root / "two.yaml")

        world.server.script.extend([works] * 4)
        world.server.always = answer(503)  # it is in the middle of the file, however long the next steps take
        first = stack.enter_context(agent(one))
        world.drop("agent_events_1.csv", rows(500))
        eventually(lambda: len(world.server.pushes()) >= 5)
        stack.enter_context(agent(two))
        assert len(agents_of(two)) == 2
        assert not world.files("done").keys() & {"agent_events_1.csv"}
        first.kill()
        first.wait()
        world.server.always = None
        eventually(lambda: len(world.files("done")) == 2)
        assert "taken over from agent" in log(two)
        each_delivered_once(world, two, 2)


def make(command: list[str], folder: Path) -> None:
    """Run one of PostgreSQL's programs against the server in this folder; it may ask for a password."""
    bin = programs()
    assert bin is not None
    environ = {**os.environ, "PGHOST": str(folder), "PGUSER": "postgres"}
    subprocess.run(
        [str(bin / command[0]), *command[1:]],
        input="secret\nsecret\n", text=True, check=True, env=environ, start_new_session=True,
    )  # fmt: skip
