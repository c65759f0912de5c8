"""A machine whose clock is wrong: no file fails for that, where the login server tells the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import Step, Take, World, answer
from watcher.core.units import utc_text
from watcher.sandbox.server import Answer, Request

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)
COLUMNS = ["agent", {"name": "at", "is": "utc_time", "not_future": "5m", "not_older": "30d"}]


def dated(off: timedelta | None) -> Step:
    """A login server whose clock differs by so much from this machine's: either may be wrong."""

    def step(request: Request, take: Take) -> Answer | None:
        found = take(request)
        assert found is not None
        date = "" if off is None else format_datetime(datetime.now(UTC) + off, usegmt=True)
        return replace(found, headers=(*found.headers, ("Date", date)))

    return step


def record(off: timedelta) -> str:
    """A record of a time that lies so far from what this machine takes for now."""
    return f"agent-1,{utc_text(datetime.now(UTC) + off)}\n"


@pytest.fixture
def judging(world: World) -> World:
    """A route whose records are judged by the time."""
    world.settings["routes"][2]["columns"] = COLUMNS
    return world


@pytest.mark.parametrize(
    ("off", "at", "code"),
    [
        (HOUR, HOUR - timedelta(minutes=1), 0),  # written a minute ago, and our clock is an hour behind
        (HOUR, HOUR + timedelta(minutes=10), 1),
        (-2 * MONTH, -2 * MONTH - HOUR, 0),  # our clock is two months ahead
        (-2 * MONTH, timedelta(), 1),  # the future, though our clock does not see it
        (timedelta(seconds=1), timedelta(minutes=4), 0),
        (timedelta(seconds=1), timedelta(minutes=6), 1),
        (None, timedelta(minutes=4), 0),  # it does not tell the time: ours is all that there is
        (None, timedelta(minutes=6), 1),
    ],
)
def test_records_are_judged_by_the_clock_of_the_login_server(
    judging: World, lines: list[str], off: timedelta | None, at: timedelta, code: int
) -> None:
    judging.server.tokens.append(dated(off))
    judging.drop("agent_events.csv", record(at))

    assert judging.run_once() == code
    assert len(judging.completed()) == 1 - code
    told = [line for line in lines if "this machine's clock is" in line]
    wrong = off is not None and abs(off) >= HOUR
    assert len(told) == wrong
    assert all("set the clock, and switch on NTP" in line for line in told)


def test_before_the_login_server_was_heard_no_file_that_the_time_decides_on_is_taken(judging: World) -> None:
    judging.server.tokens += [answer(503), answer(503), dated(HOUR)]
    judging.drop("agent_events.csv", record(HOUR - timedelta(minutes=1)))

    assert judging.run_once() == 0
    assert [row["state"] for row in judging.history()] == ["done"]


def test_while_the_login_server_is_away_such_a_file_waits_in_the_drop_folder(judging: World) -> None:
    judging.server.tokens += [answer(503)] * 1000
    judging.drop("agent_events.csv", record(2 * MONTH))

    assert judging.run_once(patience=0.3) == 4
    assert set(judging.files("drop")) == {"agent_events.csv"}


def test_a_file_that_has_a_fault_of_its_own_fails_whatever_the_time(judging: World) -> None:
    judging.server.tokens += [answer(503), dated(HOUR)]
    judging.drop("agent_events.csv", "agent-1\n")

    assert judging.run_once() == 1
    assert "1 fields where the route has 2 columns" in judging.history()[0]["problems"][0]


def test_the_history_has_the_login_servers_time_where_this_machines_is_another(judging: World) -> None:
    judging.server.tokens.append(dated(-2 * MONTH))
    judging.drop("agent_events.csv", record(-2 * MONTH - HOUR))
    judging.run_once()

    [row] = judging.history()
    about = datetime.now(UTC) - 2 * MONTH
    for key in ("started_at", "finished_at"):
        assert abs(datetime.fromisoformat(row[key]) - about) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [(dated(HOUR), 0, "delivered"), (answer(503), 1, "not sent")],
    ids=["heard", "away"],
)
def test_so_it_is_with_a_file_that_is_sent_by_hand(
    judging: World, first: Callable[[Request, Take], Answer | None], code: int, words: str
) -> None:
    judging.server.tokens.append(first)
    path = judging.path("agent_events.csv")
    path.write_text(record(HOUR - timedelta(minutes=1)))

    found = watcher(judging, "upload", str(path))

    assert found.returncode == code
    assert found.stdout.startswith(f"{words}\t{path}\t")
    assert "lies in the future" not in found.stderr
