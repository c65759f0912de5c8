"""What every backend of the journal must do: the life of a file. `contract_questions` has the rest.

A backend passes with a class that inherits both and brings the fixture `open_as`; see `test_contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest

from watcher.core.errors import IllegalStep, Unfit
from watcher.core.model import FINAL, TRANSITIONS, Claim, FileState, Fingerprint, Receipt, Row
from watcher.core.steps import (
    Change,
    Deliver,
    Finish,
    Plan,
    Ready,
    Reject,
    Relocate,
    Retrying,
    Sending,
    StartOver,
    Step,
    Vanish,
)
from watcher.core.units import utc_text
from watcher.journal.protocol import Journal

OpenAs = Callable[
    [str], Journal
]  # the same store each time, as the agent with this id; closed by the fixture

NOW = datetime(2026, 11, 23, 19, 24, 39, 123456, tzinfo=UTC)
AT = utc_text(NOW)
# Larger than what a database's integers hold: devices and inodes have 64 bits without a sign.
LOOK = Fingerprint(device=2**64 - 1, inode=2**63, size=1000, mtime_ns=1_700_000_000_123_456_789)
S = FileState
VERDICTS = (S.DELIVERED, S.REJECTED, S.CHANGED)
ROAD: dict[FileState, tuple[FileState, ...]] = {
    S.SEEN: (),
    S.READY: (S.READY,),
    S.SENDING: (S.SENDING,),
    S.RETRYING: (S.READY, S.SENDING, S.RETRYING),
    S.DELIVERED: (S.READY, S.SENDING, S.DELIVERED),
    S.REJECTED: (S.REJECTED,),
    S.CHANGED: (S.READY, S.CHANGED),
    S.DONE: (S.SENDING, S.DELIVERED, S.DONE),
    S.FAILED: (S.READY, S.REJECTED, S.FAILED),
    S.RETURNED: (S.CHANGED, S.RETURNED),
    S.VANISHED: (S.READY, S.VANISHED),
}


def step(row: Row, state: FileState) -> Step:
    """A step into `state`, whether or not that is allowed."""
    steps: dict[FileState, Step] = {
        S.READY: Ready(row),
        S.SENDING: Sending(row, 10, 1, 20, "ab", "d", 1000),
        S.RETRYING: Retrying(row, 20, 2),
        S.DELIVERED: Deliver(row, Receipt(3), AT),
        S.REJECTED: Reject(row, Unfit("bad", what_to_do="mend"), AT),
        S.CHANGED: Change(row, "it changed", AT),
        S.VANISHED: Vanish(row, "taken", AT),
    }
    return steps.get(state, Finish(row))


def claim(name: str = "a.csv", **changes: Any) -> Claim:
    """A file that is about to be claimed."""
    facts: dict[str, Any] = {
        "name": name, "fingerprint": LOOK, "source": "/w/t/a.csv", "push_token": "t", "route": "events",
        "acd_type": None, "origin": "drop", "at": AT,
    }  # fmt: skip
    return Claim(**{**facts, **changes})


def seen(journal: Journal, **changes: Any) -> Row:
    """The row of a file that is about to be claimed."""
    [row] = journal.claim([claim(**changes)])
    return row


def row_in(journal: Journal, state: FileState, **changes: Any) -> Row:
    """A new row in `state`."""
    row = seen(journal, **changes)
    for each in ROAD[state]:
        [row] = journal.apply([step(row, each)])
    assert row.state is state
    return row


class Fixtures:
    """What both parts of the contract begin with."""

    @pytest.fixture
    def journal(self, open_as: OpenAs) -> Iterator[Journal]:
        """A new journal."""
        return open_as("agent-1")


class LifeContract(Fixtures):
    """Claims and steps."""

    # -- claims ------------------------------------------------------------------------------------

    def test_a_claimed_file_is_seen_and_its_claimers_own(self, journal: Journal) -> None:
        rows = journal.claim([claim("a"), claim("b", route=None, acd_type="x", origin="hand", note="n")])

        assert [(row.name, row.state, row.owner) for row in rows] == [
            ("a", S.SEEN, "agent-1"), ("b", S.SEEN, "agent-1"),
        ]  # fmt: skip
        first, second = rows
        assert first.id < second.id
        assert (first.file.fingerprint, first.file.started_at, first.push_token) == (LOOK, AT, "t")
        assert (second.route, second.file.acd_type, second.file.origin) == (None, "x", "hand")
        assert second.outcome.note == "n"
        assert [journal.row(row.id) for row in rows] == rows

    def test_nothing_to_claim_or_to_do_is_no_fault(self, journal: Journal) -> None:
        assert journal.claim([]) == journal.apply([]) == []
        journal.forget([])
        assert journal.history() == []

    def test_a_row_that_is_not_there_is_said_to_be_missing(self, journal: Journal) -> None:
        with pytest.raises(LookupError):
            journal.row(7)

    @pytest.mark.parametrize("state", FileState)
    def test_only_a_file_that_was_never_claimed_is_forgotten(
        self, state: FileState, journal: Journal
    ) -> None:
        row, other = row_in(journal, state), seen(journal)
        if state is S.SEEN:
            journal.forget([row, other])
            assert journal.history() == []
        else:
            with pytest.raises(IllegalStep):
                journal.forget([other, row])
            assert journal.history() == [other, row]

    def test_the_id_of_a_forgotten_row_is_not_given_again(self, journal: Journal) -> None:
        row = seen(journal)
        journal.forget([row])
        assert seen(journal).id > row.id

    # -- steps -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", FileState)
    def test_every_step_of_the_table_works_and_is_read_back_as_it_was_written(
        self, state: FileState, journal: Journal
    ) -> None:
        for following in TRANSITIONS[state] - {state}:
            [row] = journal.apply([step(row_in(journal, state), following)])
            assert row.state is following
            assert journal.row(row.id) == row

    @pytest.mark.parametrize("state", FileState)
    def test_every_other_step_is_refused_and_changes_nothing(
        self, state: FileState, journal: Journal
    ) -> None:
        ends = {S.DONE, S.FAILED, S.RETURNED}  # one step leads to all three, and has its own test
        for following in set(FileState) - TRANSITIONS[state] - {S.SEEN} - ends:
            row = row_in(journal, state)
            with pytest.raises(IllegalStep):
                journal.apply([step(row, following)])
            assert journal.row(row.id) == row

    @pytest.mark.parametrize("state", sorted(set(FileState) - set(VERDICTS)))
    def test_a_file_without_a_verdict_is_neither_finished_nor_given_a_place(
        self, state: FileState, journal: Journal
    ) -> None:
        row = row_in(journal, state)
        for forbidden in (Finish(row), Plan(row, "/srv/other")):
            with pytest.raises(IllegalStep):
                journal.apply([forbidden])
        assert journal.row(row.id) == row

    @pytest.mark.parametrize("state", FileState)
    def test_a_new_token_begins_again_at_the_first_byte_until_there_is_a_verdict(
        self, state: FileState, journal: Journal
    ) -> None:
        row = row_in(journal, state)
        if S.READY in TRANSITIONS[state]:
            [again] = journal.apply([StartOver(row, "t2")])
            upload = again.upload
            assert (again.push_token, upload.earlier_tokens) == ("t2", ("t",))
            assert (upload.position, upload.chunks, upload.sending_to, upload.sends) == (0, 0, None, 0)
            [again] = journal.apply([Sending(again, 0, 0, 9, "ab", "d")])
            [again] = journal.apply([StartOver(again, "t3")])
            assert journal.row(row.id).upload.earlier_tokens == ("t", "t2")
        else:
            with pytest.raises(IllegalStep):
                journal.apply([StartOver(row, "t2")])
            assert journal.row(row.id) == row

    @pytest.mark.parametrize("state", FileState)
    def test_a_file_is_relocated_in_any_state(self, state: FileState, journal: Journal) -> None:
        row = row_in(journal, state)
        [moved] = journal.apply([Relocate(row, "/new/\udce9", "/done/\udce9", None)])

        assert (moved.state, moved.file.source) == (state, "/new/\udce9")
        assert (moved.place.target, moved.place.aside) == ("/done/\udce9", None)
        assert journal.row(row.id) == moved

    def test_a_file_is_relocated_to_where_it_is(self, journal: Journal) -> None:
        row = row_in(journal, S.SENDING)
        assert journal.apply([Relocate(row, row.file.source, None, None)]) == [row]

    def test_a_step_starts_from_the_stored_row_and_not_from_what_the_caller_knew(
        self, journal: Journal
    ) -> None:
        old = seen(journal, note="before it, t.json failed")
        journal.apply([Sending(old, 0, 0, 20, "ab", "d")])
        [row] = journal.apply([Deliver(old, Receipt(1, "late"), AT, "/done/a", "/failed/a")])

        assert (row.upload.sha256, row.upload.destination) == ("ab", "d")
        assert row.outcome.note == "before it, t.json failed; late"
        assert (row.place.target, row.place.aside) == ("/done/a", "/failed/a")

    def test_a_late_worker_with_an_old_row_cannot_finish_a_file_twice(self, journal: Journal) -> None:
        row = row_in(journal, S.DELIVERED)
        journal.apply([Finish(row)])
        for late in (Finish(row), Plan(row, "/srv/other"), Vanish(row, "taken", AT)):
            with pytest.raises(IllegalStep):
                journal.apply([late])

    def test_another_target_can_be_planned_until_the_file_is_moved(self, journal: Journal) -> None:
        for state in VERDICTS:
            [row] = journal.apply([Plan(row_in(journal, state), "/srv/caf\udce9.csv", "/srv/x")])
            assert (row.state, row.place.target, row.place.aside) == (state, "/srv/caf\udce9.csv", "/srv/x")
            assert journal.row(row.id) == row

    def test_sending_and_its_answer_are_two_facts(self, journal: Journal) -> None:
        sending = row_in(journal, S.SENDING)
        upload = sending.upload
        assert (upload.position, upload.chunks, upload.sending_to, upload.sha256) == (10, 1, 20, "ab")
        [answered] = journal.apply([Retrying(sending, 20, 2)])
        upload = answered.upload
        assert (upload.position, upload.chunks, upload.sending_to) == (20, 2, None)
        [delivered] = journal.apply([Deliver(answered, Receipt(3), AT)])
        assert (delivered.upload.position, delivered.upload.sending_to) == (LOOK.size, None)
        assert (delivered.place.target, delivered.outcome.finished_at) == (None, "2026-11-23T19:24:39.123Z")

    def test_it_is_counted_how_often_a_chunk_went_out(self, journal: Journal) -> None:
        row = seen(journal)
        sends = []
        for each in (
            Sending(row, 0, 0, 20, "ab", "d"),
            Sending(row, 0, 0, 20, "ab", "d"),
            Retrying(row, 0, 0),
            Sending(row, 0, 0, 20, "ab", "d"),
            Sending(row, 20, 1, 40, "ab", "d"),
            Retrying(row, 40, 2),
            Sending(row, 40, 2, 60, "ab", "d"),
        ):
            [after] = journal.apply([each])
            sends.append(after.upload.sends)
        assert sends == [1, 2, 2, 3, 1, 0, 1]
        assert journal.row(row.id).upload.sends == 1

    def test_a_verdict_is_kept_with_all_that_was_said(self, journal: Journal) -> None:
        fault = Unfit(
            "bad\ud800", what_to_do="mend", lines="1-2", status=400, said="no\udfff", problems=["a\nb", "c d"]
        )
        [failed] = journal.apply([Reject(row_in(journal, S.SENDING), fault, AT)])
        receipt = Receipt(2, "n", 7, "r", "w", "3", ("p\ud800", ""), "cd", "f", "l", "c")
        [done] = journal.apply([Deliver(row_in(journal, S.SENDING), receipt, AT)])

        assert [journal.row(failed.id), journal.row(done.id)] == [failed, done]
        out = failed.outcome
        assert (out.reason, out.lines, out.status, out.server_said) == ("bad\ud800", "1-2", 400, "no\udfff")
        assert (out.problems, failed.upload.sending_to) == (("a\nb", "c d"), None)
        out = done.outcome
        assert (out.problems, out.records, out.first_line, out.last_line) == (("p\ud800", ""), 7, "f", "l")
        assert (done.upload.sha256, done.upload.chunks, out.note) == ("cd", 2, "c; n")

    def test_a_file_that_vanishes_after_its_verdict_keeps_the_verdicts_time(self, journal: Journal) -> None:
        row = row_in(journal, S.DELIVERED)
        [gone] = journal.apply([Vanish(row, "taken", "2027-01-01T00:00:00.000Z")])
        assert (gone.outcome.finished_at, gone.outcome.reason) == (AT, "taken")

    # -- batches -----------------------------------------------------------------------------------

    def test_a_batch_takes_steps_of_many_rows_and_several_of_one_in_their_order(
        self, journal: Journal
    ) -> None:
        one, two = journal.claim([claim("a"), claim("b")])
        after = journal.apply(
            [
                Sending(one, 0, 0, 20, "ab", "d"),
                Reject(two, Unfit("bad", what_to_do="mend"), AT),
                Deliver(one, Receipt(1), AT),
                Plan(one, "/done/a"),
                Finish(two),
                Finish(one),
            ]
        )

        assert [row.state for row in after] == [
            S.SENDING, S.REJECTED, S.DELIVERED, S.DELIVERED, S.FAILED, S.DONE,
        ]  # fmt: skip
        assert [journal.row(one.id), journal.row(two.id)] == [after[5], after[4]]
        assert after[5].place.target == "/done/a"

    def test_a_batch_with_an_illegal_step_takes_none(self, journal: Journal) -> None:
        one, two = journal.claim([claim("a"), claim("b")])
        for bad in (Finish(two), Retrying(two, 0, 0)):
            with pytest.raises(IllegalStep):
                journal.apply([Ready(one), bad, Ready(two)])
        assert journal.history() == [two, one]

    def test_a_step_of_a_forgotten_row_is_illegal(self, journal: Journal) -> None:
        one, two = journal.claim([claim("a"), claim("b")])
        journal.forget([two])
        with pytest.raises(IllegalStep):
            journal.apply([Ready(one), Ready(two)])
        assert journal.history() == [one]

    def test_threads_take_turns(self, journal: Journal) -> None:
        def work() -> None:
            for _ in range(5):
                row_in(journal, S.DONE)

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [row.state for row in journal.history()] == [S.DONE] * 20

    # -- owners ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", FileState)
    def test_nobody_but_the_owner_takes_a_step_or_forgets(self, state: FileState, open_as: OpenAs) -> None:
        mine, others = open_as("agent-1"), open_as("agent-2")
        row = row_in(mine, state)
        for following in TRANSITIONS[state] - {state}:
            with pytest.raises(IllegalStep):
                others.apply([step(row, following)])
        for forbidden in (Relocate(row, "/w", None, None), StartOver(row, "t2")):
            with pytest.raises(IllegalStep):
                others.apply([forbidden])
        with pytest.raises(IllegalStep):
            others.forget([row])
        assert others.row(row.id) == mine.row(row.id) == row
        assert mine.under_way("drop") == ([] if state in FINAL else [row])
        assert others.under_way("drop") == []
