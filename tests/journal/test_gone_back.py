"""A database that has forgotten: by a failover, or restored from a backup."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import World, rows
from tests.journal.contract import S, row_in, seen, step
from tests.journal.test_peers import peers
from tests.journal.test_postgres import CUT, Line, asked_again, change, line
from tests.postgres import database, database_of_tests, postgres_server
from watcher.core.errors import ConfigError, Outside
from watcher.core.model import Row
from watcher.core.steps import Retrying, Sending
from watcher.core.target import Target
from watcher.journal.lease import Lease
from watcher.journal.postgres_memory import accept
from watcher.journal.postgres_store import PostgresStore

pytest.importorskip("psycopg")
from watcher.journal.postgres import PostgresJournal

__all__ = ["database", "database_of_tests", "line", "postgres_server"]
STATE = Target("folder", "/state")
FORGOTTEN = "UPDATE watcher.agents SET told_at = told_at - interval '{} s'"


def lives(database: str, memory: Path | None = None) -> PostgresJournal:
    """An agent's, whose next heartbeat is a hundred seconds away."""
    return PostgresJournal(database, "agent-1", STATE, lives=True, lease=Lease(600.0), memory=memory)


def forget(database: str, statement: str, seconds: float = 3.0) -> None:
    """A replica that lacked the last commits takes over: all connections are lost, and so is this."""
    change(database, statement)
    change(database, FORGOTTEN.format(seconds))
    change(database, CUT)


def test_what_a_failover_lost_is_written_again_before_the_next_step(database: str) -> None:
    with closing(lives(database)) as journal:
        untouched, claimed = row_in(journal, S.RETRYING), seen(journal, push_token="u")
        [sending] = journal.apply([Sending(row_in(journal, S.READY, push_token="v"), 0, 0, 9, "ab", "d")])
        done = row_in(journal, S.DONE, push_token="w")
        forget(
            database,
            f"DELETE FROM watcher.files WHERE id IN ({claimed.id}, {done.id});"
            f"UPDATE watcher.files SET state = 'ready', sending_to = NULL, sends = 0 WHERE id = {sending.id}",
        )

        [after] = asked_again(lambda: journal.apply([step(claimed, S.READY)]))

        assert (after.id, after.push_token, after.state) == (claimed.id, "u", S.READY)
        assert [journal.row(row.id) for row in (untouched, sending, done)] == [untouched, sending, done]
        assert journal.peers is not None
        journal.peers.take_over(list, ["events"])
        assert journal.peers.news() == [
            "PostgreSQL lost what it was told last, by a failover: written again for 3 files"
        ]
        assert journal.peers.news() == []
        fresh = seen(journal, push_token="x")
        assert fresh.id > max(claimed.id, done.id)


def test_what_was_lost_since_the_last_heartbeat_is_written_again_as_well(database: str) -> None:
    with closing(lives(database)) as journal:
        row, done = row_in(journal, S.READY), row_in(journal, S.DONE, push_token="w")
        [sending] = journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
        lost = f"UPDATE watcher.files SET state = 'ready', sending_to = NULL WHERE id = {sending.id}"
        forget(database, lost, 0.0)

        [after] = asked_again(lambda: journal.apply([Retrying(sending, 9, 1)]))

        assert (after.state, after.upload.position) == (S.RETRYING, 9)
        change(database, f"DELETE FROM watcher.files WHERE id = {sending.id}; {CUT}")
        asked_again(lambda: seen(journal, push_token="x"))
        assert journal.row(sending.id) == after
        assert journal.row(done.id) == done


def test_an_agent_that_the_replica_never_heard_of_writes_its_files_again(database: str) -> None:
    with closing(lives(database)) as journal:
        done = row_in(journal, S.DONE, push_token="w")
        row = row_in(journal, S.READY)
        change(database, f"DELETE FROM watcher.files; DELETE FROM watcher.agents; {CUT}")

        [after] = asked_again(lambda: journal.apply([Sending(row, 0, 0, 9, "ab", "d")]))

        assert (after.id, after.state) == (row.id, S.SENDING)
        assert journal.row(done.id) == done
        assert [agent.id for agent in journal.agents()] == ["agent-1"]


def test_an_agent_that_has_long_been_known_is_not_forgotten_by_a_failover(
    database: str, tmp_path: Path
) -> None:
    lives(database, tmp_path).close()
    with closing(lives(database, tmp_path)) as journal:
        row = row_in(journal, S.READY)
        change(database, f"DELETE FROM watcher.agents; {CUT}")
        asked_again(lambda: is_refused(journal, row))
        with pytest.raises(Outside, match="and knows of nothing"):
            journal.apply([step(row, S.SENDING)])


def test_a_lost_connection_alone_writes_nothing_again(database: str) -> None:
    with closing(lives(database)) as journal:
        row, done = row_in(journal, S.READY), row_in(journal, S.DONE, push_token="w")
        journal.archive.removed(done, datetime.now(UTC))
        journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
        change(database, CUT)
        asked_again(lambda: seen(journal, push_token="x"))
        assert peers(journal).news() == []
        assert journal.row(done.id).place.removed_at is not None


def test_a_replica_that_gave_the_number_of_the_lost_transaction_to_another_one_is_not_believed(
    line: Line, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(lives(line.url(database))) as journal:
        row = row_in(journal, S.READY)
        line.cut = "before"
        with pytest.raises(Outside):
            journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
        line.is_closed = False
        monkeypatch.setattr(PostgresStore, "was_committed", lambda _store, _number: True)

        [after] = asked_again(lambda: journal.apply([Sending(row, 0, 0, 9, "ab", "d")]))

        assert journal.row(row.id) == after
        assert (after.state, after.upload.sends) == (S.SENDING, 1)


def test_a_step_whose_answer_was_lost_and_a_failover_that_lost_what_came_before_it(
    line: Line, database: str
) -> None:
    with closing(lives(line.url(database))) as journal:
        claimed = seen(journal, push_token="w")
        row = row_in(journal, S.READY)
        line.cut = "before"
        with pytest.raises(Outside):
            journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
        change(database, f"DELETE FROM watcher.files WHERE id IN ({row.id}, {claimed.id})")
        line.is_closed = False

        [after] = asked_again(lambda: journal.apply([Sending(row, 0, 0, 9, "ab", "d")]))

        assert (after.id, after.state) == (row.id, S.SENDING)
        assert journal.row(claimed.id) == claimed


def test_a_number_that_another_file_has_by_now_stays_that_files(database: str) -> None:
    with closing(lives(database)) as journal, closing(PostgresJournal(database, "agent-2", STATE)) as other:
        claimed = seen(journal, push_token="u")
        forget(
            database,
            f"DELETE FROM watcher.files WHERE id = {claimed.id};"
            f"ALTER TABLE watcher.files ALTER COLUMN id RESTART WITH {claimed.id}",
        )
        assert seen(other, name="b.csv", push_token="theirs").id == claimed.id
        peers = journal.peers
        assert peers is not None

        [taken] = journal.peers.take_over(list, ["events"])

        assert taken.row.push_token == "u"
        assert taken.row.id != claimed.id
        assert other.row(claimed.id).push_token == "theirs"


def test_files_that_another_agent_took_meanwhile_stay_its_own(database: str) -> None:
    with closing(lives(database)) as journal:
        row = row_in(journal, S.READY)
        forget(database, f"UPDATE watcher.files SET owner = 'agent-2' WHERE id = {row.id}")
        asked_again(lambda: seen(journal, push_token="x"))
        assert journal.row(row.id).owner == "agent-2"


def test_a_restored_backup_holds_an_agent_that_runs_until_a_person_accepts_it(
    database: str, tmp_path: Path
) -> None:
    with closing(lives(database, tmp_path)) as journal:
        row = row_in(journal, S.READY)
        forget(database, "SELECT 1", 3600.0)
        asked_again(lambda: is_refused(journal, row))
        for _ in range(2):
            with pytest.raises(Outside, match="has gone back: it heard of us at"):
                journal.apply([step(row, S.SENDING)])
        accepted(tmp_path)
        assert journal.apply([step(row, S.SENDING)])[0].state is S.SENDING


def is_refused(journal: PostgresJournal, row: Row) -> None:
    """Ask once, whatever the answer is, unless it is that the session before has not ended yet."""
    try:
        journal.apply([step(row, S.SENDING)])
    except Outside as fault:
        if "is running" in fault.reason:
            raise


def accepted(folder: Path) -> None:
    assert accept(folder) is not None
    assert accept(folder) is None


def test_a_restored_backup_is_refused_at_the_start_until_a_person_accepts_it(
    world: World, database: str
) -> None:
    world.settings["journal"] = database
    world.drop("agent_events_1.csv", rows(2))
    assert world.run_once() == 0
    change(database, "DELETE FROM watcher.files")
    change(database, FORGOTTEN.format(3600))
    world.drop("agent_events_2.csv", rows(3))

    for _ in range(2):
        refused = watcher(world, "run", "--once")
        assert refused.returncode == 1
        assert "was it restored from a backup?" in refused.stderr
        assert "`watcher journal accept`" in refused.stderr
    assert set(world.files("drop")) == {"agent_events_2.csv"}

    found = watcher(world, "journal", "accept")
    assert found.returncode == 0, found.stderr
    assert "the database is right from now on" in found.stdout
    assert watcher(world, "run", "--once").returncode == 0
    assert set(world.files("done")) == {"agent_events_1.csv", "agent_events_2.csv"}
    assert "nothing to accept" not in watcher(world, "journal", "accept").stdout


def test_another_database_is_refused_whether_or_not_it_knows_the_agent_until_a_person_accepts_it(
    database: str, tmp_path: Path
) -> None:
    lives(database, tmp_path).close()
    change(database, "UPDATE watcher.meta SET value = 'another' WHERE key = 'journal_id'")
    with pytest.raises(ConfigError, match=r"another one than that with this agent's journal.*accept"):
        lives(database, tmp_path)
    change(database, "DROP SCHEMA watcher CASCADE")
    with pytest.raises(ConfigError, match="another one than that with this agent's journal"):
        lives(database, tmp_path)

    accepted(tmp_path)
    with closing(lives(database, tmp_path)) as journal:
        assert row_in(journal, S.READY)
    lives(database, tmp_path).close()


def test_a_database_that_becomes_another_one_holds_an_agent_that_runs(database: str, tmp_path: Path) -> None:
    with closing(lives(database, tmp_path)) as journal:
        row = row_in(journal, S.READY)
        forget(database, "UPDATE watcher.meta SET value = 'another' WHERE key = 'journal_id'")
        asked_again(lambda: is_refused(journal, row))
        with pytest.raises(Outside, match="another one than that with this agent's journal"):
            journal.apply([step(row, S.SENDING)])
        accepted(tmp_path)
        assert journal.apply([step(row, S.SENDING)])[0].state is S.SENDING


def test_an_agent_of_which_the_database_never_heard_is_refused_where_it_knows_better(
    database: str, tmp_path: Path
) -> None:
    lives(database, tmp_path).close()
    change(database, "DELETE FROM watcher.agents")
    with pytest.raises(ConfigError, match="knows of nothing"):
        lives(database, tmp_path)
