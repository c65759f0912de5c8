"""`watcher journal copy`: into PostgreSQL and back, whole or not at all."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.conftest import World, answer, rows
from tests.journal.contract import AT, NOW, row_in
from tests.journal.test_postgres import Line, change, line
from tests.postgres import database, database_of_tests, postgres_server
from watcher.core.errors import Unfit
from watcher.core.model import FileState
from watcher.core.steps import Reject
from watcher.journal.lock import UPLOAD_LOCK, Lock, is_held
from watcher.journal.protocol import Journal
from watcher.journal.reading import open_journal, open_to_read
from watcher.journal.schema import record_of
from watcher.journal.sqlite import SqliteJournal

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


@pytest.fixture
def silent_database() -> Iterator[str]:
    """The URL of a database that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql://watcher@127.0.0.1:{listening.getsockname()[1]}/watcher"


def test_a_journal_is_not_copied_while_files_are_sent_by_hand(world: World, silent_database: str) -> None:
    world.settings["journal"] = silent_database
    with Lock(world.path("state"), UPLOAD_LOCK, holder="us"):
        found = watcher(world, "journal", "copy")

    assert found.returncode == 1
    assert f"a `watcher upload` (process {os.getpid()}) is running with the state folder" in found.stderr


def test_no_file_is_sent_by_hand_while_the_journal_is_copied(world: World, silent_database: str) -> None:
    left_behind(world)
    before = len(world.server.pushes())
    path = world.path("agent_events_by_hand.csv")
    path.write_text(rows(2))
    world.settings["journal"] = silent_database
    command = [sys.executable, "-m", "watcher", "journal", "copy", "-c", str(world.config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as copying:
        until(lambda: is_held(world.path("state"), UPLOAD_LOCK))
        found = watcher(world, "upload", str(path))
        copying.kill()

    assert found.returncode == 1
    assert f"`watcher journal copy`, (process {copying.pid}) is running with the state folder" in found.stderr
    assert len(world.server.pushes()) == before


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
    del world.settings["journal"]  # it was never there: the settings may go back
    assert "journal:" not in watcher(world, "check", "--offline").stdout
    world.settings["journal"] = database

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


def test_settings_that_lost_their_database_send_nothing_of_what_it_knows_until_a_person_accepts_it(
    world: World, database: str
) -> None:
    left_behind(world)
    world.settings["journal"] = database
    assert watcher(world, "journal", "copy").returncode == 0
    assert world.run_once() == 0
    sent = len(world.completed())
    del world.settings["journal"]
    world.drop("agent_events_10.csv", rows(3))

    refused = watcher(world, "run", "--once")
    assert refused.returncode == 1
    assert "the settings name no database, and this agent's journal is in PostgreSQL" in refused.stderr
    checked = watcher(world, "check", "--offline")
    assert checked.returncode == 1
    assert "journal: the settings name no database" in checked.stdout
    assert "`watcher journal copy --back`" in checked.stdout
    assert (len(world.completed()), set(world.files("drop"))) == (sent, {"agent_events_10.csv"})

    accepted = watcher(world, "journal", "accept")
    assert "the journal in the state folder is right from now on" in accepted.stdout
    assert "journal:" not in watcher(world, "check", "--offline").stdout
    assert world.run_once() == 0
    assert "agent_events_10.csv" in world.files("done")


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


def _odd_rows(journal: Journal) -> None:
    """Rows of all states, with names and texts that a database would rather not have."""
    for state in FileState:
        row_in(journal, state, push_token=f"t-{state}", name=f"{state}\udcff\\u0041.csv")
    row = row_in(journal, FileState.SENDING, push_token="t-odd", route="r\ud800\0", origin="hand")
    journal.apply([Reject(row, Unfit("no\0\ud800 \\", what_to_do="m\u00e9nd", problems=["a", "b\n"]), AT)])


def test_every_row_arrives_as_it_was_in_its_order_whatever_it_holds(world: World, database: str) -> None:
    with closing(SqliteJournal(world.path("state"))) as journal:
        _odd_rows(journal)
        journal.timeline.hold_ended("server\ud800", "a\0b", began=NOW, ended=NOW)
    raw = (world.path("state") / "journal.db").read_bytes()
    before = journal_of(world)
    with closing(open_journal(_other(world), database, lives=False)) as others:
        theirs = [row_in(others, FileState.DONE, push_token=f"o{number}") for number in range(3)]
    world.settings["journal"] = database

    found = watcher(world, "journal", "copy")

    assert found.returncode == 0, found.stderr
    after = journal_of(world, database)
    assert after == [*before, *map(record_of, theirs)]  # older than all that were there
    assert (world.path("state") / "journal.db").read_bytes() == raw
    told = change(database, "SELECT count(*), count(DISTINCT id), count(quiet_at) FROM watcher.files")
    assert told == [(len(after), len(after), 0)]
    with closing(open_journal(world.path("state"), database, lives=False)) as journal:
        assert row_in(journal, FileState.SEEN).id > max(row.id for row in theirs)


@pytest.mark.parametrize("back", [False, True])
def test_a_fault_in_the_middle_leaves_the_target_as_it_was(world: World, database: str, back: bool) -> None:
    with closing(SqliteJournal(world.path("state"))) as own:
        folder = _other(world) if back else world.path("state")
        own_id = own.agent_id
    source = open_journal(folder, database, lives=False) if back else SqliteJournal(folder)
    with closing(source) as journal:
        rows_there = [row_in(journal, FileState.DONE, push_token=f"t{number}") for number in range(3)]
    world.settings["journal"] = database
    if back:
        change(database, f"UPDATE watcher.files SET owner = '{own_id}'")
        with closing(sqlite3.connect(world.path("state") / "journal.db")) as file:
            file.execute(
                "CREATE TRIGGER no_room BEFORE INSERT ON files WHEN NEW.push_token = 't2'"
                " BEGIN SELECT RAISE(ABORT, 'stop'); END"
            )
            file.commit()
    else:
        open_journal(_other(world), database, lives=False).close()  # makes the tables
        change(
            database,
            "CREATE FUNCTION watcher.no_room() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'stop' USING ERRCODE = 'disk_full'; END$$;"
            " CREATE TRIGGER no_room BEFORE INSERT ON watcher.files FOR EACH ROW"
            " WHEN (NEW.push_token = 't2') EXECUTE FUNCTION watcher.no_room()",
        )
    target = None if back else database

    found = watcher(world, "journal", "copy", *(["--back"] if back else []))

    assert found.returncode != 0
    assert journal_of(world, target) == []
    assert len(journal_of(world, database if back else None)) == len(rows_there)
