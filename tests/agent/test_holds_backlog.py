"""A server that refuses, with a backlog behind it: one hold, one probe a step, nothing fails, all arrive."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest

from tests.conftest import Server, Step, World, answer, lose_request
from watcher.sandbox.server import Answer, Request

FEW, MANY = 20, 200
PARALLEL = 4
STEPS = 6  # probes that fail after the hold has begun
LONG = 20.0  # seconds that nothing should take


class Fault:
    """A server step that counts what comes, alone and at once. The first ones all come before any answer."""

    def __init__(self, step: Step, *, together: int = 1) -> None:
        self.requests = 0
        self.most_at_once = 0  # once the hold has begun
        self._step = step
        self._together = together
        self._all_there = threading.Barrier(together)
        self._lock = threading.Lock()
        self._at_once = 0

    def __call__(self, request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        with self._lock:
            self.requests += 1
            first = self.requests <= self._together
            self._at_once += 1
            if not first:
                self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if first:
                self._all_there.wait(LONG)
            return self._step(request, take)
        finally:
            with self._lock:
                self._at_once -= 1


@pytest.fixture
def backlog(world: World) -> World:
    """Settings under which four files go out at a time and a step takes 50 ms at most."""
    world.settings["routes"][2]["parallel"] = PARALLEL
    world.settings["upload"]["retry_cap"] = "50ms"
    return world


def drop(world: World, count: int) -> dict[str, bytes]:
    files = {f"agent_events_{number:03d}.csv": b"file,%d\n" % number for number in range(count)}
    for name, content in files.items():
        world.drop(name, content)
    return files


def assert_all_arrived(world: World, files: dict[str, bytes], server: Server | None = None) -> None:
    """Each file is whole at the server, once, and in done."""
    assert world.files("done") == files
    assert world.files("failed") == world.files("drop") == {}
    operations = (server or world.server).operations()
    assert sorted(one.body for one in operations if one.completed) == sorted(files.values())
    assert {row["state"] for row in world.history()} == {"done"}


def tries(lines: list[str], target: str) -> int:
    """The tries that the one hold of this log took; each is a step of the backoff."""
    assert sum("holding" in line for line in lines) == 1
    (ended,) = [line for line in lines if "is back after" in line]
    found = re.search(rf" {re.escape(target)} is back after \S+ s and (\d+) tr(?:y|ies)$", ended)
    assert found, ended
    return int(found[1])


STATUS = [408, 425, 429, 502, 503, 504, 403, 404, 405, 302]


@pytest.mark.parametrize(
    ("step", "count"),
    [(answer(status), FEW) for status in STATUS if status != 503]
    + [(answer(503), MANY), (answer(429, Retry_After="0.01"), FEW), (lose_request, FEW)],
    ids=[*(str(status) for status in STATUS if status != 503), "503", "429-retry-after", "closed"],
)
def test_a_backlog_waits_behind_one_probe_and_then_all_of_it_arrives(
    backlog: World, lines: list[str], step: Step, count: int
) -> None:
    fault = Fault(step, together=PARALLEL)
    backlog.server.script.extend([fault] * (PARALLEL + STEPS))
    files = drop(backlog, count)

    assert backlog.run_once(patience=LONG) == 0

    assert_all_arrived(backlog, files)
    assert fault.most_at_once == 1
    (began,) = [line for line in lines if "holding" in line]
    target = re.search(r"holding (\S+): ", began)
    assert target
    # Four were under way when it began; from then on each request is a step.
    assert fault.requests - (PARALLEL - 1) <= tries(lines, target[1]) <= fault.requests
    assert len(backlog.server.pushes()) == count + PARALLEL + STEPS


def test_401_with_a_fresh_token_is_a_hold_whose_steps_are_two_requests_each(
    backlog: World, lines: list[str]
) -> None:
    fault = Fault(answer(401), together=PARALLEL)
    backlog.server.script.extend([fault] * (2 * (PARALLEL + STEPS)))
    files = drop(backlog, FEW)

    assert backlog.run_once(patience=LONG) == 0

    assert_all_arrived(backlog, files)
    steps = tries(lines, backlog.server.url)
    assert fault.requests == 2 * (PARALLEL + STEPS)
    assert STEPS <= steps <= PARALLEL + STEPS
    tokens = [seen for seen in backlog.server.requests() if seen.path.endswith("/token")]
    assert len(tokens) <= 1 + PARALLEL + STEPS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_token_endpoint_that_refuses_is_asked_once_a_step_and_no_file_fails(
    backlog: World, lines: list[str], status: int
) -> None:
    fault = Fault(answer(status, '{"error": "unauthorized_client"}'))
    backlog.server.tokens.extend([fault] * (PARALLEL + STEPS))
    files = drop(backlog, FEW)

    assert backlog.run_once(patience=LONG) == 0

    assert_all_arrived(backlog, files)
    assert fault.most_at_once <= 1
    assert fault.requests - (PARALLEL - 1) <= tries(lines, backlog.server.token_url) <= fault.requests
    tokens = [seen for seen in backlog.server.requests() if seen.path.endswith("/token")]
    assert len(tokens) == PARALLEL + STEPS + 1
    assert len(backlog.server.pushes()) == FEW


def test_a_poisoned_file_fails_after_its_attempts_while_other_routes_go_on(
    backlog: World, lines: list[str]
) -> None:
    others_done = threading.Event()
    poisoned = 0

    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        nonlocal poisoned
        if "historical" not in request.path:
            taken = take(request)
            if len(backlog.completed()) == FEW:
                others_done.set()
            return taken
        poisoned += 1
        if poisoned == 2:
            assert others_done.wait(LONG), "the other route waits for the poisoned file"
        return Answer(500, b"boom")

    backlog.server.always = step
    backlog.settings["routes"].append({"name": "history", "match": "h*.csv", "endpoint": "historical-data"})
    backlog.drop("history.csv", "a,1\n")
    files = drop(backlog, FEW)

    assert backlog.run_once(patience=LONG) == 1

    assert poisoned == 3
    assert backlog.files("done") == files
    assert set(backlog.files("failed")) == {"history.csv", "history.csv.error.txt"}
    assert "failed on this chunk 3 times" in backlog.report("history.csv")["reason"]
    assert not any("holding" in line for line in lines)
