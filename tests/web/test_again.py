"""A failed file of whose name another one was dropped since is marked so, and nags nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.agent.test_agent import until
from tests.conftest import World, rows
from tests.web.conftest import Open
from tests.web.page import Page, page
from watcher.settings.config import load
from watcher.web import again
from watcher.web.again import DroppedAgain

NAME = "agent_events.csv"
BAD = 'a,"b\n'


def told(served: Page) -> Any:
    """The failed files, as the page has them."""
    return json.loads(served.get("/api/now").text)["failed"]


def test_a_failed_file_that_was_mended_and_dropped_again_is_marked_and_does_not_go_on_nagging(
    world: World, opened: Open
) -> None:
    world.drop(NAME, BAD)
    world.drop("agent_events_other.csv", BAD)
    assert world.run_once() == 1
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#state.bad", has_text="2 files need you").wait_for()
        world.drop(NAME, rows(2))
        tab.locator("#needs .note", has_text="A file of this name waits by now").wait_for()
        tab.locator("#state.bad", has_text="1 file needs you").wait_for()
        assert world.run_once() == 0
        note = tab.locator("#needs .note", has_text="A file of this name was delivered since")
        note.wait_for()
        assert "If that was this one, mended, take this one out of the failed folder" in note.inner_text()
        assert tab.title() == "1 file needs you · watcher"
        note.get_by_role("link", name="that one").click()
        tab.locator("#file-state.good", has_text="done").wait_for()
        tab.go_back()
        for path in world.path("failed").glob("agent_events_other*"):
            path.unlink()
        tab.locator("#state.good", has_text="running").wait_for()
        assert tab.locator("#needs .note").is_visible()
        tab.close()


def test_what_was_delivered_before_it_failed_or_itself_marks_nothing(world: World) -> None:
    world.settings["routes"][2] |= {"columns": ["agent", "state"], "bad_records": "set_aside"}
    world.drop(NAME, rows(2))
    assert world.run_once() == 0
    world.drop(NAME, BAD)
    assert world.run_once() == 1
    world.drop("agent_events_2.csv", "a,1\nb\nc,3\n")  # delivered, but for one record
    world.run_once()
    with page(world) as served:
        found = told(served)

    assert len(found) == 2
    assert [row["again"] for row in found] == [None, None]


def test_a_report_that_somebody_altered_marks_nothing_and_breaks_nothing(world: World) -> None:
    world.drop(NAME, BAD)
    assert world.run_once() == 1
    world.drop(NAME, rows(2))
    assert world.run_once() == 0
    report = world.path("failed") / f"{NAME}.error.txt"
    for text in ("file: [1, 2]\nfailed_at: never\nreason: x\n", "reason: x\n", "reason: x\nfailed_at: 1\n"):
        report.write_text(text)
        with page(world) as served:
            assert told(served)[0]["again"] is None


def test_of_very_many_deliveries_each_look_goes_on_where_the_last_one_ended(
    world: World, monkeypatch: Any
) -> None:
    monkeypatch.setattr(again, "LOOKED", 2)
    world.drop("agent_events_0.csv", BAD)
    assert world.run_once() == 1
    failed_at = world.history()[0]["finished_at"]
    for number in (5, 4, 3, 2, 1, 0):
        world.drop(f"agent_events_{number}.csv", rows(1))
        assert world.run_once() == 0
    config, _ = load(world.config, {})
    lying = {"file": "agent_events_0.csv", "failed_at": failed_at}
    found = {"failed": [lying], "waiting": [], "under_way": []}
    marks = DroppedAgain(config)
    assert marks.mark(found)[0]["again"] is None  # the first two so far

    until(lambda: (marks.mark(found)[0]["again"] or {}).get("state") == "delivered")
    assert datetime.fromisoformat(marks.mark(found)[0]["again"]["at"]) < datetime.now(UTC)
