"""A file's own view in a real browser: the way there and back, on a phone, and while its file goes on."""

from __future__ import annotations

import json

import pytest

from tests.agent.test_agent import gated
from tests.conftest import World, answer, rows
from tests.web.conftest import Open
from tests.web.page import page, running
from tests.web.test_browser import CONTRAST, NAMELESS, PHONE
from watcher.core.errors import Outside
from watcher.core.target import Target

LONG_AGO = "2020-01-01T00:00:00.000Z"


def test_a_reader_gets_to_a_file_and_back_with_the_keyboard_alone(world: World, opened: Open) -> None:
    world.settings["routes"][2] |= {"columns": ["agent", {"name": "state", "is": "integer"}]}
    world.drop("agent_events_bad.csv", "a,1\nb,x\n")
    world.drop("agent_events.csv", "a,1\n")
    assert world.run_once() == 1
    world.drop("agent_events_waits.csv", rows(2))
    with page(world) as served:
        tab = opened(served.url)
        for part, name in (
            ("#needs", "agent_events_bad.csv"), ("#last", "agent_events.csv"),
            ("#waiting", "agent_events_waits.csv"),
        ):  # fmt: skip
            link = tab.locator(part).get_by_role("link", name=name, exact=True)
            link.focus()
            tab.keyboard.press("Enter")
            tab.locator("#file .story li").first.wait_for()
            assert tab.evaluate("document.activeElement.id") == "h-file"
            assert tab.locator("#h-file").inner_text() == name
            assert tab.title().startswith(name)
            assert tab.locator("main > section:visible").count() == 1
            tab.keyboard.press("Escape")
            link.wait_for()
            assert tab.evaluate("document.activeElement.textContent") == name
            assert not tab.title().startswith(name)
        tab.locator("#needs").get_by_role("link", name="agent_events_bad.csv").click()
        tab.get_by_role("table", name="Problems").get_by_text("column 2 (state)").wait_for()
        tab.reload()  # the address can be kept
        tab.get_by_role("table", name="Problems").get_by_text("column 2 (state)").wait_for()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="Download the report").click()
        assert download.value.suggested_filename == "agent_events_bad.csv.error.txt"
        tab.go_back()
        tab.locator("#needs .name").wait_for()
        tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_files_view_is_readable_and_named_on_a_phone(world: World, opened: Open, scheme: str) -> None:
    name = "agent_events_" + "x" * 90 + "_long_name" * 9 + ".csv"
    world.server.always = answer(400, "no such agent " + "y" * 200)
    world.drop(name, rows(2))
    assert world.run_once() == 1
    with page(world) as served:
        tab = opened(served.url, viewport=PHONE, color_scheme=scheme)
        tab.locator("#needs a.name").click()
        tab.locator("#file .story li").first.wait_for()
        seen, poor = tab.evaluate(CONTRAST)
        assert seen > 15
        assert poor == []
        assert tab.evaluate(NAMELESS) == []
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.locator("#h-file").get_attribute("title") == name
        tab.close()


def test_an_open_view_follows_its_file_to_the_end(world: World, opened: Open) -> None:
    gate = gated(world)
    with running(world) as url:
        tab = opened(url)
        world.drop("agent_events.csv", rows(12))
        assert gate.reached.wait(20)
        tab.locator("#way").get_by_role("link", name="agent_events.csv").click()
        tab.locator("#file-state", has_text="sending").wait_for()
        gate.open.set()
        tab.locator("#file-state.good", has_text="done").wait_for()
        tab.get_by_role("link", name="Download the receipt").wait_for()
        tab.close()


def test_what_nobody_knows_any_more_is_said(world: World, opened: Open) -> None:
    with page(world) as served:
        served.holds.failed(Outside(Target("server", world.server.url), "away"))
        tab = opened(served.url, expected="status of 404")
        tab.evaluate("location.hash = '#/file/nothing'")
        tab.get_by_text("Nothing is known of this file any more").wait_for()
        tab.get_by_role("link", name="All files").click()
        tab.locator("#held .notice").wait_for()
        tab.close()


def test_a_file_that_is_asked_for_while_the_agent_is_away_comes_when_it_answers(
    world: World, opened: Open
) -> None:
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0
    with page(world) as served:
        tab = opened(served.url, expected="Failed to load resource")
        tab.locator("#last td.name a").wait_for()
        tab.context.set_offline(True)
        tab.locator("#last td.name a").click()
        tab.get_by_text("The agent does not answer.").wait_for()
        tab.context.set_offline(False)
        tab.clock.run_for(10_000)
        tab.locator("#file-state.good").wait_for()
        tab.close()


def test_a_bar_and_its_line_in_the_table_show_the_outcomes_of_their_time(world: World, opened: Open) -> None:
    world.drop("agent_events_1.csv", rows(2))
    world.drop("agent_events_2.csv", 'a"')
    assert world.run_once() == 1
    with page(world) as served:
        now = json.loads(served.get("/api/now").text)["last"][0]["finished_at"]
        found = [
            len(json.loads(served.get(f"/api/outcomes?since={since}&until={until}").text)["rows"])
            for since, until in ((LONG_AGO, now), (LONG_AGO, "2020-01-02T00:00:00.000Z"))
        ]
        refused = [
            served.get(f"/api/outcomes?{query}").status
            for query in (f"since={now}", "since=x&until=y", f"since={now}&until=2026-01-01")
        ]
        tab = opened(served.url)
        tab.locator("#plots g.full").first.click()
        only = tab.get_by_role("button", name="show all times again")
        only.wait_for()
        tab.locator("#last td.name").nth(1).wait_for()
        assert tab.evaluate("document.activeElement.id") == "h-last"
        only.click()
        only.wait_for(state="hidden")
        tab.locator("#as-table summary").click()
        tab.locator("#history-table button").focus()
        tab.keyboard.press("Enter")
        only.wait_for()
        tab.close()

    assert found[0] in (0, 1)  # both may have ended within one millisecond
    assert found[1] == 0
    assert refused == [400] * 3


def test_names_break_between_their_parts_alone_and_lose_their_middle_first(
    world: World, opened: Open
) -> None:
    names = [
        "agent_events_" + "0123456789abcdef" * 4 + ".csv", "agent_events.2026-11-25.part-1.h1.csv",
        "agent_events_" + "X" * 100 + ".csv", "agent_events_" + "a-b_c." * 30 + "csv",
    ]  # fmt: skip
    for name in names:
        world.drop(name, 'a"')
    assert world.run_once() == 1
    for name in names:
        world.drop(name, rows(1))
    with page(world) as served:
        tab = opened(served.url, viewport=PHONE)
        tab.locator("#waiting a.name").nth(3).wait_for()
        tab.locator("#last td.name a").nth(3).wait_for()
        broken = tab.evaluate("""() => [...document.querySelectorAll('a.name, td.name a')].flatMap((link) =>
          [...link.childNodes].filter((node) => node.nodeType === 3).map((node) => {
            const range = document.createRange();
            range.selectNode(node);
            return [node.textContent, new Set([...range.getClientRects()].map((box) => box.top)).size];
          })).filter(([, lines]) => lines > 1)""")
        assert broken == []
        shown = tab.locator("#waiting a.name").all_inner_texts()
        assert all(name.endswith(".csv") for name in shown)
        assert tab.locator("#waiting a.name[title]").count() == 3
        when = tab.locator("#last time").first
        assert (when.get_attribute("title") or "").endswith(" UTC")
        tab.close()


def test_an_empty_page_says_where_files_go_and_under_which_names(world: World, opened: Open) -> None:
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#waiting dt").nth(2).wait_for()
        assert "/drop, under these names" in tab.locator("#waiting").inner_text()
        assert tab.locator("#waiting dt").all_inner_texts() == [
            "event?types*.json", "reason?codes*.json", "agent?events*.csv",
        ]  # fmt: skip
        tab.close()
