"""What `watcher check` says of a journal in PostgreSQL."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import World
from tests.journal.contract import S, row_in
from tests.journal.test_postgres import change
from tests.postgres import database, database_of_tests, postgres_server
from watcher.commands.check_journal import journal as findings
from watcher.commands.check_journal import pace
from watcher.commands.finding import Finding
from watcher.journal.reading import open_journal
from watcher.settings.config import load

pytest.importorskip("psycopg")
from watcher.journal.postgres_look import look

__all__ = ["database", "database_of_tests", "postgres_server"]


def found(world: World, url: str) -> list[Finding]:
    """What is said, but for the settings of the tests' server."""
    world.settings["journal"] = url
    config = load(world.config, {})[0]
    return [one for one in findings(config) if "fsync" not in one.finding]


def made(world: World, url: str) -> Path:
    """An agent made the tables."""
    with closing(open_journal(world.path("state"), url, lives=True)):
        return world.path("state")


def test_it_says_version_place_agents_and_how_far_it_is(world: World, database: str) -> None:
    [before] = found(world, database)
    assert before.level == "ok"
    assert "no tables yet; it answers in" in before.finding
    assert change(database, "SELECT 1 FROM pg_namespace WHERE nspname = 'watcher'") == []  # nothing was made
    made(world, database)
    [after] = found(world, database)
    assert "it knows 1 agent; it answers in" in after.finding
    assert "and commits in" in after.finding


def test_a_server_that_may_lose_what_it_acknowledged_is_a_warning(world: World, database: str) -> None:
    world.settings["journal"] = database
    told = [one for one in findings(load(world.config, {})[0]) if one.level == "warn"]
    assert [one.finding.partition(":")[0] for one in told] == [
        "the server's setting fsync, full_page_writes is off"
    ]


def test_a_role_without_rights_is_a_fault_that_names_the_right(world: World, database: str) -> None:
    change(database, "DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN")
    poor = database.replace("//watcher@", "//poor@")
    assert [one.finding for one in found(world, poor) if one.level == "fault"] == [
        "this role may not CREATE in the database, or a schema watcher made for it"
    ]
    made(world, database)
    change(
        database,
        "GRANT USAGE ON SCHEMA watcher TO poor; GRANT SELECT ON ALL TABLES IN SCHEMA watcher TO poor",
    )
    [fault] = [one for one in found(world, poor) if one.level == "fault"]
    assert fault.finding == "this role may not INSERT on the table watcher.agents"
    assert "grant" in fault.fix
    change(database, "DROP OWNED BY poor; DROP ROLE poor")


def test_a_database_that_is_away_is_a_fault_and_no_password_is_told(world: World) -> None:
    [fault] = found(world, "postgresql://u:s3cret@127.0.0.1:1/x")
    assert fault.level == "fault"
    assert "cannot be used" in fault.finding
    assert "s3cret" not in fault.line


def _granted(database: str, role: str, *also: str) -> str:
    """A role that may use all tables, made anew; returns its URL."""
    change(
        database,
        f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA watcher TO {role};"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA watcher TO {role}; {'; '.join(also)}",
    )
    return database.replace("//watcher@", f"//{role}@")


def _faults(world: World, url: str) -> list[str]:
    return [one.finding for one in found(world, url) if one.level == "fault"]


def test_the_rights_that_an_end_takes_are_looked_at_and_with_them_an_agent_can_work(
    world: World, database: str
) -> None:
    made(world, database)
    url = _granted(database, "half")
    assert _faults(world, url) == ["this role may not USAGE on the sequence watcher.ends"]
    change(database, "GRANT USAGE ON SEQUENCE watcher.ends TO half")
    assert _faults(world, url) == ["this role may not SELECT on the sequence watcher.ends"]
    change(database, "GRANT SELECT ON SEQUENCE watcher.ends TO half")

    assert _faults(world, url) == []
    with closing(open_journal(world.path("state"), url, lives=True)) as journal:
        assert row_in(journal, S.DONE).state is S.DONE
        assert journal.peers is not None
        assert journal.peers.mark() == 1
    change(database, "DROP OWNED BY half; DROP ROLE half")


def test_tables_of_an_older_version_that_are_another_roles_are_a_fault(world: World, database: str) -> None:
    made(world, database)
    url = _granted(database, "late", "GRANT USAGE, SELECT ON SEQUENCE watcher.ends TO late")
    change(database, "UPDATE watcher.version SET number = 1")
    [fault] = [one for one in found(world, url) if one.level == "fault"]

    assert (
        fault.finding == "this role may not bring the tables up to date (version 1): they are another role's"
    )
    assert "start an agent with the role that made them" in fault.fix
    assert _faults(world, database) == []
    change(database, "DROP OWNED BY late; DROP ROLE late")


def test_a_database_that_takes_no_writes_is_a_fault_and_no_commit_is_timed(
    world: World, database: str
) -> None:
    made(world, database)
    said, fault = found(world, f"{database}&options=-cdefault_transaction_read_only%3Don")
    assert (said.level, fault.level) == ("ok", "fault")
    assert "commits in" not in said.finding
    assert "takes no writes" in fault.finding
    assert "primary" in fault.fix


def test_looking_leaves_nothing_behind(world: World, database: str) -> None:
    made(world, database)
    everything = (
        "SELECT (SELECT count(*) FROM watcher.files), (SELECT count(*) FROM watcher.agents),"
        " (SELECT is_called FROM watcher.ends), (SELECT count(*) FROM pg_class),"
        " (SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database())"
    )
    before = change(database, everything)
    found(world, database)
    assert change(database, everything) == before


def test_a_slow_way_and_a_wrong_clock_are_warnings(database: str) -> None:
    ticks = itertools.count()
    seen = look(database, clock=lambda: next(ticks) * 0.5, now=lambda: time.time() - 90)

    told = [one.finding for one in pace(seen) if "fsync" not in one.finding]

    assert told == [
        "it answers in 0.50 s, and each file asks it several times",
        "a commit takes 0.50 s, and each chunk waits for one",
        "this machine's clock is 90 seconds behind the database's",
    ]
