"""What the status page is told: hostile names as data, what is held, reports on demand, live events."""

from __future__ import annotations

import http.client
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from tests.agent.test_agent import gated, until
from tests.conftest import World, answer, rows
from tests.web.page import page, running
from watcher.core.errors import Outside
from watcher.core.holds import Hold
from watcher.core.model import FileState
from watcher.core.target import Target
from watcher.journal.lock import Lock
from watcher.journal.protocol import Ended
from watcher.journal.sqlite import SqliteJournal
from watcher.settings.config import load
from watcher.settings.presets import build_routes
from watcher.web import feed, reader
from watcher.web.history import by_hour
from watcher.web.snapshot import held_by

# What a file system takes: everything but a slash.
HOSTILE = "agent_events<script>alert(1)<_script>\n\x1b[31m&amp;'\"{0}%s.csv"


class Events:
    """A browser's line for server-sent events."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        self._connection.request("GET", "/api/events")
        self.answer = self._connection.getresponse()

    def data(self) -> dict[str, object]:
        """The next event's data."""
        while True:
            line = self.answer.readline().decode()
            assert line, "the line was closed"
            if line.startswith("data: "):
                found: dict[str, object] = json.loads(line.removeprefix("data: "))
                return found

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


def test_hostile_names_and_server_answers_arrive_as_json_and_nothing_else(world: World) -> None:
    said = "</pre><img src=x onerror=alert(1)>\u2028" + "x" * 5000
    world.server.always = answer(400, said)
    world.drop(HOSTILE, rows(2))
    assert world.run_once() == 1
    waits = "agent_events_<b>waits.csv"
    world.drop(waits, rows(2))

    with page(world) as served:
        found = served.get("/api/now")
        data = json.loads(found.text)
        report = served.get(f"/api/report/{data['last'][0]['push_token']}")

    assert found.headers["content-type"] == "application/json"
    assert found.text.isascii()
    (failed,) = data["last"]
    assert failed["name"] == HOSTILE.replace("\n", "\\n").replace("\x1b", "\\x1b")
    assert len(failed["server_said"]) <= 300
    assert data["waiting"][0]["name"] == waits
    assert report.headers["content-type"].startswith("text/plain")
    assert report.text.startswith('file: "agent_events')
    assert "HTTP 400" in report.text
    assert len(report.text) < 4000


def test_a_report_that_is_not_there_is_404(world: World) -> None:
    world.drop("agent_events.csv", rows(2))
    with page(world) as served:
        assert served.get("/api/report/nothing").status == 404
        assert world.run_once() == 0
        token = json.loads(served.get("/api/now").text)["last"][0]["push_token"]
        assert served.get(f"/api/report/{token}").status == 404


def test_what_is_held_is_told_with_its_reason_since_when_and_the_next_try(world: World) -> None:
    with page(world) as served:
        served.holds.failed(Outside(Target("endpoint", "http://x.example"), "no\nanswer", check="is it\nup?"))
        (held,) = json.loads(served.get("/api/now").text)["held"]

    assert held["check"] == "is it\\nup?"
    assert (held["target"], held["reason"], held["tries"]) == ("http://x.example", "no\\nanswer", 1)
    since, next_try = (datetime.fromisoformat(held[key]) for key in ("since", "next_try_at"))
    assert timedelta(0) <= datetime.now(UTC) - since < timedelta(minutes=1)
    assert since - timedelta(seconds=1) <= next_try < since + timedelta(minutes=2)


def test_an_upload_is_held_by_what_it_needs_itself_and_by_nothing_else(world: World) -> None:
    config, _ = load(world.config, {})
    urls = {route.name: route.url for route in build_routes(config)}
    row = {"id": 7, "name": "agent_events.csv", "route": "agent-events"}
    own = [
        Target("file", "agent_events.csv", 7), Target("file", "agent_events.csv"),
        Target("endpoint", urls["agent-events"]), Target("route", "agent-events"), Target("login", "http://l"),
        Target("server", "http://s"), Target("folder", str(config.folders.state)),
    ]  # fmt: skip
    others = [
        Target("file", "agent_events.csv", 8), Target("file", "other.csv"), Target("route", "event-types"),
        Target("endpoint", urls["event-types"]), Target("folder", str(config.folders.drop)),
    ]  # fmt: skip
    holds = [Hold(target, "away", datetime.now(UTC), 0.0) for target in own + others]

    assert held_by(row, holds, config) == [str(target) for target in own]


def test_a_state_folder_that_is_away_does_not_end_the_page(world: World) -> None:
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0
    with page(world) as served:
        world.path("state").rename(world.path("away"))
        away = served.get("/api/now")
        history = served.get("/api/history")
        world.path("away").rename(world.path("state"))
        until(lambda: json.loads(served.get("/api/now").text)["last"])

    assert (away.status, history.status) == (200, 200)
    assert json.loads(away.text)["running"] is True
    assert (json.loads(away.text)["last"], json.loads(history.text)["hours"]) == ([], {})


def test_events_come_when_something_changes_and_only_then(world: World) -> None:
    with page(world) as served:
        first, second = Events(served.url), Events(served.url)
        assert first.answer.headers["content-type"].startswith("text/event-stream")
        before = first.data()
        assert second.data() == before
        world.drop("agent_events.csv", rows(2))
        after = first.data()
        assert second.data() == after
        first.close()
        second.close()

    assert (before["waiting_count"], after["waiting_count"]) == (0, 1)
    assert [row["name"] for row in after["waiting"]] == ["agent_events.csv"]  # type: ignore[attr-defined]


def test_no_more_listeners_than_the_page_can_bear(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_LISTENERS", 2)
    with page(world) as served:
        listeners = [Events(served.url), Events(served.url)]
        for listener in listeners:
            listener.data()
        assert served.get("/api/events").status == 503
        assert served.get("/api/now").status == 200
        listeners[0].close()
        # The line's end is seen at the next thing that is said to it.
        world.drop("agent_events.csv", rows(2))
        until(lambda: served.get("/health").status == 200 and _free(served.url))
        listeners[1].close()


def _free(url: str) -> bool:
    listener = Events(url)
    listener.close()
    return listener.answer.status == 200


def test_the_page_of_a_running_agent_follows_a_file_from_waiting_to_its_end(world: World) -> None:
    gate = gated(world, answer(503))
    with running(world) as url:
        events = Events(url)
        seen = [events.data()]
        world.drop("agent_events.csv", rows(12))
        assert gate.reached.wait(20)
        while not seen[-1]["under_way"]:
            seen.append(events.data())
        under_way = seen[-1]["under_way"][0]  # type: ignore[index]
        gate.open.set()
        while not seen[-1]["last"]:
            seen.append(events.data())
        events.close()

    assert (under_way["name"], under_way["bytes"]) == ("agent_events.csv", 240)
    assert seen[-1]["last"][0]["state"] == "done"  # type: ignore[index]
    assert seen[-1]["running"] is True


def test_a_page_that_somebody_looks_at_does_not_delay_the_end(world: World) -> None:
    with page(world) as served:
        events = Events(served.url)
        events.data()
    ended = threading.Event()

    def read_on() -> None:
        while events.answer.readline():
            pass
        ended.set()

    threading.Thread(target=read_on, daemon=True).start()
    assert ended.wait(10)
    events.close()


def test_the_history_has_files_bytes_failures_and_holds_by_the_hour(world: World) -> None:
    world.drop("agent_events.csv", rows(12))
    world.drop("agent_events_bad.csv", 'a"')
    assert world.run_once() == 1
    now = datetime.now(UTC)
    journal = SqliteJournal(world.path("state"))
    journal.timeline.hold_ended(
        "x", "y", began=now - timedelta(days=3, minutes=30), ended=now - timedelta(days=3)
    )
    journal.close()

    with page(world) as served:
        hours = json.loads(served.get("/api/history").text)["hours"]

    def total(key: str) -> float:
        return sum(hour[key] for hour in hours.values())

    assert (total("done"), total("failed"), total("bytes"), total("held")) == (1, 1, 240, 1800)


def test_hours_hold_what_happened_in_them_and_two_holds_at_once_count_once() -> None:
    def at(hour: int, minute: int) -> datetime:
        return datetime(2026, 11, 23, hour, minute, tzinfo=UTC)

    ended = [
        Ended("2026-11-23T08", FileState.DONE, 3, 300),
        Ended("2026-11-23T08", FileState.FAILED, 1, 999),
    ]
    held = [(at(9, 50), at(11, 10)), (at(10, 0), at(10, 30)), (at(3, 0), at(6, 1)), (at(11, 59), at(13, 0))]

    found = by_hour(ended, held, since=at(6, 0), until=at(12, 0))

    assert found == {
        "2026-11-23T08": {"done": 3, "failed": 1, "bytes": 300, "held": 0},
        "2026-11-23T06": {"done": 0, "failed": 0, "bytes": 0, "held": 60},
        "2026-11-23T09": {"done": 0, "failed": 0, "bytes": 0, "held": 600},
        "2026-11-23T10": {"done": 0, "failed": 0, "bytes": 0, "held": 3600},
        "2026-11-23T11": {"done": 0, "failed": 0, "bytes": 0, "held": 660},
    }


def test_a_disk_that_hangs_is_told_and_costs_one_thread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PATIENCE_SECONDS", 0.2)
    # A pipe that nobody writes to: opening it for reading never returns, as on a share that hangs.
    os.mkfifo(world.path("state") / "live.json")
    os.close(os.open(world.path("state") / "agent.lock", os.O_RDWR | os.O_CREAT))
    holder = Lock(world.path("state"), "agent.lock", holder="the test")
    before = set(threading.enumerate())
    with page(world) as served:
        answers = [served.get("/api/now") for _ in range(3)]
        health = served.get("/health")
        threads = set(threading.enumerate()) - before
    holder.release()
    # Let the thread go.
    os.close(os.open(world.path("state") / "live.json", os.O_WRONLY | os.O_NONBLOCK))

    assert {found.status for found in answers} == {503}
    assert json.loads(answers[0].text) == {"trouble": "the disk does not answer"}
    assert health.status == 200
    assert {thread.name for thread in threads} >= {"status-page", "status-reader"}
    assert len(threads) == 2
