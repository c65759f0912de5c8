"""The journal on a real SQLite file: legal steps, illegal ones, restarts, questions."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watcher.core.errors import IllegalStep, Unfit
from watcher.core.model import FINAL, TRANSITIONS, Delivered, Entry, FileState, Fingerprint
from watcher.journal.journal import Journal, utc_text

NOW = datetime(2026, 11, 23, 19, 24, 39, 123456, tzinfo=UTC)
LOOK = Fingerprint(device=2**64 - 1, inode=2**63, size=1000, mtime_ns=1_700_000_000_123_456_789)
S = FileState

# How each state is reached, and by which method a step into it is made.
ROAD: dict[FileState, tuple[FileState, ...]] = {
    S.SEEN: (),
    S.READY: (S.READY,),
    S.SENDING: (S.READY, S.SENDING),
    S.RETRYING: (S.READY, S.SENDING, S.RETRYING),
    S.DELIVERED: (S.READY, S.SENDING, S.DELIVERED),
    S.REJECTED: (S.READY, S.REJECTED),
    S.CHANGED: (S.READY, S.CHANGED),
    S.DONE: (S.READY, S.SENDING, S.DELIVERED, S.DONE),
    S.FAILED: (S.READY, S.REJECTED, S.FAILED),
    S.RETURNED: (S.READY, S.CHANGED, S.RETURNED),
    S.VANISHED: (S.READY, S.VANISHED),
}


def step(journal: Journal, entry: Entry, state: FileState) -> Entry:
    """Bring a row into `state`, whether or not that is allowed."""
    methods: dict[FileState, Callable[[], Entry]] = {
        S.READY: lambda: journal.ready(entry),
        S.SENDING: lambda: journal.sending(
            entry, position=10, chunks=1, end=20, sha256="ab", destination="d"
        ),
        S.RETRYING: lambda: journal.retrying(entry, position=20, chunks=2),
        S.DELIVERED: lambda: journal.delivered(entry, Delivered(3), now=NOW),
        S.REJECTED: lambda: journal.rejected(entry, Unfit("bad", what_to_do="mend"), now=NOW),
        S.CHANGED: lambda: journal.changed(entry, reason="it changed", now=NOW),
        S.DONE: lambda: journal.finished(entry),
        S.FAILED: lambda: journal.finished(entry),
        S.RETURNED: lambda: journal.finished(entry),
        S.VANISHED: lambda: journal.vanished(entry, reason="taken", now=NOW),
    }
    return methods[state]()


def seen(journal: Journal, **changes: Any) -> Entry:
    """A new row, of a file that is about to be claimed."""
    facts = {"origin": "drop", "source": "/w/t/a.csv", "push_token": "t", "route": "events", "acd_type": None}
    return journal.see(changes.pop("name", "a.csv"), LOOK, **{**facts, "now": NOW, **changes})


def row_in(journal: Journal, state: FileState, **changes: Any) -> Entry:
    """A new row in `state`."""
    entry = seen(journal, **changes)
    for each in ROAD[state]:
        entry = step(journal, entry, each)
    assert entry.state is state
    return entry


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new journal."""
    opened = Journal(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("state", FileState)
def test_every_step_of_the_table_works_and_is_read_back_as_it_was_written(
    state: FileState, journal: Journal
) -> None:
    for following in TRANSITIONS[state]:
        entry = step(journal, row_in(journal, state), following)
        assert entry.state is following
        assert journal.row(entry) == entry


@pytest.mark.parametrize("state", FileState)
def test_every_other_step_is_refused_and_changes_nothing(state: FileState, journal: Journal) -> None:
    for following in set(FileState) - TRANSITIONS[state] - {S.SEEN, S.DONE, S.FAILED, S.RETURNED}:
        entry = row_in(journal, state)
        with pytest.raises(IllegalStep):
            step(journal, entry, following)
        assert journal.row(entry) == entry


@pytest.mark.parametrize("state", sorted(set(FileState) - {S.DELIVERED, S.REJECTED, S.CHANGED}))
def test_a_file_without_a_verdict_cannot_be_finished(state: FileState, journal: Journal) -> None:
    entry = row_in(journal, state)

    with pytest.raises(IllegalStep):
        journal.finished(entry)
    assert journal.row(entry) == entry


@pytest.mark.parametrize("state", FileState)
def test_a_new_token_begins_again_at_the_first_byte_where_something_was_sent(
    state: FileState, journal: Journal
) -> None:
    entry = row_in(journal, state)
    if state in (S.SENDING, S.RETRYING):
        again = journal.start_over(entry, "t2")
        assert (again.push_token, again.position, again.chunks, again.sending_to) == ("t2", 0, 0, None)
    elif state is not S.SEEN:
        with pytest.raises(IllegalStep):
            journal.start_over(entry, "t2")
        assert journal.row(entry) == entry


@pytest.mark.parametrize("state", FileState)
def test_only_a_file_that_was_never_claimed_is_forgotten(state: FileState, journal: Journal) -> None:
    entry = row_in(journal, state)
    if state is S.SEEN:
        journal.forget(entry)
        assert journal.history() == []
    else:
        with pytest.raises(IllegalStep):
            journal.forget(entry)
        assert journal.history() == [entry]


def test_a_late_worker_with_an_old_row_cannot_finish_a_file_twice(journal: Journal) -> None:
    entry = row_in(journal, S.DELIVERED)
    journal.finished(entry)

    with pytest.raises(IllegalStep):
        journal.finished(entry)
    with pytest.raises(IllegalStep):
        journal.planned(entry, Path("/srv/other"))


def test_another_target_can_be_planned_until_the_file_is_moved(journal: Journal) -> None:
    for state in (S.DELIVERED, S.REJECTED, S.CHANGED):
        entry = journal.planned(row_in(journal, state), Path("/srv/caf\udce9.csv"))
        assert (entry.state, entry.target) == (state, "/srv/caf\udce9.csv")


def test_sending_and_its_answer_are_two_facts(journal: Journal) -> None:
    sending = row_in(journal, S.SENDING)
    assert (sending.position, sending.chunks, sending.sending_to, sending.sha256) == (10, 1, 20, "ab")

    answered = journal.retrying(sending, position=20, chunks=2)
    assert (answered.position, answered.chunks, answered.sending_to) == (20, 2, None)
    delivered = journal.delivered(answered, Delivered(3), now=NOW)
    assert (delivered.position, delivered.sending_to, delivered.target) == (LOOK.size, None, None)
    assert delivered.finished_at == "2026-11-23T19:24:39.123Z"


def test_notes_are_added_to_and_not_replaced(journal: Journal) -> None:
    entry = journal.ready(seen(journal, note="before it, t.json failed"))

    assert journal.delivered(entry, Delivered(0, "empty"), now=NOW).note == (
        "before it, t.json failed; empty"
    )


def test_rows_survive_a_restart_and_so_does_the_agents_own_id(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    entries = [row_in(first, state) for state in FileState]
    first.close()

    second = Journal(tmp_path)
    assert second.first_start  # no agent made its folders yet
    assert second.agent_id == first.agent_id != ""
    assert second.history() == entries[::-1]
    assert {entry.state for entry in second.unfinished("drop")} == set(FileState) - FINAL
    second.close()


@pytest.mark.parametrize(
    "name", ["caf\udce9.csv", "two\nlines.csv", "\U0001f600.csv", "'; DROP TABLE files; --"]
)
def test_any_name_comes_back_as_it_was(name: str, journal: Journal) -> None:
    entry = row_in(journal, S.READY, name=name, source=f"/w/{name}")

    assert (entry.name, entry.source, entry.fingerprint) == (name, f"/w/{name}", LOOK)
    assert journal.row(entry) == entry


def test_questions_are_answered_by_origin_outcome_time_and_route(journal: Journal) -> None:
    done = row_in(journal, S.DONE)
    failed = row_in(journal, S.FAILED, now=NOW + timedelta(days=1), route="types")
    hand = row_in(journal, S.SENDING, origin="hand", now=NOW + timedelta(days=2))

    assert journal.unfinished("drop") == []
    assert journal.unfinished("hand") == [hand]
    assert journal.history(failed=True) == [failed]
    assert journal.history(since=NOW + timedelta(days=1)) == [hand, failed]
    assert journal.history(limit=1) == [hand]
    assert (journal.last_of("events"), journal.last_of("types"), journal.last_of("x")) == (done, failed, None)


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    from_berlin = datetime.fromisoformat("2026-11-23T20:24:39.123456+01:00")

    assert utc_text(from_berlin) == utc_text(NOW) == "2026-11-23T19:24:39.123Z"
