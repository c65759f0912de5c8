"""What comes first on the page, in a real browser; waiting files and outcomes by the hundred."""

from __future__ import annotations

import json

import pytest

from tests.conftest import World, answer, rows
from tests.web.conftest import Open
from tests.web.page import page, running
from watcher.web import outcomes


def test_a_person_who_knows_only_the_page_finds_a_failed_file_mends_it_and_sees_it_delivered(
    world: World, opened: Open
) -> None:
    world.drop("agent_events.csv", 'agent-1,"open\n')
    with running(world) as url:
        tab = opened(url, expected="Failed to load resource")
        needs = tab.locator("#needs")
        needs.wait_for()
        assert tab.title() == "1 file needs you · watcher"
        assert "What to do:" in needs.inner_text()
        name = needs.locator(".name").inner_text()
        failed = needs.get_by_text("Failed files lie in")
        assert len(failed.locator("span").all_inner_texts()) == 2  # where they lie, and where to put them
        needs.get_by_role("button", name=f"Error report of {name}").click()
        needs.locator("pre", has_text="reason:").wait_for()
        assert "line 1" in needs.inner_text()

        lies = world.path("failed") / name  # long folders are cut in the middle on the page
        lies.write_text('agent-1,"closed"\n', encoding="utf-8")
        lies.rename(world.path("drop") / name)
        needs.wait_for(state="hidden")
        tab.locator("#last .outcome.good", has_text="done").wait_for()
        tab.locator("#state.good", has_text="running").wait_for()
        assert tab.title() == "watcher"
        tab.close()


def test_failed_files_stay_first_and_red_whatever_was_delivered_since(world: World, opened: Open) -> None:
    for number in range(7):
        world.drop(f"agent_events_bad_{number}.csv", 'a"')
    world.run_once()
    for number in range(60):
        world.drop(f"agent_events_good_{number:02}.csv", rows(1))
    assert world.run_once() == 0
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#state.bad", has_text="7 files need you").wait_for()
        assert tab.locator("main section:visible h2").first.inner_text() == "Needs you 7"
        assert tab.locator("#needs h3").all_inner_texts() == [
            "7 failed: line 1: there is a quote within a field that does not begin with one"
        ]
        assert tab.locator("#needs .name").count() == 7
        assert tab.locator("#numbers dd").first.inner_text() == "7"
        for path in world.path("failed").iterdir():
            path.unlink()
        tab.locator("#state.good").wait_for()
        assert tab.locator("#needs").is_hidden()
        tab.close()


def test_of_very_many_failed_files_the_newest_are_named_and_the_others_counted(
    world: World, opened: Open
) -> None:
    for number in range(53):
        world.path(f"failed/agent_events_{number:02}.csv").write_text("x")
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#state.bad", has_text="53 files need you").wait_for()
        assert tab.locator("#needs .name").count() == 10
        tab.locator("#needs summary", has_text="40 more").click()
        tab.locator("#needs .name").nth(49).wait_for()
        assert tab.locator("#needs .name").count() == 50
        assert "and 3 more that came before" in tab.locator("#needs").inner_text()
        tab.close()


def test_what_a_reader_opened_stays_open_and_the_keyboard_where_it_is_while_files_come_and_go(
    world: World, opened: Open
) -> None:
    for number in range(300):
        world.drop(f"agent_events_{number:03}.csv", rows(1))
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#waiting summary", has_text="290 more").focus()
        assert tab.locator("#waiting .name").count() == 10
        tab.keyboard.press("Enter")
        tab.locator("#waiting .name", has_text="agent_events_299.csv").wait_for()
        world.drop("agent_events_300.csv", rows(1))
        tab.locator("#waiting summary", has_text="291 more").wait_for()
        assert tab.locator("#waiting .name").count() == 301
        assert tab.evaluate("document.activeElement.textContent") == "291 more"
        tab.close()


def test_outcomes_are_filtered_searched_and_turned_page_by_page(world: World, opened: Open) -> None:
    world.drop("agent_events_bad.csv", 'a"')
    world.run_once()
    for number in range(45):
        world.drop(f"agent_events_good_{number:02}.csv", rows(1))
    world.run_once()
    with page(world) as served:
        tab = opened(served.url)
        names = tab.locator("#last td.name")
        names.nth(19).wait_for()
        for last in ("agent_events_good_05.csv", "agent_events_bad.csv"):
            tab.get_by_role("button", name="Older").focus()
            tab.keyboard.press("Enter")
            names.get_by_text(last).wait_for()
        assert tab.locator("#page").inner_text() == "page 3"
        assert names.count() == 6
        assert tab.get_by_role("button", name="Older").is_disabled()
        assert tab.evaluate("document.activeElement.id") == "newer"
        tab.get_by_role("button", name="Newer").click()
        names.nth(19).wait_for()

        tab.get_by_role("button", name="Failed", exact=True).click()
        tab.locator("#last .outcome.bad").wait_for()
        assert names.all_inner_texts() == ["agent_events_bad.csv"]
        tab.get_by_role("button", name="Delivered").click()
        tab.locator("#last .outcome.good").first.wait_for()
        token = world.history()[-2]["push_token"]
        for text in ("GOOD_00", token[4:20]):
            tab.get_by_label("Name or push token").fill(text)
            tab.get_by_label("Name or push token").press("Enter")
            names.get_by_text("agent_events_good_00.csv").wait_for()
            assert names.count() == 1
            tab.get_by_label("Name or push token").fill("")
            tab.get_by_label("Name or push token").press("Enter")
            names.nth(19).wait_for()
        tab.get_by_label("Name or push token").fill("no such file")
        tab.clock.run_for(1000)
        tab.get_by_text("No file that came to its end is like that.").wait_for()
        tab.close()


def test_records_set_aside_are_amber_with_their_report(world: World, opened: Open) -> None:
    world.settings["routes"][2] |= {"columns": ["agent", "state"], "bad_records": "set_aside"}
    world.drop("agent_events.csv", "a,1\nb\nc,3\n")
    world.run_once()
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#state.warn", has_text="1 file needs you").wait_for()
        tab.locator("#needs .group.warn", has_text="1 of 3 records set aside").wait_for()
        tab.locator("#last .outcome.warn", has_text="partly delivered").wait_for()
        for part in ("#needs", "#last"):
            tab.locator(part).get_by_role("button", name="Error report").click()
            tab.locator(f"{part} pre", has_text="reason:").wait_for()
        tab.close()


def test_a_page_of_outcomes_is_told_with_where_to_look_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.server.always = answer(400, '{"message": "no\\ud800"}')
    for number in range(3):
        world.drop(f"agent_events_{number}.csv", 'a"' if number else rows(1))
    world.run_once()
    with page(world) as served:
        asked = "/api/outcomes?show=failed&text=EVENTS_"
        monkeypatch.setattr(outcomes, "PAGE", 2)
        first = json.loads(served.get(asked).text)
        second = json.loads(served.get(f"{asked}&before={first['next']}").text)
        refused = [
            served.get(f"/api/outcomes?{query}").status
            for query in ("show=other", "before=-1", "before=1e3", "before=" + "9" * 30)
        ]
        beside = served.get("/api/failed?name=agent_events_0.csv")
        outside = [
            served.get(f"/api/failed?name={name}").status
            for name in ("..%2Fconfig.yaml", "agent_events_0.csv.error.txt", "", "%00")
        ]
    assert [row["name"] for row in first["rows"]] == ["agent_events_2.csv", "agent_events_1.csv"]
    assert ([row["name"] for row in second["rows"]], second["next"]) == (["agent_events_0.csv"], None)
    assert refused == [400] * 4
    assert beside.text.startswith("file: ")
    assert outside == [404] * 4
