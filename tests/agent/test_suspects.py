"""Whose fault is it? A bad file among good ones, and a server that is bad to all: real agent, real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.conftest import Step, World, answer, lose_request, rows, works
from watcher.sandbox.server import Answer, Request

GOOD = [f"agent_events_{number}.csv" for number in range(1, 7)]
POISONED = "agent_events_0.csv"
MARK = b"poison"


def poisoned(step: Step) -> Step:
    """Answer whatever carries the mark with this step, and take all the rest."""

    def answered(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        return step(request, take) if MARK in request.body else take(request)

    return answered


def until(threshold: int, step: Step) -> Step:
    """Answer so many requests with this step, then work."""
    count = 0

    def answered(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        nonlocal count
        count += 1
        return (step if count <= threshold else works)(request, take)

    return answered


def drop_all(world: World) -> None:
    world.drop(POISONED, MARK + b",1\n" + rows(1).encode())
    for name in GOOD:
        world.drop(name, f"{name},1\n")


@pytest.mark.parametrize("status", [500, 501, 599])
def test_a_file_that_the_server_fails_on_fails_once_others_were_delivered(world: World, status: int) -> None:
    world.server.always = poisoned(answer(status, "boom"))
    drop_all(world)

    assert world.run_once() == 1

    assert set(world.files("failed")) == {POISONED, POISONED + ".error.txt"}
    assert world.report(POISONED)["server_said"] == "boom"
    assert set(world.files("done")) == set(GOOD)


@pytest.mark.parametrize("status", [500, 400, 422, 409, 415])
def test_a_server_that_answers_so_to_everybody_fails_two_files_at_most_and_loses_none(
    world: World, lines: list[str], status: int
) -> None:
    world.server.always = until(40, answer(status, "no tenant"))
    drop_all(world)

    code = world.run_once(patience=20)

    failed = {name for name in world.files("failed") if not name.endswith(".error.txt")}
    assert len(failed) <= (0 if status == 500 else 1)
    assert code == (1 if failed else 0)
    assert set(world.files("done")) | failed == {POISONED, *GOOD}
    assert sum("holding" in line and "other files meet the same" in line for line in lines) == 1


def documents(world: World) -> None:
    for number in range(6):
        world.drop(f"event_types_{number}.json", f'["{number}", "{"x" * 20_000}"]')


def large_records(world: World) -> None:
    for number in range(6):
        world.drop(f"agent_events_{number}.csv", f"{number},{'x' * 20_000}\n")


@pytest.mark.parametrize("drop", [documents, large_records])
def test_a_gateway_that_finds_everything_too_large_fails_one_file_and_holds_the_others(
    world: World, drop: Callable[[World], None]
) -> None:
    world.server.always = answer(413, "Request Entity Too Large")
    drop(world)
    assert world.run_once(patience=1) == 4
    failed = [name for name in world.files("failed") if not name.endswith(".error.txt")]
    assert len(failed) == 1
    assert "HTTP 413" in world.report(failed[0])["reason"]

    world.server.always = works
    assert world.run_once() == 0
    assert len(world.files("done")) == 5


@pytest.mark.parametrize(
    "step",
    [
        answer(502),
        answer(504),
        lose_request,
        answer(403),
        answer(404),
        answer(200, "<!DOCTYPE html>"),
    ],
    ids=["502", "504", "closed", "403", "404", "page"],
)
def test_a_chunk_that_never_gets_through_holds_its_file_alone_and_the_others_are_delivered(
    world: World, lines: list[str], step: Step
) -> None:
    world.server.always = poisoned(step)
    drop_all(world)

    assert world.run_once(patience=3) == 4

    assert set(world.files("done")) == set(GOOD)
    assert world.files("failed") == {}
    held = [line for line in lines if "holding file agent_events_0.csv" in line]
    assert len(held) == 1
    assert "other files get through" in held[0]
    # Once before others are compared with it, and once more when it fails again: then it is known.
    assert sum("holding http" in line for line in lines) <= 2


def test_a_gateway_that_cuts_large_bodies_is_tried_with_smaller_ones(world: World) -> None:
    limit = 60_000

    def gateway(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        return lose_request(request, take) if len(request.body) > limit else take(request)

    world.settings["upload"]["chunk_bytes"] = 200_000
    world.server.always = gateway
    large = b"%s,1\n" % (b"x" * 995) * 500
    world.drop("agent_events_0.csv", large)
    for name in GOOD:
        world.drop(name, f"{name},1\n")

    assert world.run_once() == 0

    assert large in {one.body for one in world.completed()}
    assert set(world.files("done")) == {"agent_events_0.csv", *GOOD}


def test_one_endpoint_that_asks_for_patience_does_not_hold_the_others(world: World, lines: list[str]) -> None:
    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        return Answer(503) if "historical" in request.path else take(request)

    world.server.always = step
    world.settings["routes"].append({"name": "history", "match": "h*.csv", "endpoint": "historical-data"})
    world.drop("history.csv", "a,1\n")
    for name in GOOD:
        world.drop(name, f"{name},1\n")

    assert world.run_once(patience=3) == 4

    assert set(world.files("done")) == set(GOOD)
    assert any("holding" in line and "historical" in line for line in lines)


def test_two_bad_files_do_not_hold_the_good_ones_behind_them(world: World) -> None:
    world.server.always = poisoned(answer(500))
    world.drop("agent_events_00.csv", MARK + b",2\n")
    drop_all(world)

    assert world.run_once() == 1

    assert set(world.files("done")) == set(GOOD)
    assert {"agent_events_00.csv", POISONED} <= set(world.files("failed"))


def test_a_login_page_instead_of_the_api_delivers_and_fails_nothing(world: World, lines: list[str]) -> None:
    page = Answer(200, b"<!DOCTYPE html><title>Sign in</title>", {"Content-Type": "text/html"})
    world.server.always = lambda _request, _take: page
    drop_all(world)

    assert world.run_once(patience=0.3) == 4

    assert world.files("done") == world.files("failed") == {}
    assert any("a web page answers where the API should" in line for line in lines)


def test_after_a_429_requests_keep_to_the_pace_that_the_server_takes(world: World) -> None:
    """A server that takes one request in 60 ms refuses few, once it is known."""
    lock, taken_at, refused, clock = threading.Lock(), [0.0], [0], time.monotonic

    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        with lock:
            if clock() - taken_at[0] < 0.06:
                refused[0] += 1
                return Answer(429)
            taken_at[0] = clock()
        return take(request)

    world.server.always = step
    world.settings["upload"]["chunk_bytes"] = 16
    world.drop("agent_events.csv", rows(60))

    assert world.run_once() == 0

    assert refused[0] <= len(world.server.pushes()) / 5


def test_a_restart_forgets_no_refusal(world: World) -> None:
    """An agent that is started again and again by a watchdog would fail a file each time."""
    world.server.always = answer(400, "no tenant")
    for number in range(4):
        world.drop(f"agent_events_{number}.csv", f"{number},1\n")
        world.run_once(patience=0.2)

    failed = [name for name in world.files("failed") if not name.endswith(".error.txt")]
    assert failed == ["agent_events_0.csv"]

    world.server.always = works
    assert world.run_once() == 0

    assert set(world.files("done")) == {f"agent_events_{number}.csv" for number in (1, 2, 3)}


def test_a_mended_file_of_the_same_name_does_not_wait_for_the_one_that_is_held(world: World) -> None:
    """Somebody sees that it hangs, and drops a better one."""
    mended = b"mended,1\n"
    dropped = threading.Event()

    def cuts(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        if MARK in request.body:
            return lose_request(request, take)
        if len(world.files("done")) >= 4 and not dropped.is_set():
            dropped.set()
            world.drop(POISONED, mended)
        return take(request)

    world.server.always = cuts
    drop_all(world)

    assert world.run_once(patience=2) == 4

    assert mended in {one.body for one in world.completed()}
    assert set(world.files("done")) == {POISONED, *GOOD}


def test_many_bad_files_in_a_row_hold_none_of_the_good_ones_behind_them(world: World) -> None:
    """More than are compared at first: one more is let in with each of the longest steps."""
    world.server.always = poisoned(answer(500, "boom"))
    bad = [f"agent_events_a{number:02}.csv" for number in range(12)]
    for name in bad:
        world.drop(name, MARK + f",{name}\n".encode())
    for name in GOOD:
        world.drop(name.replace("events_", "events_b"), f"{name},1\n")

    assert world.run_once(patience=20) == 1

    assert len(world.files("done")) == len(GOOD)
    assert {name for name in world.files("failed") if not name.endswith(".error.txt")} == set(bad)
