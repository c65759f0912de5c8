"""`watcher journal copy`: into PostgreSQL and back, whole or not at all."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.conftest import World, answer, rows
from tests.journal.contract import row_in
from tests.journal.test_postgres import Line, line
from tests.postgres import database, database_of_tests, postgres_server
from watcher.core.model import FileState
from watcher.journal.reading import open_journal, open_to_read
from watcher.journal.schema import record_of

pytest.importorskip("psycopg")

__all__ = ["database", "database_of_tests", "line", "postgres_server"]


def left_behind(world: World) -> None:
    """An agent delivered three files, failed one, and has one under way."""
    for number in range(3):
        world.drop(f"agent_events_{number}.csv", rows(2) + f"{number},1\n")
    world.drop("other.csv", "a\n")
    assert world.run_once() == 1
    world.server.always = answer(503)
    world.drop("agent_events_9.csv", rows(12))
    assert world.run_once(patience=0.2) == 4
    world.server.always = None


def journal_of(world: World, url: str | None = None) -> list[dict[str, Any]]:
    """All rows, oldest first, as they are stored, but for their ids."""
    journal = open_to_read(world.path("state"), url)
    assert journal is not None
    with closing(journal):
        return [record_of(row) for row in reversed(journal.history())]


def holds_of(world: World, url: str | None = None) -> int:
    """How many holds are over."""
    journal = open_to_read(world.path("state"), url)
    assert journal is not None
    with closing(journal):
        return len(journal.timeline.holds(datetime(2020, 1, 1, tzinfo=UTC)))


def _other(world: World) -> Path:
    """The state folder of another agent."""
    folder = world.root / "state-other"
    folder.mkdir(mode=0o700)
    return folder


def test_an_agent_goes_on_in_postgresql_with_all_that_it_knew(world: World, database: str) -> None:
    left_behind(world)
    before, holds = journal_of(world), holds_of(world)
    assert holds
    world.settings["journal"] = database

    refused = watcher(world, "run", "--once")
    assert refused.returncode == 1
    assert "1 files are under way" in refused.stderr
    assert "`watcher journal copy`" in refused.stderr
    assert journal_of(world, database) == []

    found = watcher(world, "journal", "copy")

    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"5 files and {holds} holds of agent-")
    assert journal_of(world, database) == before
    assert journal_of(world) == before  # as it was
    assert holds_of(world, database) == holds
    assert world.run_once() == 0
    after = journal_of(world, database)
    assert sorted(row["state"] for row in after) == ["done", "done", "done", "done", "failed"]
    assert [row["push_token"] for row in after] == [row["push_token"] for row in before]
    assert set(world.files("done")) == {f"agent_events_{number}.csv" for number in (0, 1, 2, 9)}


def test_copying_twice_copies_nothing_twice_and_sets_nothing_back(world: World, database: str) -> None:
    left_behind(world)
    world.settings["journal"] = database
    assert watcher(world, "journal", "copy").returncode == 0
    assert world.run_once() == 0
    after = journal_of(world, database)

    found = watcher(world, "journal", "copy")

    assert found.stdout.startswith("0 files")
    assert "5 files were known there" in found.stdout
    assert journal_of(world, database) == after


def test_rows_of_other_agents_stay_and_are_newer(world: World, database: str) -> None:
    left_behind(world)
    with closing(open_journal(_other(world), database, lives=False)) as journal:
        theirs = row_in(journal, FileState.DONE)
    world.settings["journal"] = database
    assert watcher(world, "journal", "copy").returncode == 0
    assert journal_of(world, database)[-1] == record_of(theirs)


def test_it_comes_back_with_what_happened_meanwhile(world: World, database: str) -> None:
    left_behind(world)
    world.settings["journal"] = database
    assert watcher(world, "journal", "copy").returncode == 0

    refused = watcher(world, "journal", "copy", "--back")
    assert refused.returncode == 1
    assert "1 files of this agent are under way" in refused.stderr

    world.drop("agent_events_10.csv", rows(3))
    assert world.run_once() == 0
    after = journal_of(world, database)

    found = watcher(world, "journal", "copy", "--back")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("1 files")
    assert journal_of(world) == after
    del world.settings["journal"]
    world.drop("agent_events_11.csv", rows(4))
    assert world.run_once() == 0
    assert len(journal_of(world)) == 7


@pytest.mark.parametrize("cut", ["before", "behind"])
def test_when_the_line_breaks_it_is_copied_whole_or_not_at_all_and_may_be_repeated(
    world: World, database: str, line: Line, cut: Literal["before", "behind"]
) -> None:
    left_behind(world)
    before = journal_of(world)
    open_journal(_other(world), database, lives=False).close()  # makes the tables
    world.settings["journal"] = line.url(database)
    line.cut = cut

    assert watcher(world, "journal", "copy").returncode == 1

    line.is_closed = False
    assert journal_of(world, database) in ([], before)
    world.settings["journal"] = database
    while watcher(world, "journal", "copy").returncode:  # its session there may not have ended yet
        pass
    assert journal_of(world, database) == before


def test_it_is_refused_while_the_agent_runs_and_where_no_database_is_named(
    world: World, database: str
) -> None:
    found = watcher(world, "journal", "copy")
    assert found.returncode == 1
    assert "the settings name no database" in found.stderr
    world.settings["journal"] = database
    with agent(world):
        until(lambda: "watches" in log_of(world))
        found = watcher(world, "journal", "copy")
        assert found.returncode == 1
        assert "stop it first" in found.stderr
