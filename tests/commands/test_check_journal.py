"""What `watcher check` says of a journal in PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import World
from tests.journal.test_postgres import change
from tests.postgres import database, database_of_tests, postgres_server
from watcher.commands.check_journal import journal as findings
from watcher.commands.finding import Finding
from watcher.journal.reading import open_journal
from watcher.settings.config import load

pytest.importorskip("psycopg")

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
