"""Holds that are over stand in the journal, and a disk that does not take them hurts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import World, answer, rows
from watcher.journal.journal import Journal
from watcher.journal.timeline import KEPT, PastHold
from watcher.report import hold_history, log

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def journal(tmp_path: Path, lines: list[str]) -> Iterator[Journal]:
    """An open journal."""
    del lines
    opened = Journal(tmp_path)
    yield opened
    opened.close()


def test_a_hold_that_ended_is_there_with_its_reason_and_its_times(journal: Journal) -> None:
    began, ended = NOW - timedelta(hours=1), NOW
    journal.timeline.hold_ended("http://x", "away", began=began, ended=ended)

    assert journal.timeline.holds(NOW - MONTH) == [
        PastHold("http://x", "away", "2026-11-23T11:00:00.000Z", "2026-11-23T12:00:00.000Z")
    ]
    assert journal.timeline.holds(NOW + timedelta(seconds=1)) == []


def test_holds_of_long_ago_are_let_go_of(journal: Journal) -> None:
    journal.timeline.hold_ended("old", "x", began=NOW - KEPT - MONTH, ended=NOW - KEPT - MONTH)
    journal.timeline.hold_ended("new", "x", began=NOW, ended=NOW)

    assert [hold.target for hold in journal.timeline.holds(NOW - 10 * KEPT)] == ["new"]


def test_the_diary_writes_a_hold_at_its_end_and_an_open_one_when_the_agent_ends(journal: Journal) -> None:
    with hold_history.kept(journal.timeline):
        log.hold_began("http://x", "away", "", seconds=1)
        log.hold_began("folder /d", "full", "", seconds=1)
        log.hold_ended("http://x", seconds=3, tries=2)
        during = [hold.target for hold in journal.timeline.holds(NOW - MONTH)]
    after = [(hold.target, hold.reason) for hold in journal.timeline.holds(NOW - MONTH)]

    assert during == ["http://x"]
    assert sorted(after) == [("folder /d", "full"), ("http://x", "away")]


def test_a_state_folder_that_takes_nothing_stops_neither_the_diary_nor_whoever_is_heard(
    tmp_path: Path, journal: Journal, lines: list[str]
) -> None:
    with hold_history.kept(journal.timeline):
        log.hold_began("http://x", "away", "", seconds=1)
        (tmp_path / "journal.db").rename(tmp_path / "away.db")  # SQLite refuses to write then
        log.hold_ended("http://x", seconds=3, tries=2)
        log.hold_began("http://y", "away", "", seconds=1)
    (tmp_path / "away.db").rename(tmp_path / "journal.db")

    assert journal.timeline.holds(NOW - MONTH) == []
    assert not [line for line in lines if "listener" in line]


def test_a_real_hold_is_in_the_journal_afterwards(world: World) -> None:
    world.server.script.append(answer(503))
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0

    journal = Journal(world.path("state"), readonly=True)
    (hold,) = journal.timeline.holds(NOW - MONTH)
    journal.close()
    assert hold.target == world.server.url
    assert "503" in hold.reason
    assert hold.began_at <= hold.ended_at
