"""Agents as processes, of which one dies, sleeps or is cut off: the others go on with its files, once."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.agent.test_several_agents import each_delivered_once, eventually, running, settings, started
from tests.conftest import Answer, Request, World, rows
from tests.journal.contract import row_in
from tests.journal.test_postgres import Line, change
from tests.postgres import database, database_of_tests, postgres_server
from watcher.agent.clients import build_client
from watcher.agent.effects.effects import Effects
from watcher.agent.start.folders import places
from watcher.core.acts import Push
from watcher.core.conversation import Conversation, Reply
from watcher.core.errors import TakenOver
from watcher.core.model import Chunk, FileState
from watcher.core.steps import Sending
from watcher.core.target import Target
from watcher.journal.postgres_peers import PostgresPeers
from watcher.journal.reading import open_journal
from watcher.settings.config import load
from watcher.settings.presets import build_routes

__all__ = ["database", "database_of_tests", "postgres_server"]
pause = threading.Event().wait
CHUNKS = 20


def slowly(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
    """Each chunk takes a moment."""
    pause(0.1)
    return take(request)


def busy(_request: Request, _take: object) -> Answer:
    """It takes a moment, and is not taken."""
    pause(0.7)
    return Answer(503)


@pytest.fixture
def shared(world: World) -> World:
    """A lease that ends soon, and requests that are over soon after. The first file stays in the middle of
    its chunks, however long the test needs, until the server works again."""
    world.settings["lease"] = "2s"
    world.settings["wfm"]["timeout"] = "1s"
    world.server.script.extend([slowly] * 3)
    world.server.always = busy
    return world


@contextmanager
def agent(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that may be killed."""
    before = log(config).count("watches")
    process = started(config)
    try:
        eventually(lambda: log(config).count("watches") > before)  # from now on it ends when it is told to
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def log(config: Path) -> str:
    """What that agent said."""
    path = config.with_suffix(".log")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def drop_large(world: World, name: str) -> str:
    """Drop a file of many chunks; returns its content."""
    text = "".join(f"{name}-{number:04},{'x' * 60}\n" for number in range(CHUNKS))
    world.drop(name, text)
    return text


def delivered_whole(world: World, text: str) -> None:
    """One operation has this content and was completed once; of its chunks one may have come twice."""
    lasts = Counter(push["pushToken"] for push in world.server.pushes() if push["lastChunk"] == "true")
    [operation] = [each for each in world.server.operations() if text.encode()[:20] in b"".join(each.chunks)]
    assert operation.completed
    assert b"".join(chunk for chunk, _ in itertools.groupby(operation.chunks)) == text.encode()
    assert lasts[operation.push_token] == 1


def goes_on_with_others(world: World) -> None:
    """Four more files are delivered, and nothing is left under way."""
    for number in range(2, 6):
        world.drop(f"agent_events_{number}.csv", rows(3))
    eventually(lambda: len(world.files("done")) == 5)
    eventually(lambda: not world.work_files())


def test_when_one_is_killed_another_goes_on_with_its_file_under_the_same_token(
    shared: World, database: str
) -> None:
    one, two = settings(shared, database, "one"), settings(shared, database, "two")
    with agent(one) as first:
        text = drop_large(shared, "agent_events_1.csv")
        eventually(lambda: len(shared.server.pushes()) >= 3)
        with running(two):
            shared.drop("agent_events_2.csv", rows(3))  # behind it: `parallel` holds over both
            first.kill()
            first.wait()
            shared.server.always = slowly
            eventually(lambda: len(shared.files("done")) == 2)
            eventually(lambda: not shared.work_files())
    delivered_whole(shared, text)
    each_delivered_once(shared, two, 2)
    tokens = [push["pushToken"] for push in shared.server.pushes()]
    assert [token for token, _ in itertools.groupby(tokens)] == list(dict.fromkeys(tokens))  # one by one
    assert "taken over from agent" in log(two)


def test_one_that_slept_for_longer_than_its_lease_completes_nothing_of_what_another_took_over(
    shared: World, database: str
) -> None:
    one, two = settings(shared, database, "one"), settings(shared, database, "two")
    with running(one) as [first]:
        text = drop_large(shared, "agent_events_1.csv")
        eventually(lambda: len(shared.server.pushes()) >= 3)
        with running(two):
            first.send_signal(signal.SIGSTOP)
            shared.server.always = slowly
            try:
                eventually(lambda: "taken over from agent" in log(two))
            finally:
                first.send_signal(signal.SIGCONT)
            eventually(lambda: list(shared.files("done")) == ["agent_events_1.csv"])
            eventually(lambda: "agent_events_1.csv: another agent" in log(one))
            goes_on_with_others(shared)
    delivered_whole(shared, text)
    each_delivered_once(shared, two, 5)


def test_one_that_is_cut_off_from_the_database_but_reaches_the_server_completes_nothing_either(
    shared: World, database: str
) -> None:
    if "?host=" not in database:
        pytest.skip("the server of WATCHER_TEST_POSTGRES is not on a socket of ours")
    with closing(Line(database.partition("?host=")[2])) as line:
        one, two = settings(shared, line.url(database), "one"), settings(shared, database, "two")
        with running(one):
            text = drop_large(shared, "agent_events_1.csv")
            eventually(lambda: len(shared.server.pushes()) >= 3)
            with running(two):
                line.cut_off()
                shared.server.always = slowly
                eventually(lambda: list(shared.files("done")) == ["agent_events_1.csv"])
                eventually(lambda: "the journal in PostgreSQL cannot be used" in log(one))
                line.is_closed = False
                eventually(lambda: "agent_events_1.csv: another agent" in log(one))
                goes_on_with_others(shared)
        delivered_whole(shared, text)
        each_delivered_once(shared, two, 5)


def test_agents_that_are_killed_again_and_again_strand_nothing_and_keep_the_order(
    shared: World, database: str
) -> None:
    shared.server.script.clear()
    shared.server.always = None
    configs = [settings(shared, database, name) for name in ("one", "two", "three")]
    with ExitStack() as stack:
        started = [stack.enter_context(agent(config)) for config in configs]
        for number in range(60):
            if number % 10 == 0:
                shared.drop(f"event_types_{number:03}.json", f'[{{"id": {number}}}]')
            else:
                shared.drop(f"agent_events_{number:03}.csv", rows(3) + f"{number},9\n")
        for victim in (0, 1, 0, 2):
            done = len(shared.files("done"))
            eventually(lambda done=done: len(shared.files("done")) >= min(done + 5, 60))
            started[victim].kill()
            started[victim].wait()
            started[victim] = stack.enter_context(agent(configs[victim]))
        eventually(lambda: len(shared.files("done")) == 60)
        eventually(lambda: not shared.work_files())
    each_delivered_once(shared, configs[0], 60)


@pytest.mark.parametrize("last", [False, True])
def test_a_chunk_that_waited_for_its_connection_while_its_file_was_taken_over_is_not_sent(
    world: World, database: str, last: bool
) -> None:
    config = load(world.config, {})[0]
    world.path("state-two").mkdir(mode=0o700)
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(closing(open_journal(world.path(state), database, lives=True, lease=600.0)))
            for state in ("state", "state-two")
        )
        client = stack.enter_context(closing(build_client(config)))
        row = row_in(one, FileState.READY, route="agent-events", push_token=str(uuid.uuid4()))
        [row] = one.apply([Sending(row, 0, 0, 4, "ab", "d")])
        route = next(route for route in build_routes(config) if route.name == "agent-events")
        server = Target("server", world.server.url)
        talk = Conversation(route, row.push_token, server=server, attempts=3, lost_answer="resend")
        chunk = Chunk(0, 4, b"a,1\n", b"a,1\n", last=last)
        effects = Effects(one, places(config, one), client, now=lambda: datetime.now(UTC))

        def taken_over(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
            """While it logs in, it is silent for so long that another agent goes on with its file."""
            past = f"seen_at - interval '601 s' WHERE id = '{one.agent_id}'"
            change(database, f"UPDATE watcher.agents SET seen_at = {past}")
            assert two.peers is not None
            assert [
                taken.row.id for taken in two.peers.take_over(lambda: [one.agent_id], ["agent-events"])
            ] == [row.id]
            assert isinstance(one.peers, PostgresPeers)
            one.peers.beat()
            return take(request)

        world.server.tokens.append(taken_over)
        with pytest.raises(TakenOver):
            effects.do(Push(row.id, talk, chunk, None))
        assert world.server.operations() == []
        world.server.tokens.clear()
        mine = Effects(two, places(config, two), client, now=lambda: datetime.now(UTC))
        reply = mine.do(Push(row.id, talk, chunk, None))
        assert isinstance(reply, Reply)
        assert reply.status == 200
        assert [operation.completed for operation in world.server.operations()] == [last]
