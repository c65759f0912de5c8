"""Holds that are over stand in the journal, and a disk that does not take them hurts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import World, answer, rows
from watcher.core.events import HoldBegan, HoldEnded
from watcher.core.target import Target
from watcher.journal.sqlite import SqliteJournal
from watcher.report import hold_history
from watcher.report.stream import Stream

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
X = Target("server", "http://x")
MONTH = timedelta(days=30)


@pytest.fixture
def journal(tmp_path: Path, lines: list[str]) -> Iterator[SqliteJournal]:
    """An open journal."""
    del lines
    opened = SqliteJournal(tmp_path)
    yield opened
    opened.close()


def test_the_history_writes_a_hold_at_its_end_and_an_open_one_when_the_agent_ends(
    journal: SqliteJournal,
) -> None:
    stream = Stream()
    with hold_history.kept(journal.timeline, stream) as history:
        stream.emit(HoldBegan(X, "away", "", 1))
        stream.emit(HoldBegan(Target("folder", "/d"), "full", "", 1))
        stream.emit(HoldEnded(X, "away", NOW, 3, 2))
        history.write()
        during = [hold.target for hold in journal.timeline.holds(NOW - MONTH)]
    after = [(hold.target, hold.reason) for hold in journal.timeline.holds(NOW - MONTH)]

    assert during == ["http://x"]
    assert sorted(after) == [("folder /d", "full"), ("http://x", "away")]


def test_a_state_folder_that_takes_nothing_stops_neither_the_history_nor_whoever_is_heard(
    tmp_path: Path, journal: SqliteJournal, lines: list[str]
) -> None:
    stream = Stream()
    with hold_history.kept(journal.timeline, stream) as history:
        stream.emit(HoldBegan(X, "away", "", 1))
        (tmp_path / "journal.db").rename(tmp_path / "away.db")  # SQLite refuses to write then
        stream.emit(HoldEnded(X, "away", NOW, 3, 2))
        history.write()
        stream.emit(HoldBegan(Target("server", "http://y"), "away", "", 1))
    (tmp_path / "away.db").rename(tmp_path / "journal.db")

    assert journal.timeline.holds(NOW - MONTH) == []
    assert not [line for line in lines if "listener" in line]


def test_a_real_hold_is_in_the_journal_afterwards(world: World) -> None:
    world.server.script.append(answer(503))
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0

    journal = SqliteJournal(world.path("state"), readonly=True)
    (hold,) = journal.timeline.holds(NOW - MONTH)
    journal.close()
    assert hold.target == world.server.url
    assert "503" in hold.reason
    assert hold.began_at <= hold.ended_at
