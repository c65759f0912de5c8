"""The status page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import re
import socket

import pytest

from tests.agent.test_agent import gated
from tests.conftest import World, answer, rows, works
from tests.web.conftest import Open
from tests.web.page import page, running
from watcher.core.errors import Outside
from watcher.core.target import Target
from watcher.journal.lock import Lock
from watcher.web import feed, reader

PHONE = {"width": 360, "height": 740}
# WCAG 2.1, 1.4.3: the ratio of every text that is seen to the ground behind it. Returns those under 4.5.
CONTRAST = """() => {
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const channel = (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const ratios = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest('title')) continue;
    const style = getComputedStyle(element);
    const text = light(parsed(element instanceof SVGElement ? style.fill : style.color));
    const behind = light(ground(element));
    const ratio = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    ratios.push([`${element.tagName}.${element.className} ${element.textContent}`, ratio]);
  }
  return [ratios.length, ratios.filter(([, ratio]) => ratio < 4.5)];
}"""
# What a screen reader would read out as nothing.
NAMELESS = """() => [...document.querySelectorAll('button, a, progress, svg, table, [role]:not([hidden])')]
  .filter((element) => !element.textContent.trim())
  .filter((element) => !element.getAttribute('aria-label') && !element.getAttribute('aria-labelledby'))
  .map((element) => element.outerHTML)"""


def test_names_and_answers_that_are_markup_are_shown_as_text_and_run_nothing(
    world: World, opened: Open
) -> None:
    bad = "agent_events_<img src=x onerror=alert(1)><svg onload=alert(2)>.csv"
    world.server.always = answer(400, "</pre><script>alert(3)</script>")
    world.drop(bad, rows(2))
    assert world.run_once() == 1
    world.drop("agent_events_<b>waits.csv", rows(2))

    with page(world) as served:
        served.holds.failed(
            Outside(Target("folder", "/x<script>alert(4)</script>"), "<img src=x onerror=alert(5)>")
        )
        tab = opened(served.url, expected="violates the following Content Security Policy|status of 404")
        for part in ("#needs", "#last"):
            tab.locator(part).get_by_role("button", name="Error report of").focus()
            tab.keyboard.press("Enter")
            tab.locator(f"{part} pre", has_text="server_said").wait_for()

        assert tab.locator("#last td.name a").get_attribute("title") == bad
        assert tab.locator("#waiting .name").inner_text() == "agent_events_<b>waits.csv"
        assert "folder /x<script>alert(4)</script>" in tab.locator("#held").inner_text()
        assert tab.locator("#needs a.name").get_attribute("title") == bad
        assert "<script>alert(3)</script>" in tab.locator("#needs pre").inner_text()
        assert "<script>alert(3)</script>" in tab.locator("#last pre").inner_text()
        assert tab.locator("main img, main b, main script").count() == 0
        # Even markup that got in by a fault of ours would be inert: the policy refuses it.
        tab.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img id=in src=x onerror=\"document.title=6\">')"
        )
        tab.locator("#in").wait_for(state="attached")
        assert tab.title() != "6"
        tab.close()


def test_it_shows_what_happens_without_a_reload_and_keeps_an_open_report_open(
    world: World, opened: Open
) -> None:
    world.server.always = answer(400, "no such agent")
    world.drop("agent_events_1.csv", rows(2))
    assert world.run_once() == 1
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#state.bad", has_text="1 file needs you").wait_for()
        tab.locator("#last").get_by_role("button", name="Error report of agent_events_1.csv").click()
        tab.wait_for_selector("pre:visible")
        world.drop("agent_events_2.csv", 'a"')
        tab.wait_for_selector("#waiting .name")
        served.holds.failed(Outside(Target("server", world.server.url), "the server asks for patience"))
        tab.locator("#state.bad", has_text="1 file needs you · 1 hold").wait_for()
        assert "the server asks for patience" in tab.locator("#held").inner_text()
        assert world.run_once() == 1
        tab.locator("#last tbody tr").nth(1).wait_for()

        names = tab.locator("#last td.name").all_inner_texts()
        assert names == ["agent_events_2.csv", "agent_events_1.csv"]
        assert tab.locator("pre:visible").count() == 1
        tab.get_by_role("button", name="30 days").click()
        assert (
            tab.locator("#sums")
            .inner_text()
            .startswith("Last 30 days: 0 files delivered (0 B), 2 files failed")
        )
        tab.locator("#as-table summary").click()
        assert tab.locator("#history-table tbody tr").count() == 1
        tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_and_named_on_a_phone_in_light_and_in_the_dark(
    world: World, opened: Open, scheme: str
) -> None:
    world.drop("agent_events_" + "long_name_" * 18 + ".csv", 'a"')
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 1
    world.drop("agent_events_waits.csv", rows(2))
    with page(world) as served:
        served.holds.failed(Outside(Target("endpoint", "http://" + "x" * 120 + ".example"), "away"))
        tab = opened(served.url, viewport=PHONE, color_scheme=scheme)
        tab.wait_for_selector("#held .notice")
        tab.locator("#as-table summary").click()
        tab.locator("#needs").get_by_role("button", name="Error report of").click()
        tab.wait_for_selector("pre:visible")

        seen, poor = tab.evaluate(CONTRAST)
        assert seen > 30
        assert poor == []
        assert tab.evaluate(NAMELESS) == []
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.locator("[aria-live=polite]").count() == 1
        tab.close()


def test_what_is_stuck_ignored_and_to_be_checked_is_told(world: World, opened: Open) -> None:
    world.settings["settle"]["patience"] = "100ms"
    world.settings["routes"][0]["marker"] = ".ok"
    world.drop("a.tmp", "x")
    with running(world) as url:
        tab = opened(url)
        tab.get_by_text("No file waits in the drop folder.").wait_for()
        assert "1 file ignored, by settle.ignore: *.tmp (1)" in tab.locator("#waiting").inner_text()
        world.drop("agent_events.csv", rows(2))
        world.drop("event_types.json", "[]")
        tab.get_by_text("What to do: let the export write its marker").wait_for()

        tab.locator("#state.bad", has_text="1 file needs you").wait_for()
        assert tab.title() == "1 file needs you · watcher"
        assert "waits for its marker event_types.json.ok" in tab.locator("#waiting").inner_text()
        world.server.always = answer(403)
        world.drop("event_types.json.ok", "")
        tab.get_by_text("What to check:").wait_for()
        tab.close()


def test_the_keyboard_reaches_everything_and_its_focus_is_seen(world: World, opened: Open) -> None:
    world.drop("agent_events.csv", 'a"')
    assert world.run_once() == 1
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#needs").get_by_role("button", name="Error report of").wait_for()  # all is drawn
        tab.locator("#last").get_by_role("button", name="Error report of").wait_for()
        tab.locator("#as-table summary").wait_for()
        reached = []
        for _ in range(12):
            tab.keyboard.press("Tab")
            reached.append(tab.evaluate("document.activeElement.textContent.trim()"))
            assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", reached
        tab.close()

    assert reached == [
        "Skip to the content", "agent_events.csv", "Report", "24 hours", "30 days", "The same as a table", "",
        "All", "Failed", "Delivered", "agent_events.csv", "Report",
    ]  # fmt: skip


def test_without_events_it_asks_now_and_then_and_an_agent_that_is_gone_is_told(
    world: World, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_LISTENERS", 0)
    with page(world) as served:
        tab = opened(served.url, expected="Failed to load resource")
        tab.wait_for_selector("#state.good")
        world.drop("agent_events.csv", rows(2))
        tab.clock.run_for(6000)
        tab.wait_for_selector("#waiting .name")
    tab.clock.run_for(6000)
    tab.wait_for_selector("#state.bad")
    assert tab.locator("#state").inner_text() == "no answer from the agent"
    assert tab.title() == "no answer · watcher"
    tab.clock.run_for(120_000)
    told = tab.locator("#trouble").inner_text()
    since = r"(\d+ \w+, )?[\d:]+ \(2 min \d+ s\)"  # behind midnight, with the day
    assert re.fullmatch(rf"Nothing was heard since {since}\. .* as it was then\.", told)
    assert tab.locator("body.stale").count() == 1
    seen, poor = tab.evaluate(CONTRAST)  # dimmed, and readable
    assert (seen > 20, poor) == (True, [])
    assert tab.locator("#waiting .name").inner_text() == "agent_events.csv"
    tab.close()


def test_a_disk_that_does_not_answer_dims_the_page_until_it_does(
    world: World, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PATIENCE_SECONDS", 0.2)
    os.close(os.open(world.path("state") / "agent.lock", os.O_RDWR | os.O_CREAT))
    holder = Lock(world.path("state"), "agent.lock", holder="the test")
    hangs = world.path("state") / "live.json"
    with page(world) as served:
        tab = opened(served.url, expected="status of 503")
        tab.locator("#state.good").wait_for()
        # A pipe that nobody writes to: opening it for reading never returns, as on a share that hangs.
        os.mkfifo(hangs)
        tab.locator("#state.bad", has_text="the disk does not answer").wait_for()
        assert tab.locator("#trouble").inner_text().startswith("Nothing was heard since")
        assert tab.locator("body.stale").count() == 1
        writer = os.open(hangs, os.O_WRONLY | os.O_NONBLOCK)
        hangs.unlink()
        os.close(writer)
        tab.locator("#state.good").wait_for()
        assert tab.locator("body.stale").count() == 0
        tab.close()
    holder.release()


def test_a_page_that_was_dimmed_is_as_before_when_the_agent_answers_again(world: World, opened: Open) -> None:
    with page(world, title="Prague") as served:
        tab = opened(served.url, expected="Failed to load resource|ERR_")
        tab.locator("#state.good").wait_for()
        assert tab.locator("h1").inner_text() == tab.title() == "Prague"
        host = socket.gethostname()
        assert tab.locator("#about").inner_text().startswith(f"tenant demo, host {host}, ")
        served.signs.ending = True
        tab.locator("#state.bad", has_text="the agent is stopping").wait_for()
        assert tab.locator("body.stale").count() == 1
        served.signs.ending = False
        tab.locator("#state.good").wait_for()
        assert tab.locator("body.stale").count() == 0
        assert tab.locator("#trouble").is_hidden()
        tab.close()


def test_an_upload_under_way_has_a_bar_with_its_share_and_says_what_is_left(
    world: World, opened: Open
) -> None:
    gate = gated(world, works)
    world.drop("agent_events.csv", rows(12))
    with running(world) as url:
        tab = opened(url, expected="Failed to load resource")
        assert gate.reached.wait(20)
        tab.locator("#way", has_text="41 %, 100 B of 240 B, 1 chunk").wait_for()
        assert tab.locator("progress").get_attribute("aria-label") == "agent_events.csv: 41 %"
        tab.locator("#way", has_text="left").wait_for()
        gate.open.set()
        tab.locator("#last .outcome.good", has_text="done").wait_for()
        tab.locator("#way", has_text="Nothing is being uploaded.").wait_for()
        tab.close()
