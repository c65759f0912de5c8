"""Several agents of one journal: a lease each, the files of the dead, and one queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from queue import Empty, Queue
from typing import Any

import pytest

from tests.journal.contract import S, claim, row_in, seen, step
from tests.journal.test_postgres import Line, asked_again, change, line
from tests.postgres import database, database_of_tests, postgres_server
from watcher.core.errors import Outside, TakenOver
from watcher.core.model import Row
from watcher.core.steps import Relocate, Sending
from watcher.core.target import Target
from watcher.journal.lease import Lease
from watcher.journal.peers import PROBED, Turn
from watcher.wfm.bounds import seconds_for

pytest.importorskip("psycopg")
from watcher.journal.postgres import PostgresJournal
from watcher.journal.postgres_peers import PostgresPeers
from watcher.journal.postgres_schema import CHANNEL

__all__ = ["database", "database_of_tests", "line", "postgres_server"]
STATE = Target("folder", "/state")
LEASE_SECONDS = 600.0  # nobody beats by himself while a test runs
Open = Callable[..., PostgresJournal]


class Clock:
    """Of one agent's machine."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def agent(database: str) -> Iterator[Open]:
    """Agents of one database, by their numbers."""
    with ExitStack() as opened:

        def agent(number: int, clock: Callable[[], float] | None = None, url: str = database) -> Any:
            lease = Lease(LEASE_SECONDS, clock) if clock else Lease(LEASE_SECONDS)
            journal = PostgresJournal(url, f"agent-{number}", STATE, lives=True, lease=lease)
            opened.callback(journal.close)
            return journal

        yield agent


def peers(journal: PostgresJournal) -> PostgresPeers:
    """What it knows of the others."""
    assert isinstance(journal.peers, PostgresPeers)
    return journal.peers


def wait_until_it_hears(journal: PostgresJournal, database: str) -> None:
    """Its ear opens in a thread of its own, and what is told before that is not heard."""
    told: Queue[str] = Queue()
    peers(journal).listen(told.put)
    for number in range(200):
        change(database, f"SELECT pg_notify('{CHANNEL}', '{number}')")
        with suppress(Empty):
            while told.get(timeout=0.2) != str(number):
                pass
            return  # nothing that was told is still to come
    pytest.fail("it hears nothing")


def promise(journal: PostgresJournal, seconds: float) -> None:
    """Its requests take at most so long, and the database knows."""
    peers(journal).promise(seconds)
    peers(journal).beat()


def sees(*numbers: int) -> Callable[[], list[str]]:
    """Whose parts lie beside ours in the work folder."""
    return lambda: [f"agent-{number}" for number in numbers]


def pass_away(database: str, number: int, seconds: float = LEASE_SECONDS) -> None:
    """So much time goes by without a heartbeat of this agent."""
    change(
        database,
        f"UPDATE watcher.agents SET seen_at = seen_at - interval '{seconds} s' WHERE id = 'agent-{number}'",
    )


def announced(journal: PostgresJournal, **changes: Any) -> Row:
    """A file of which a chunk may be under way."""
    row = row_in(journal, S.READY, **changes)
    [row] = journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
    return row


# -- the files of the dead ---------------------------------------------------------------------------------


def test_files_of_an_agent_whose_lease_is_over_are_taken_over_as_they_are(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    row, other = row_in(one, S.RETRYING), row_in(one, S.READY, push_token="u")
    pass_away(database, 1)
    taken = peers(two).take_over(sees(1), ["events"])
    assert [(each.row.id, each.agent) for each in taken] == [(row.id, "agent-1"), (other.id, "agent-1")]
    assert [each.quiet_in for each in taken] == [0.0, 0.0]  # nothing had been announced
    [mine, _] = two.under_way("drop")
    assert mine.owner == "agent-2"
    assert (mine.push_token, mine.upload) == (row.push_token, row.upload)
    assert peers(two).take_over(sees(1), ["events"]) == []
    assert two.apply([step(mine, S.SENDING)])[0].state is S.SENDING


def test_whoever_was_taken_over_writes_nothing_more(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    row = row_in(one, S.READY)
    pass_away(database, 1)
    peers(two).take_over(sees(1), ["events"])
    with pytest.raises(TakenOver) as caught:
        one.apply([step(row, S.SENDING)])
    assert (caught.value.id, caught.value.by) == (row.id, "agent-2")
    assert two.row(row.id).state is S.READY


def test_an_agent_that_lives_or_works_in_another_folder_keeps_its_files(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    row = row_in(one, S.READY)
    assert peers(two).take_over(sees(1), ["events"]) == []
    pass_away(database, 1, LEASE_SECONDS - 10)
    assert peers(two).take_over(sees(1), ["events"]) == []
    pass_away(database, 1)
    assert peers(two).take_over(sees(2, 3), ["events"]) == []
    assert one.row(row.id).owner == "agent-1"


def test_an_agent_that_begins_anew_holds_what_it_promised_before(database: str) -> None:
    for seconds in (20.0, None):  # it dies before it promises anything
        lease = Lease(LEASE_SECONDS)
        with closing(PostgresJournal(database, "agent-1", STATE, lives=True, lease=lease)) as one:
            if seconds is not None:
                peers(one).promise(seconds)
                peers(one).beat()
            row = announced(one, push_token=f"of {seconds}")
    with closing(PostgresJournal(database, "agent-2", STATE, lives=True)) as two:
        pass_away(database, 1)
        quiet = {each.row.id: each.quiet_in for each in peers(two).take_over(sees(1), ["events"])}
    assert 0 < quiet[row.id] < 60


def test_files_of_a_route_that_we_do_not_have_are_left_to_those_who_do(agent: Open, database: str) -> None:
    one, two, three = agent(1), agent(2), agent(3)
    row = row_in(one, S.READY)
    pass_away(database, 1)
    assert peers(two).take_over(sees(1), ["types"]) == []
    assert one.row(row.id).owner == "agent-1"
    assert [each.row.id for each in peers(three).take_over(sees(1), ["types", "events"])] == [row.id]


def test_a_file_that_comes_back_is_taken_when_nothing_is_at_it_any_more_and_as_the_others_left_it(
    agent: Open, database: str
) -> None:
    one, two = agent(1), agent(2)
    old = announced(one)
    pass_away(database, 1)
    [taken] = peers(two).take_over(sees(1), ["events"])
    [newer] = two.apply([Sending(taken.row, 9, 1, 40, "ab", "d")])
    pass_away(database, 2)
    peers(one).beat()
    assert peers(one).lost() == {old.id: "agent-2"}

    assert peers(one).take_over(sees(2), ["events"], busy=[old.id]) == []
    assert one.row(old.id).owner == "agent-2"
    [back] = peers(one).take_over(sees(2), ["events"])
    assert back.row == replace(newer, owner="agent-1")
    [said] = one.apply([Relocate(back.row, "/w/x", None, None)])
    assert said.upload == newer.upload
    assert one.row(old.id) == said


def test_an_agent_that_ended_with_files_under_way_is_taken_over_after_its_lease(
    agent: Open, database: str
) -> None:
    two = agent(2)
    with closing(PostgresJournal(database, "agent-1", STATE, lives=True)) as one:
        row = row_in(one, S.READY)
    assert peers(two).take_over(sees(1), ["events"]) == []
    pass_away(database, 1)
    assert [each.row.id for each in peers(two).take_over(sees(1), ["events"])] == [row.id]


def test_uploads_by_hand_are_never_taken_over(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    row_in(one, S.READY, origin="hand")
    pass_away(database, 1)
    assert peers(two).take_over(sees(1), ["events"]) == []


def test_what_was_announced_waits_for_the_longest_request_of_the_dead(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    promise(one, 1000.0)
    row = announced(one)
    pass_away(database, 1, LEASE_SECONDS + 100)
    [taken] = peers(two).take_over(sees(1), ["events"])
    assert taken.row.id == row.id
    assert 850 < taken.quiet_in <= 900
    for anybody in (one, two):
        [(waits, until)] = anybody.quiet_until().items()
        left = datetime.fromisoformat(until) - datetime.now(UTC)
        assert (waits, 850 < left.total_seconds() <= 900) == (row.id, True)
    two.close()
    again = agent(2)  # restarted meanwhile: it still waits
    [row] = again.under_way("drop")
    assert 850 < peers(again).quiet_in()[row.id] <= 900


def test_the_larger_a_chunk_the_longer_it_is_waited_for(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    promise(one, 100.0)
    row = row_in(one, S.READY)
    one.apply([Sending(row, 0, 0, 1_000_000, "ab", "d")])
    pass_away(database, 1)
    [taken] = peers(two).take_over(sees(1), ["events"])
    seconds = 100.0 + 2 * (seconds_for(1_000_000, 1.0) - seconds_for(0, 1.0))
    assert seconds - 50 < taken.quiet_in <= seconds


def test_without_a_promise_what_was_announced_waits_for_a_day(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    announced(one)
    pass_away(database, 1)
    [taken] = peers(two).take_over(sees(1), ["events"])
    assert 86_000 < taken.quiet_in <= 86_400


def test_who_takes_over_from_one_that_waits_waits_as_long(agent: Open, database: str) -> None:
    one, two, three = agent(1), agent(2), agent(3)
    promise(one, 1000.0)
    promise(two, 1.0)
    announced(one)
    pass_away(database, 1)
    peers(two).take_over(sees(1), ["events"])
    pass_away(database, 2)
    [taken] = peers(three).take_over(sees(1, 2), ["events"])
    assert 900 < taken.quiet_in <= 1000


def test_a_takeover_whose_answer_was_lost_is_heard_of_later(agent: Open, database: str, line: Line) -> None:
    one, two = agent(1), agent(2, url=line.url(database))
    row = row_in(one, S.READY)
    own = row_in(two, S.READY, push_token="mine")
    pass_away(database, 1)
    line.cut = "behind"
    with pytest.raises(Outside):
        peers(two).take_over(sees(1), ["events"])
    line.is_closed = False
    taken = asked_again(lambda: peers(two).take_over(sees(1), ["events"]))
    assert [each.row.id for each in taken] == [row.id]
    assert two.row(own.id).owner == "agent-2"


# -- the lease ---------------------------------------------------------------------------------------------


def test_nothing_is_sent_behind_the_end_of_our_lease_by_our_own_clock(
    agent: Open, database: str, line: Line
) -> None:
    clock = Clock()
    one = agent(1, clock, line.url(database))
    row = row_in(one, S.READY)
    peers(one).require_lease(row.id)
    line.cut_off()
    peers(one).require_lease(row.id)  # nobody else can have it yet
    clock.seconds += LEASE_SECONDS
    with pytest.raises(Outside):
        peers(one).require_lease(row.id)
    line.is_closed = False
    asked_again(lambda: peers(one).require_lease(row.id))


def test_whoever_was_silent_sends_nothing_of_what_others_took(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    lost, kept = row_in(one, S.READY), row_in(one, S.READY, push_token="u", origin="hand")
    pass_away(database, 1)
    peers(two).take_over(sees(1), ["events"])
    peers(one).beat()
    peers(one).require_lease(kept.id)
    with pytest.raises(TakenOver):
        peers(one).require_lease(lost.id)
    assert peers(one).lost() == {lost.id: "agent-2"}
    with pytest.raises(TakenOver):
        peers(one).require_lease(lost.id)
    assert peers(one).lost() == {}


# -- one queue ---------------------------------------------------------------------------------------------

TURNS = {"types": Turn((), 1), "codes": Turn(("types",), 1), "events": Turn(("types", "codes"), 2)}


def ask(journal: PostgresJournal, *routes: str, mark: int | None = None, **more: Any) -> list[Row | str]:
    """Claim a file of each of these routes."""
    mark = peers(journal).mark() if mark is None else mark
    claims = [claim(route=route, push_token=f"{route}-{number}") for number, route in enumerate(routes)]
    turns = TURNS | more.get("turns", {})
    known = more.get("known", journal.under_hand)
    return peers(journal).claim(claims, turns, mark=mark, known=known, sees=more.get("sees", sees(1, 2)))


def end(journal: PostgresJournal, row: Row) -> None:
    """Bring a file to its end."""
    for state in (S.SENDING, S.DELIVERED, S.DONE):
        [row] = journal.apply([step(row, state)])


def test_files_of_a_route_wait_for_those_before_whichever_agent_has_them(agent: Open) -> None:
    one, two = agent(1), agent(2)
    [row] = ask(one, "types")
    assert isinstance(row, Row)
    mark = peers(two).mark()
    assert ask(two, "codes", "events") == [
        "waits for types, of which another agent has a file under way",
        "waits for types, of which another agent has a file under way",
    ]
    end(one, row)
    # It may have come back to the drop folder: the look that saw nothing of it was before.
    [why] = ask(two, "codes", mark=mark)
    assert isinstance(why, str)
    assert "came to its end just now" in why
    [row] = ask(two, "codes")
    assert isinstance(row, Row)


def test_files_wait_too_for_one_that_was_taken_over_and_has_no_place_in_our_line_yet(
    agent: Open, database: str
) -> None:
    one, two = agent(1), agent(2)
    [row] = ask(one, "types")
    assert isinstance(row, Row)
    pass_away(database, 1)
    [taken] = peers(two).take_over(sees(1), ["types"])
    for route in ("types", "codes"):
        [why] = ask(two, route, known=())
        assert isinstance(why, str)
    [row] = ask(two, "types", known=[taken.row.id])
    assert isinstance(row, Row)


def test_no_more_files_of_a_route_are_under_way_than_its_parallel_over_all_agents(agent: Open) -> None:
    one, two = agent(1), agent(2)
    first, second = ask(one, "types", "events")  # its own are its dispatcher's to judge
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    end(one, first)
    third, fourth = ask(two, "events", "events")
    assert isinstance(third, Row)
    assert fourth == "behind a file of events, which another agent has"
    assert ask(two, "types", "types")[1] == "behind a file of types"


def test_whoever_is_alone_claims_ahead(agent: Open, database: str) -> None:
    one = agent(1)
    assert all(isinstance(row, Row) for row in ask(one, "types", "types", "types"))
    two = agent(2)
    assert ask(one, "types") == ["behind a file of types"]
    two.close()
    assert all(isinstance(row, Row) for row in ask(one, "types"))


def test_agents_of_another_folder_do_not_share_the_queue(agent: Open) -> None:
    one, two = agent(1), agent(2)
    ask(one, "types")
    assert all(isinstance(row, Row) for row in ask(two, "types", "codes", "types", sees=sees(2)))


def test_files_that_let_others_go_first_take_no_turn(agent: Open) -> None:
    one, _two = agent(1), agent(2)
    ask(one, "types")
    [row] = ask(one, "types", turns={"types": Turn((), 1, aside=1)})
    assert isinstance(row, Row)


def test_agents_that_claim_at_once_keep_the_order(agent: Open) -> None:
    agents = [agent(number) for number in range(1, 5)]
    everybody = sees(1, 2, 3, 4)
    together, rows = threading.Barrier(4), list[Row | str]()

    def race(journal: PostgresJournal) -> None:
        together.wait()
        rows.extend(ask(journal, "types", mark=0, sees=everybody))

    threads = [threading.Thread(target=race, args=(journal,)) for journal in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(row, Row) for row in rows) == 1
    assert len(rows) == 4


def test_an_end_is_told_to_the_others(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    told: Queue[str] = Queue()
    wait_until_it_hears(two, database)
    peers(two).listen(told.put)
    one.apply([step(row_in(one, S.DELIVERED), S.DONE)])
    assert told.get(timeout=30) != PROBED
    one.apply([step(row_in(one, S.REJECTED, push_token="x"), S.FAILED)])
    assert told.get(timeout=30) != PROBED


def test_what_all_see_is_told_by_one(agent: Open, database: str) -> None:
    one, two, three = agent(1), agent(2), agent(3)

    def is_first(journal: PostgresJournal, key: str, *near: int) -> bool:
        return peers(journal).is_first(key, seconds=3600.0, sees=sees(*near) if near else None)

    assert is_first(one, "held http://wfm")
    assert not is_first(two, "held http://wfm")
    assert is_first(one, "held folder /drop", 1, 2)
    assert not is_first(two, "held folder /drop", 1, 2)
    assert is_first(three, "held folder /drop", 3)  # a folder of that name, on another disk
    assert is_first(two, "held folder /done \ud800", 1, 2)
    change(database, "UPDATE watcher.told SET until = clock_timestamp() - interval '1 s'")
    assert is_first(two, "held http://wfm")


def test_a_row_that_nobody_claimed_ends_no_turn(agent: Open) -> None:
    one, two = agent(1), agent(2)
    mark = peers(two).mark()
    one.forget([seen(one, route="types")])
    assert peers(two).mark() == mark


def test_a_file_that_waits_for_one_we_are_still_at_is_taken_over_with_that_one(
    agent: Open, database: str
) -> None:
    one, two = agent(1), agent(2)
    old, new = announced(one), row_in(one, S.READY)
    pass_away(database, 1)

    assert peers(two).take_over(sees(1), ["events"], busy=[old.id]) == []
    assert [one.row(row.id).owner for row in (old, new)] == ["agent-1", "agent-1"]
    assert [each.row.id for each in peers(two).take_over(sees(1), ["events"])] == [old.id, new.id]
