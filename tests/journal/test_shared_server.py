"""What the agents of one journal tell each other of the server: who probes it, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest

from tests.journal.test_peers import Open, agent, pass_away, peers, wait_until_it_hears
from tests.journal.test_postgres import change
from tests.postgres import database, database_of_tests, postgres_server
from watcher.agent.effects.shared_server import SharedServer
from watcher.core.errors import Outside
from watcher.core.holds import LONGEST_RETRY_AFTER_SECONDS
from watcher.core.probing import Ask, Prober, Report
from watcher.core.target import Target
from watcher.journal.peers import PROBED, Failed

pytest.importorskip("psycopg")
from watcher.journal.postgres import PostgresJournal
from watcher.journal.postgres_server import BUSY_SECONDS, COURTESY_SECONDS, PROBE_SECONDS

__all__ = ["agent", "database", "database_of_tests", "postgres_server"]
SERVER, ENDPOINT = Target("server", "https://wfm"), Target("endpoint", "https://wfm/events\ud800")
CAP = 60.0


def asks(
    journal: PostgresJournal,
    targets: Sequence[Target] = (SERVER,),
    *,
    at_once: bool = False,
    cap: float = CAP,
) -> float:
    """Ask for the turn of an agent."""
    return peers(journal).server.may_probe(targets, cap=cap, at_once=at_once)


def fails(
    journal: PostgresJournal, targets: Sequence[Target] = (SERVER,), *, wait: float | None = None
) -> None:
    """Its probe did not come through."""
    peers(journal).server.probed(targets, failed=Failed(CAP, wait))


def later(database: str, seconds: float) -> None:
    """So much time goes by."""
    ago = f"- interval '{seconds} s'"
    change(database, f"UPDATE watcher.probes SET free_at = free_at {ago}, until = until {ago}")


def test_while_one_agent_probes_the_others_ask_again_and_it_may_go_on(agent: Open) -> None:
    one, two = agent(1), agent(2)
    assert asks(one) == 0
    assert asks(two) == BUSY_SECONDS
    assert asks(one) == 0  # another file of it


def test_what_another_one_probes_bears_on_that_alone(agent: Open) -> None:
    one, two, three = agent(1), agent(2), agent(3)
    assert asks(one, [SERVER]) == 0
    assert asks(two, [ENDPOINT]) == 0
    assert asks(three, [SERVER, ENDPOINT]) == BUSY_SECONDS
    fails(two, [ENDPOINT])
    assert 0 < asks(three, [ENDPOINT]) <= 1.0


def test_the_steps_of_the_backoff_are_those_of_one_agent_whoever_probes(agent: Open, database: str) -> None:
    agents = [agent(number) for number in range(3)]
    steps = []
    for number in range(9):
        assert asks(agents[number % 3]) == 0
        fails(agents[number % 3])
        steps.append(round(asks(agents[(number + 1) % 3])))
        later(database, steps[-1])
    assert steps == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_whoever_tried_last_lets_those_go_first_that_wait(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    assert asks(one) == 0
    fails(one)
    assert asks(two) > 0
    later(database, 1.0)
    assert 0 < asks(one) <= COURTESY_SECONDS
    assert asks(two) == 0
    fails(two)
    later(database, 2.0)
    assert asks(two) == 0, "nobody else asked"


def test_what_a_server_asked_for_holds_for_all(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    assert asks(one) == 0
    fails(one, wait=500.0)
    assert 490 < asks(two) <= 500
    later(database, 501.0)
    assert asks(two) == 0


@pytest.mark.parametrize(("asked", "waits"), [(1e9, LONGEST_RETRY_AFTER_SECONDS), (0.0, 1.0)])
def test_a_server_is_taken_at_its_word_as_far_as_one_agent_alone_does(
    asked: float, waits: float, agent: Open
) -> None:
    one, two = agent(1), agent(2)
    shared = SharedServer(one.peers, {}, clock=lambda: 0.0)
    shared.do(Ask(Prober(), CAP, targets=(SERVER,)))
    shared.do(Report((SERVER,), Outside(SERVER, "busy", retry_after=asked), CAP))
    assert waits - 0.9 < asks(two) <= waits


def test_when_one_came_through_the_others_hear_of_it_and_may_go(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    told: Queue[str] = Queue()
    wait_until_it_hears(two, database)
    peers(two).listen(told.put)
    assert asks(one) == 0
    assert asks(two) > 0
    peers(one).server.probed([SERVER], failed=None)
    assert told.get(timeout=30) == PROBED
    assert asks(two) == 0


def test_a_probe_of_one_that_died_or_never_told_what_came_of_it_does_not_keep_the_others(
    agent: Open, database: str
) -> None:
    one, two = agent(1), agent(2)
    assert asks(one) == 0
    assert asks(two) == BUSY_SECONDS
    pass_away(database, 1)
    assert asks(two) == 0
    assert asks(agent(3)) == BUSY_SECONDS
    later(database, PROBE_SECONDS + 1)
    assert asks(agent(4)) == 0


def test_who_takes_long_to_probe_and_says_so_keeps_the_turn(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    assert asks(one) == 0
    for _ in range(3):
        later(database, PROBE_SECONDS - 1)
        peers(one).server.still_probing([SERVER, ENDPOINT])
        assert asks(two) == BUSY_SECONDS
    fails(one)
    peers(one).server.still_probing([SERVER])  # it was told late
    assert 0 < asks(two) < BUSY_SECONDS + 0.1
    later(database, 1.0)
    assert asks(two) == 0


def test_a_file_that_is_not_on_its_way_any_more_keeps_nobody(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    prober = Prober()
    shared = SharedServer(one.peers, {}, clock=lambda: 0.0)
    assert shared.do(Ask(prober, CAP, targets=(SERVER,))) == 0
    later(database, PROBE_SECONDS - 1)
    shared.exchange({})
    later(database, PROBE_SECONDS - 1)
    assert asks(two) == BUSY_SECONDS
    prober.is_over = True  # it was withdrawn, say
    shared.exchange({})
    later(database, 1.0)
    assert asks(two) == 0


def test_many_that_ask_and_come_through_at_the_same_moment_are_in_nobodys_way(agent: Open) -> None:
    def ask_again_and_again(journal: PostgresJournal) -> int:
        had = 0
        for _ in range(60):
            if not asks(journal, [ENDPOINT, SERVER]):
                had += 1
                peers(journal).server.still_probing([SERVER, ENDPOINT])
                peers(journal).server.probed([SERVER, ENDPOINT], failed=None)
        return had

    journals = [agent(number) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        had = list(threads.map(ask_again_and_again, journals))
    assert sum(had) >= 4
    assert asks(journals[0], [SERVER, ENDPOINT]) == 0


def test_one_that_ended_keeps_nobody(agent: Open) -> None:
    one, two = agent(1), agent(2)
    assert asks(one) == 0
    one.close()
    assert asks(two) == 0


def test_new_settings_are_tried_at_once_but_not_beside_another_probe(agent: Open) -> None:
    one, two, three = agent(1), agent(2), agent(3)
    assert asks(one) == 0
    fails(one, wait=500.0)
    assert asks(two) > 400
    assert asks(two, at_once=True) == 0
    assert asks(three, at_once=True) == BUSY_SECONDS


def test_an_outage_of_long_ago_says_nothing_of_the_steps_of_today(agent: Open, database: str) -> None:
    one, two = agent(1), agent(2)
    for _ in range(6):
        assert asks(one) == 0
        fails(one)
        later(database, 60.0)
    later(database, 3 * CAP)
    assert asks(two) == 0
    fails(two)
    assert 0 < asks(agent(3)) <= 1.0


# -- learned sizes -----------------------------------------------------------------------------------------


EVENTS, STATS = ("events", "https://wfm/events"), ("stats\ud800", "https://wfm/stats")


def test_what_one_learned_of_the_size_of_chunks_is_known_to_all_as_long_as_it_lives(
    agent: Open, database: str
) -> None:
    one, two, three = (peers(agent(number)).server for number in (1, 2, 3))
    assert one.limits({EVENTS: 500_000, STATS: None}) == {}
    assert two.limits({EVENTS: None, STATS: 70_000}) == {EVENTS: 500_000}
    assert three.limits({EVENTS: 400_000, STATS: None}) == {EVENTS: 500_000, STATS: 70_000}
    assert two.limits({EVENTS: None, STATS: 70_000}) == {EVENTS: 400_000}
    pass_away(database, 3)
    assert two.limits({EVENTS: None, STATS: 70_000}) == {EVENTS: 500_000}


def test_of_the_same_route_to_another_server_nothing_is_known(agent: Open) -> None:
    one, two = (peers(agent(number)).server for number in (1, 2))
    one.limits({EVENTS: 500_000})
    assert two.limits({("events", "https://other/events"): None}) == {}


def test_who_begins_anew_has_learned_nothing(agent: Open) -> None:
    one, two = agent(1), peers(agent(2)).server
    peers(one).server.limits({EVENTS: 500_000})
    one.close()
    assert two.limits({EVENTS: None}) == {}
    peers(agent(1)).server.limits({EVENTS: None})
    assert two.limits({EVENTS: None}) == {}
