"""What every backend of the journal must do: the questions, and what comes back as it was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.journal.contract import AT, LOOK, NOW, Fixtures, OpenAs, S, claim, row_in, seen
from watcher.core.errors import Unfit
from watcher.core.model import FINAL, FileState, Fingerprint, Placement, Receipt, Row
from watcher.core.steps import Deliver, Finish, Plan, Reject, Sending, StartOver
from watcher.core.units import utc_text
from watcher.journal.protocol import KEPT, Ended, Journal, PastHold

DAY, MONTH = timedelta(days=1), timedelta(days=30)


def later(days: float) -> str:
    """A time as the journal has it."""
    return utc_text(NOW + timedelta(days=days))


def delivered(
    journal: Journal,
    *,
    days: float = 0,
    target: str = "/done/a",
    aside: str | None = None,
    place: str = "d",
    **changes: object,
) -> Row:
    """A file with the content "ab" that was sent and moved."""
    row = seen(journal, **changes)
    deliver = Deliver(row, Receipt(1), later(days), target, aside)
    return journal.apply([Sending(row, 0, 0, 9, "ab", place), deliver, Finish(row)])[-1]


def failed(journal: Journal, *, days: float = 0, target: str = "/failed/a", **changes: object) -> Row:
    """A file that was refused and moved."""
    row = seen(journal, **changes)
    fault = Unfit("bad", what_to_do="mend")
    return journal.apply([Reject(row, fault, later(days)), Plan(row, target), Finish(row)])[-1]


class QuestionsContract(Fixtures):
    """Questions, the archive and the timeline."""

    # -- as it was written -------------------------------------------------------------------------

    def test_rows_survive_a_restart_and_so_does_what_is_known_of_the_folders(self, open_as: OpenAs) -> None:
        first = open_as("agent-1")
        rows = [row_in(first, state) for state in FileState]
        assert first.first_start
        first.folders_made()
        first.folders_made()
        first.close()

        second = open_as("agent-1")
        assert second.agent_id == "agent-1"
        assert not second.first_start
        assert second.history() == rows[::-1]
        assert second.under_way("drop") == [row for row in rows if row.state not in FINAL]

    @pytest.mark.parametrize(
        "name",
        [
            "caf\udce9.csv",
            "\udcff\udc80",
            "two\nlines.csv",
            "\U0001f600.csv",
            "'; DROP TABLE files; --",
            "a b",
        ],
    )
    def test_any_name_comes_back_as_it_was(self, name: str, journal: Journal) -> None:
        row = row_in(journal, S.READY, name=name, source=f"/w/{name}")
        assert (row.name, row.file.source, row.file.fingerprint) == (name, f"/w/{name}", LOOK)
        assert journal.row(row.id) == row

    @pytest.mark.parametrize("text", ["unpaired \ud800", "\udfff", "caf\udce9", "null: \u2400", ""])
    def test_any_text_comes_back_as_it_was_and_is_found(self, text: str, journal: Journal) -> None:
        row = delivered(journal, route=text, acd_type=text, note=text or None)
        assert (row.route, row.file.acd_type) == (text, text)
        assert journal.row(row.id) == row
        assert journal.last_of(text) == row
        assert journal.deliveries(text, 9) == [row]
        assert journal.archive.delivered_before(seen(journal, route=text), "ab", "d") == row

    def test_large_numbers_come_back_as_they_were(self, journal: Journal) -> None:
        size = 2**63 - 1
        look = Fingerprint(device=2**64 - 1, inode=2**64 - 1, size=size, mtime_ns=2**63 - 1)
        row = seen(journal, fingerprint=look)
        [sending] = journal.apply([Sending(row, size - 1, 2**31, size, "ab", "d", size)])
        assert sending.file.fingerprint == look
        assert journal.row(row.id) == sending
        before = Fingerprint(device=0, inode=0, size=0, mtime_ns=-(2**63))
        assert seen(journal, fingerprint=before).file.fingerprint == before

    # -- questions ---------------------------------------------------------------------------------

    def test_questions_are_answered_by_origin_outcome_time_and_route(self, journal: Journal) -> None:
        done = row_in(journal, S.DONE)
        bad = row_in(journal, S.FAILED, at=later(1), route="types")
        hand = row_in(journal, S.SENDING, origin="hand", at=later(2))

        assert journal.under_way("drop") == []
        assert journal.under_way("hand") == [hand]
        assert journal.history(failed=True) == [bad]
        assert journal.history(since=NOW + DAY) == [hand, bad]
        assert journal.history(limit=1) == [hand]
        assert journal.outcomes(9) == [bad, done]
        assert journal.outcomes(1) == [bad]
        assert (journal.last_of("events"), journal.last_of("types")) == (done, bad)
        assert journal.last_of("x") is None

    def test_what_the_server_made_of_a_route_last_is_what_it_took_or_refused(self, journal: Journal) -> None:
        assert journal.last_answered("events") is None
        [refused] = journal.apply([Reject(seen(journal), Unfit("no", what_to_do="mend", status=400), AT)])
        journal.apply([Reject(seen(journal), Unfit("a quote is open", what_to_do="mend"), AT)])
        row_in(journal, S.RETURNED)
        row_in(journal, S.SENDING)
        assert journal.last_answered("events") == refused

        [empty] = journal.apply([Deliver(seen(journal), Receipt(0, "empty"), AT)])
        assert journal.last_answered("events") == refused
        [sending] = journal.apply([Sending(seen(journal), 0, 0, 9, "ab", "d", 9)])
        [taken] = journal.apply([Deliver(sending, Receipt(1), AT)])

        assert empty.upload.chunks == 0
        assert journal.last_answered("events") == taken
        assert journal.last_answered("types") is None

    def test_what_is_under_way_is_told_oldest_first(self, journal: Journal) -> None:
        rows = journal.claim([claim(str(number)) for number in range(20)])
        assert journal.under_way("drop") == rows

    def test_deliveries_are_told_newest_first_and_without_failures(self, journal: Journal) -> None:
        first, second = row_in(journal, S.DONE), row_in(journal, S.DELIVERED)
        row_in(journal, S.FAILED)
        row_in(journal, S.DONE, route="other")
        assert journal.deliveries("events", 9) == [second, first]
        assert journal.deliveries("events", 1) == [second]

    # -- the archive -------------------------------------------------------------------------------

    def test_a_content_is_known_that_reached_the_same_place_by_any_route(self, journal: Journal) -> None:
        old, new = delivered(journal), delivered(journal)
        asking = seen(journal)
        ask = journal.archive.delivered_before

        assert ask(asking, "ab", "d") == new
        assert ask(new, "ab", "d") == old  # not itself
        assert ask(asking, "cd", "d") is None
        assert ask(asking, "ab", "another tenant") is None
        assert ask(seen(journal, route="other"), "ab", "d") == new

    def test_a_content_that_was_only_begun_or_left_out_is_not_known(self, journal: Journal) -> None:
        row_in(journal, S.SENDING)
        row = seen(journal)
        left_out = [Sending(row, 0, 0, 9, "ab", "d"), Deliver(row, Receipt(0), AT), Finish(row)]
        journal.apply(left_out)
        assert journal.archive.delivered_before(seen(journal), "ab", "d") is None

    def test_files_without_a_route_are_compared_with_each_other(self, journal: Journal) -> None:
        row = delivered(journal, route=None)
        assert journal.archive.delivered_before(seen(journal, route=None), "ab", "d") == row

    def test_a_row_is_found_by_its_push_token_and_by_those_before_whatever_became_of_it(
        self, journal: Journal
    ) -> None:
        row = seen(journal)
        [row] = journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
        first = row.push_token
        [row] = journal.apply([StartOver(row, "another")])

        assert journal.archive.of_token(first) == journal.archive.of_token("another") == row
        newest = delivered(journal)  # under the first token as well
        assert journal.archive.of_token(first) == newest
        assert journal.archive.of_token("anoth") is None
        assert journal.archive.of_token("") is None

    def test_a_failed_file_is_found_by_where_it_lies(self, journal: Journal) -> None:
        failed(journal, target="/failed/caf\udce9")
        newest = failed(journal, target="/failed/caf\udce9")
        delivered(journal, target="/failed/b")

        assert journal.archive.failed_at(Path("/failed/caf\udce9")) == newest
        assert journal.archive.failed_at(Path("/failed/b")) is None
        others = [Path(f"/failed/{number}") for number in range(1_200)]
        asked = [*others, newest_at := Path("/failed/caf\udce9")]
        assert journal.archive.failed_among(asked) == {newest_at: newest}
        assert journal.archive.failed_among([]) == {}

    def test_a_file_on_its_way_into_failed_is_found_there_before_its_row_says_that_it_came(
        self, journal: Journal
    ) -> None:
        [row] = journal.apply([Reject(seen(journal), Unfit("bad", what_to_do="mend it"), AT)])
        [row] = journal.apply([Plan(row, "/failed/a.csv")])

        assert journal.archive.failed_at(Path("/failed/a.csv")) == row

    def test_a_file_whose_fault_is_known_when_it_is_claimed_has_its_verdict_at_once(
        self, journal: Journal
    ) -> None:
        wanted = replace(claim(), fault=Unfit("withdrawn", what_to_do="copy it back"), in_doubt=True)

        [row] = journal.claim([wanted])

        assert (row.state, row.outcome.reason) == (FileState.REJECTED, "withdrawn")
        assert row.upload.at_server == "perhaps"
        assert journal.row(row.id) == row
        [row] = journal.apply([Plan(row, "/failed/a.csv"), Finish(row)])[-1:]
        assert journal.row(row.id).state is FileState.FAILED

    def test_outcomes_are_found_by_state_name_and_token_page_by_page(self, journal: Journal) -> None:
        seen(journal)  # not at its end
        old = delivered(journal, name="caf\udce9.csv", push_token="t-old")
        bad = failed(journal, name="BAD_1.csv", push_token="t-bad")
        new = delivered(journal, name="good_1.csv", push_token="t-new")

        def ended(
            state: FileState | None = None, text: str = "", before: int | None = None, limit: int = 9
        ) -> tuple[list[Row], int | None]:
            return journal.archive.ended(state=state, text=text, before=before, limit=limit)

        assert ended() == ([new, bad, old], None)
        assert ended(limit=3) == ([new, bad, old], None)
        assert ended(limit=2) == ([new, bad], bad.id)
        assert ended(before=bad.id) == ([old], None)
        assert ended(S.DONE, limit=1) == ([new], new.id)
        assert ended(S.FAILED) == ([bad], None)
        for text, found in (
            ("bad_", [bad]), ("_1.", [new, bad]), ("T-OLD", [old]), ("\\xe9", [old]), ("%", []),
            ("t-", [new, bad, old]),
        ):  # fmt: skip
            assert ended(text=text) == (found, None), text

    def test_outcomes_of_a_time_are_found_from_its_beginning_to_right_before_its_end(
        self, journal: Journal
    ) -> None:
        good, bad, other = delivered(journal), failed(journal, days=1), failed(journal, days=2)

        def ended(since: float, until: float, state: FileState | None = None) -> list[Row]:
            between = (later(since), later(until))
            found, before = journal.archive.ended(state=state, text="", before=None, limit=9, between=between)
            assert before is None
            return found

        assert ended(0, 3) == [other, bad, good]
        assert ended(0, 1) == [good]
        assert ended(0, 2, S.FAILED) == [bad]
        assert ended(0.5, 1) == []
        found, before = journal.archive.ended(
            state=None, text="", before=other.id, limit=1, between=(later(0), later(3))
        )
        assert (found, before) == ([bad], bad.id)

    def test_what_was_kept_long_enough_is_told_in_order_and_page_by_page(self, open_as: OpenAs) -> None:
        journal = open_as("agent-1")
        late, soon, again = (delivered(journal, days=days) for days in (3, 1, 1))
        delivered(journal, days=9)
        delivered(journal, days=1, origin="hand")
        failed(journal, days=1)
        row_in(journal, S.DONE)  # never moved
        theirs = delivered(open_as("agent-2"), days=1)

        def kept(after: tuple[str, int], limit: int) -> list[Row]:
            return journal.archive.kept_since(S.DONE, before=NOW + 5 * DAY, after=after, limit=limit)

        assert kept(("", 0), 9) == [soon, again, theirs, late]
        assert kept(("", 0), 1) == [soon]
        assert kept((later(1), soon.id), 9) == [again, theirs, late]

    def test_the_newest_row_is_ones_own_whatever_its_state(self, open_as: OpenAs) -> None:
        journal = open_as("agent-1")
        assert journal.archive.newest() is None
        delivered(journal, days=9)
        newest = seen(journal)
        seen(open_as("agent-2"))
        assert journal.archive.newest() == newest

    def test_a_removed_file_is_not_kept_any_more(self, journal: Journal) -> None:
        row = delivered(journal)
        journal.archive.removed(row, NOW + DAY)
        assert journal.row(row.id).place.removed_at == later(1)
        assert journal.archive.kept_since(S.DONE, before=NOW + MONTH, after=("", 0), limit=9) == []

    def test_a_place_belongs_to_the_latest_file_that_was_put_there(self, journal: Journal) -> None:
        old, new = delivered(journal), delivered(journal)
        other = delivered(journal, target="/done/b")
        assert [journal.archive.is_latest_at(row) for row in (old, new, other)] == [False, True, True]

    def test_a_place_is_anothers_while_a_row_of_the_same_size_has_it_and_its_file_was_not_removed(
        self, open_as: OpenAs
    ) -> None:
        journal = open_as("agent-1")
        row, larger = row_in(journal, S.DELIVERED), Fingerprint(1, 2, 3_000, 4)
        place, aside = Path("/done/b"), Path("/failed/b")

        def is_anothers() -> list[bool]:
            asked = replace(row, place=Placement("/done/b", "/failed/b"))
            return [journal.archive.is_anothers(asked, path) for path in (place, aside)]

        delivered(journal, target="/done/b", fingerprint=larger)
        assert is_anothers() == [False, False]
        other = delivered(open_as("agent-2"), target="/done/b", aside="/failed/b")
        assert is_anothers() == [True, True]
        assert not journal.archive.is_anothers(other, place)
        journal.archive.removed(other, NOW)
        assert is_anothers()[0] is False

    def test_old_rows_are_forgotten_some_at_a_time_but_not_those_of_others_whose_file_is_kept(
        self, open_as: OpenAs
    ) -> None:
        journal, others = open_as("agent-1"), open_as("agent-2")
        for _ in range(3):
            delivered(journal)
        new, open_row, theirs = delivered(journal, days=9), row_in(journal, S.SENDING), delivered(others)
        gone = delivered(others)
        others.archive.removed(gone, NOW + DAY)
        before = NOW + 5 * DAY

        assert [journal.archive.forget(before, limit=2) for _ in range(3)] == [2, 2, 0]
        assert journal.history() == [theirs, open_row, new]

    # -- the timeline ------------------------------------------------------------------------------

    def test_a_hold_that_ended_is_there_with_its_reason_and_its_times(self, journal: Journal) -> None:
        timeline = journal.timeline
        timeline.hold_ended("folder /\udce9", "full\ud800", began=NOW, ended=NOW + DAY)
        timeline.hold_ended("http://x", "away", began=NOW - DAY, ended=NOW)

        assert timeline.holds(NOW - MONTH) == [
            PastHold("http://x", "away", later(-1), later(0)),
            PastHold("folder /\udce9", "full\ud800", later(0), later(1)),
        ]
        assert timeline.holds(NOW + 2 * DAY) == []

    def test_holds_of_long_ago_are_let_go_of(self, journal: Journal) -> None:
        timeline = journal.timeline
        timeline.hold_ended("old", "x", began=NOW - KEPT - MONTH, ended=NOW - KEPT - MONTH)
        timeline.hold_ended("new", "x", began=NOW, ended=NOW)

        assert [hold.target for hold in timeline.holds(NOW - 10 * KEPT)] == ["new"]

    def test_files_are_counted_by_the_hour_they_ended_in(self, journal: Journal) -> None:
        for days in (-9, 0, 0, 0.5):
            delivered(journal, days=days)
        failed(journal)
        row_in(journal, S.DELIVERED)  # not at its end

        assert journal.timeline.files_by_hour(NOW - DAY) == [
            Ended("2026-11-23T19", S.DONE, 2, 2000),
            Ended("2026-11-23T19", S.FAILED, 1, 1000),
            Ended("2026-11-24T07", S.DONE, 1, 1000),
        ]
