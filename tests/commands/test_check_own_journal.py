"""What `watcher check` says of the journal in the state folder."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import World, rows
from tests.journal.test_database import damaged, of_a_newer_version, replaced_by_text, truncated
from watcher.commands.check_journal import journal as findings
from watcher.commands.finding import Finding
from watcher.settings.config import load


def found(world: World) -> list[Finding]:
    return list(findings(load(world.config, {})[0]))


def used(world: World, files: int = 30) -> Path:
    """The journal of an agent that delivered some files."""
    for number in range(files):
        world.drop(f"agent_events_{'x' * 180}_{number}.csv", rows(1))
    assert world.run_once() == 0
    return world.path("state") / "journal.db"


def beneath(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damaged, "the journal is damaged"),
        (truncated, "the journal is damaged"),
        (replaced_by_text, "the journal is damaged"),
        (of_a_newer_version, "the journal is of a newer version"),
    ],
)
def test_a_journal_with_which_no_agent_can_start_is_a_fault_and_left_as_it_is(
    world: World, harm: Callable[[Path], None], words: str
) -> None:
    harm(used(world))
    before = beneath(world.path("state"))

    [fault] = found(world)
    said = watcher(world, "check", "--offline")

    assert fault.level == "fault"
    assert words in fault.finding
    assert fault.fix.startswith("nothing was touched.")
    assert said.returncode == 1
    assert "FAULT journal: " in said.stdout
    assert "1 fault" in said.stdout
    assert beneath(world.path("state")) == before


def test_no_journal_and_one_that_is_whole_are_nothing_to_tell(world: World) -> None:
    assert found(world) == []
    used(world, files=1)
    assert found(world) == []


def test_one_that_the_next_agent_brings_up_to_date_is_whole(world: World) -> None:
    with closing(sqlite3.connect(used(world, files=1))) as connection:
        connection.execute("PRAGMA user_version = 3")

    assert found(world) == []


CUT_OFF = """
import os, sqlite3, sys
there = sqlite3.connect(sys.argv[1], isolation_level=None)
there.execute("PRAGMA journal_mode=TRUNCATE")
there.execute("PRAGMA cache_size=1")  # so that pages go out before the commit
there.execute("BEGIN IMMEDIATE")
there.execute("UPDATE files SET name = name || 'x'")
os._exit(0)
"""


def test_a_commit_that_a_crash_cut_off_is_for_the_next_agent_and_no_damage(world: World) -> None:
    path = used(world)
    subprocess.run([sys.executable, "-c", CUT_OFF, str(path)], check=True)
    before = beneath(world.path("state"))
    assert before["journal.db-journal"], "SQLite took nothing down"

    assert found(world) == []
    assert beneath(world.path("state")) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_of_a_journal_that_may_not_be_read_the_folders_tell(world: World) -> None:
    used(world, files=1).chmod(0)

    assert found(world) == []
