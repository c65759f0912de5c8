"""/metrics and /health: numbers that Prometheus reads, and a verdict that sees what hangs or died."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.agent.test_agent import until
from tests.conftest import World, answer, rows
from tests.made import made_row
from tests.web.page import Got, get, page, running
from watcher.agent.engine.workers import Threads
from watcher.agent.queue.drop_watcher import DropWatcher
from watcher.agent.signs import Signs
from watcher.core.errors import Outside
from watcher.core.events import Event, FileDelivered, HoldBegan, HoldEnded
from watcher.core.model import FileState
from watcher.core.target import Target
from watcher.disk.drop import Drop
from watcher.manual import pages
from watcher.report.stream import Stream
from watcher.web.health import LOST_SECONDS, STUCK_SECONDS, Health

Labels = tuple[tuple[str, str], ...]


NOW = datetime(2026, 11, 23, tzinfo=UTC)


def numbers(found: Got) -> dict[tuple[str, Labels], float]:
    """Every sample, by name and labels, after Prometheus' own parser."""
    assert found.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parsed(found.text)
        for sample in family.samples
    }


def test_a_running_agent_counts_files_bytes_chunks_retries_and_holds(world: World) -> None:
    world.settings["upload"]["retry_cap"] = "200ms"
    world.server.script.extend([answer(500), answer(503)])
    with running(world) as url:
        world.drop("agent_events.csv", rows(12))
        world.drop("agent_events_<bad>.csv", 'a"')
        world.drop("holiday.xls", "x")
        until(lambda: _ended(numbers(get(url, "/metrics"))) == 3)
        found = get(url, "/metrics")

    got = numbers(found)
    route = (("route", "agent-events"),)
    assert got["watcher_files_total", _file("agent-events", "failed")] == 1
    assert got["watcher_files_total", _file("no route", "failed")] == 1
    assert got["watcher_files_total", _file("event-types", "failed")] == 0
    assert got["watcher_acknowledged_bytes_total", route] == 240
    assert got["watcher_acknowledged_chunks_total", route] == 3
    assert got["watcher_chunk_retries_total", route] == 1
    assert got["watcher_holds_total", (("kind", "server"),)] == 1
    assert got["watcher_hold_seconds_total", (("kind", "server"),)] > 0
    assert got["watcher_token_renewals_total", ()] == 1
    assert got["watcher_upload_duration_seconds_count", route] == 1
    assert got["watcher_upload_duration_seconds_sum", route] > 0
    assert got["watcher_heartbeat_age_seconds", ()] < STUCK_SECONDS
    assert "bad" not in found.text
    assert "holiday" not in found.text


def _ended(got: dict[tuple[str, Labels], float]) -> float:
    return sum(value for (name, _labels), value in got.items() if name == "watcher_files_total")


def _file(route: str, outcome: str) -> Labels:
    return (("outcome", outcome), ("route", route))


def test_labels_are_bounded_whatever_names_and_targets_come(world: World) -> None:
    with page(world) as served:
        before = set(numbers(served.get("/metrics")))
        for number in range(50):
            served.stream.emit(HoldBegan(Target("file", f"{number}.csv"), "x", "", 1))
            served.stream.emit(HoldEnded(Target("folder", f"/{number}"), "x", NOW, 1, 1))
            served.holds.failed(Outside(Target("endpoint", f"http://{number}.example/path"), "x"))
        after = numbers(served.get("/metrics"))

    assert set(after) == before
    assert after["watcher_holds_total", (("kind", "file"),)] == 50
    assert after["watcher_holds_total", (("kind", "endpoint"),)] == 50
    assert after["watcher_held_targets", (("kind", "endpoint"),)] == 50


def test_the_seconds_of_a_hold_grow_while_it_lasts_and_never_fall(world: World) -> None:
    def seconds() -> float:
        return numbers(served.get("/metrics"))["watcher_hold_seconds_total", (("kind", "server"),)]

    with page(world) as served:
        assert seconds() == 0
        served.holds.failed(Outside(Target("server", world.server.url), "x"))
        served.clock[0] += 10
        assert seconds() == 10
        served.clock[0] += 5
        served.holds.worked([Target("server", world.server.url)])
        served.clock[0] += 100
        assert seconds() == 15
        served.holds.failed(Outside(Target("server", world.server.url), "x"))
        served.clock[0] += 1
        assert seconds() == 16


def test_the_oldest_waiting_file_has_an_age_since_it_was_seen_as_it_is(world: World) -> None:
    def age() -> float:
        return numbers(served.get("/metrics"))["watcher_oldest_waiting_file_age_seconds", ()]

    with page(world) as served:
        assert age() == 0
        world.drop("agent_events.csv", rows(2))
        served.waiting[:] = [file.name for file in served.watcher.look().waiting]
        served.clock[0] += 40
        world.drop("agent_events_2.csv", rows(2))
        served.waiting[:] = [file.name for file in served.watcher.look().waiting]
        served.clock[0] += 2
        assert age() == 42
        served.waiting.remove("agent_events.csv")
        assert age() == 2


def test_a_route_with_a_no_break_space_in_its_name_is_counted_as_what_it_is(world: World) -> None:
    world.settings["routes"][2]["name"] = "agent\u00a0events"
    with running(world) as url:
        world.drop("agent_events.csv", rows(2))
        until(lambda: _ended(numbers(get(url, "/metrics"))) == 1)
        got = numbers(get(url, "/metrics"))

    assert got["watcher_files_total", _file("agent\u00a0events", "done")] == 1
    assert got["watcher_files_total", _file("no route", "done")] == 0


def test_a_subscriber_that_fails_is_logged_and_stops_nothing(lines: list[str]) -> None:
    def fail(_event: Event) -> None:
        raise RuntimeError("a fault in the counting")

    heard: list[Event] = []
    stream = Stream()
    stream.subscribe(fail)
    end = stream.subscribe(heard.append)
    event = FileDelivered(made_row(FileState.DONE), 1.0)

    stream.emit(event)
    end()
    stream.emit(event)

    assert heard == [event]
    assert sum("a listener failed on delivered" in line for line in lines) == 2
    assert [line for line in lines if "RuntimeError: a fault in the counting" in line]


def test_health_is_200_while_the_loop_turns_whatever_is_held(world: World) -> None:
    with page(world) as served:
        served.holds.failed(Outside(Target("endpoint", "http://x.example"), "away"))
        served.clock[0] += STUCK_SECONDS
        found = served.get("/health")

    assert found.status == 200
    assert json.loads(found.text)["status"] == "ok"
    assert json.loads(found.text)["held"] == ["http://x.example"]


def test_health_is_503_when_the_loop_is_stuck_and_says_so_until_it_turns_again(world: World) -> None:
    with page(world) as served:
        served.clock[0] += STUCK_SECONDS + 12
        stuck = served.get("/health")
        shown = json.loads(served.get("/api/now").text)
        served.signs.beat()
        again = served.get("/health")

    assert stuck.status == 503
    assert json.loads(stuck.text)["reasons"] == ["the main loop is stuck: it did not turn for 72 s"]
    assert shown["ill"] == json.loads(stuck.text)["reasons"]
    assert again.status == 200


def test_health_answers_while_the_disk_does_not(world: World) -> None:
    with page(world) as served:
        world.path("drop").rename(world.path("away"))
        assert served.get("/health").status == 200
        assert served.get("/metrics").status == 200


def test_health_says_that_the_agent_is_stopping(world: World) -> None:
    with page(world) as served:
        served.signs.end()
        found = served.get("/health")

    assert (found.status, json.loads(found.text)["reasons"]) == (503, ["the agent is stopping"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_makes_it_unhealthy_when_the_agent_had_time_to_mend_it(tmp_path: Path) -> None:
    clock = [0.0]
    watcher = DropWatcher(
        Drop(tmp_path, (), network=False),
        (),
        quiet=0,
        rescan=30,
        ignore_unmatched=False,
        events=True,
        wake=lambda: None,
        stream=Stream(),
        clock=lambda: clock[0],
    )
    workers = Threads()
    signs = Signs(
        watcher, waiting=list, under_way=lambda: 0, lost=lambda: workers.lost, clock=lambda: clock[0]
    )
    health = Health(signs, list, clock=lambda: clock[0])
    watcher.look()
    try:
        assert health.judge().healthy
        workers.do("an act", sys.exit)  # no error of ours ends a thread like that
        workers.wait(0)
        until(lambda: workers.lost)
        (name,) = workers.lost
        assert watcher._hints is not None
        watcher._hints._observer.stop()
        watcher._hints._observer.join()
        signs.beat()
        first = health.judge()
        clock[0] += LOST_SECONDS + 10
        signs.beat()
        later = health.judge()
        watcher.look()  # it notices, and watches anew
        mended = health.judge()
    finally:
        watcher.stop()

    assert first.healthy
    assert later.reasons == (f"the thread {name} has died", "the thread observer has died")
    assert mended.reasons == (f"the thread {name} has died",)


def test_the_manual_lists_the_metrics_that_there_are_with_their_labels(world: World) -> None:
    text = pages.page("monitoring")
    listed = dict(re.findall(r"^\| `(watcher_\w+)(?:\{(.*?)\})?` \|", text, re.MULTILINE))

    with page(world) as served:
        served.holds.failed(Outside(Target("folder", "/x"), "x"))
        families = list(parsed(served.get("/metrics").text))

    found = {}
    for family in families:
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[family.name + ("_total" if family.type == "counter" else "")] = labels
    assert {name: set(labels.split(", ")) - {""} for name, labels in listed.items()} == found
