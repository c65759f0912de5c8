"""What is dropped onto the page, in a real browser: odd names, folders, and what is said aloud of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_retry import changed_after_delivery, refused_in_doubt
from tests.conftest import World, rows
from tests.web.conftest import Open
from tests.web.page import page
from tests.web.test_acts import ALL, LOGIN, PASSWORD

RTL = "agent_events\u202egpj.csv"
ODD = b'agent_events_<b>"%25%\n\xe2\x80\xae\xff.csv'
# Files of these names, put where a person chooses them.
CHOOSE = """(names) => {
  const chosen = new DataTransfer();
  for (const name of names) chosen.items.add(new File(['a,1\\n'], name));
  const input = document.getElementById('choose');
  input.files = chosen.files;
  input.dispatchEvent(new Event('change'));
}"""


def test_a_file_with_the_oddest_name_is_found_and_sent_again_like_any_other(
    world: World, opened: Open
) -> None:
    path = os.fsencode(world.path("drop")) + b"/" + ODD
    Path(os.fsdecode(path)).write_text('a,"b\n')
    assert world.run_once() == 1
    shown = 'agent_events_<b>"%25%\\n\\u202e\\xff.csv'
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN)
        tab.locator("#needs a.name").click()
        tab.locator("#file .story li").first.wait_for()
        assert tab.locator("#h-file").get_attribute("title") == shown
        tab.reload()  # the address has the whole name
        tab.get_by_role("link", name="Download the report").wait_for()
        tab.locator("#file").get_by_role("button", name="Send again").click()
        assert tab.locator("#ask-what").inner_text() == f"Send {shown} again?"
        tab.locator("#ask-yes").click()
        tab.locator("#said .good", has_text="back in the drop folder").wait_for()
        assert shown in tab.locator("#announce").inner_text()
        tab.goto(f"{served.url}#/")
        tab.locator("#waiting").get_by_role("button", name="Take out").click()
        tab.locator("#ask-yes").click()
        tab.locator("#said .good", has_text="withdrawn by somebody at 127.0.0.1").wait_for()
        tab.close()

    assert os.fsdecode(ODD) in world.files("failed")


@pytest.mark.parametrize(
    ("happened", "warning"),
    [(refused_in_doubt, "it may be complete at the server"), (changed_after_delivery, "a second import")],
)
def test_before_what_the_server_may_have_is_sent_again_it_is_said(
    world: World, opened: Open, happened: Callable[[World], None], warning: str
) -> None:
    happened(world)
    world.drop("agent_events_2.csv", 'a,"b\n')
    world.server.always = None
    assert world.run_once() == 1
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN)
        for name, expected in (("agent_events.csv", True), ("agent_events_2.csv", False)):
            tab.locator("#needs").get_by_role("button", name=f"Send again: {name}", exact=True).click()
            assert (warning in tab.locator("#ask-how").inner_text()) is expected
            tab.locator("#ask-no").click()
        tab.locator("#needs a.name", has_text="agent_events.csv").click()
        tab.locator("#file").get_by_role("button", name="Send again").click()
        assert warning in tab.locator("#ask-how").inner_text()
        tab.close()


def test_a_view_that_was_drawn_before_it_was_known_what_may_be_done_gets_its_buttons(
    world: World, opened: Open
) -> None:
    world.drop("agent_events.csv", 'a,"b\n')
    assert world.run_once() == 1
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN)
        tab.locator("#needs a.name").click()
        held: list[Any] = []
        for late in ("**/api/now", "**/api/events"):
            tab.route(late, lambda route: held.append(route))
        tab.reload()
        tab.get_by_role("link", name="Download the report").wait_for()
        assert held
        assert tab.locator("#file").get_by_role("button", name="Send again").count() == 0
        for route in held:
            route.continue_()
        tab.locator("#file").get_by_role("button", name="Send again").wait_for()
        tab.close()


def test_of_chosen_files_one_with_a_name_that_is_refused_keeps_no_other_from_going(
    world: World, opened: Open
) -> None:
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN, expected="status of 422")
        tab.locator("#upload").wait_for()
        tab.evaluate(CHOOSE, [RTL, "agent_events_<b>%2F.csv", "agent_events_100%_שלום.csv"])
        tab.locator("#said .good", has_text="it is in the drop folder").wait_for()
        names = tab.locator("#said strong").all_inner_texts()
        refused = tab.locator("#said .bad").all_inner_texts()
        tab.close()

    assert names == ["agent_events_100%_שלום.csv", "agent_events_<b>%2F.csv", "agent_events\\u{202e}gpj.csv"]
    assert refused == ["that is no name for a file, on Windows at least"] * 2
    assert world.files("drop") == {"agent_events_100%_שלום.csv": b"a,1\n"}


def test_a_folder_that_is_dropped_is_told_what_to_do_instead_and_the_files_beside_it_go(
    world: World, opened: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "dropped" / "monday"
    folder.mkdir(parents=True)
    beside = folder.with_name("agent_events.csv")
    beside.write_text(rows(1))
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN)
        tab.locator("#upload").wait_for()
        browser = tab.context.new_cdp_session(tab)
        for kind in ("dragEnter", "dragOver", "drop"):
            what = {"items": [], "files": [str(folder), str(beside)], "dragOperationsMask": 1}
            browser.send("Input.dispatchDragEvent", {"type": kind, "x": 100, "y": 200, "data": what})
        tab.locator("#said li", has_text="monday: it is a folder, and folders are not taken").wait_for()
        tab.locator("#said .good", has_text="it is in the drop folder").wait_for()
        assert "drop the files that are in it" in tab.locator("#announce").inner_text()
        tab.close()

    assert world.files("drop") == {"agent_events.csv": rows(1).encode()}


def test_how_far_an_upload_is_is_said_aloud_in_quarters_and_seen_by_the_percent(
    world: World, opened: Open, tmp_path: Path
) -> None:
    large = tmp_path / "agent_events.csv"
    large.write_bytes(b"a,1\n" * 250_000)
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN)
        tab.locator("#upload").wait_for()
        tab.evaluate("""() => { window.seen = new Set(); window.said = [];
          const added = (change) => said.push(...[...change.addedNodes].map((each) => each.textContent));
          new MutationObserver((all) => all.forEach(added))
            .observe(document.getElementById('announce'), { childList: true });
          new MutationObserver(() => seen.add(document.getElementById('said').textContent))
            .observe(document.getElementById('said'), { childList: true, subtree: true }); }""")
        browser = tab.context.new_cdp_session(tab)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 500_000}
        browser.send("Network.emulateNetworkConditions", slow)
        tab.locator("#choose").set_input_files(large)
        tab.locator("#said .good", has_text="it is in the drop folder").wait_for()
        said, seen = tab.evaluate("said"), tab.evaluate("seen.size")
        live = tab.locator("#said").evaluate("(list) => list.closest('[aria-live], [role=status]')")
        tab.close()

    assert said[0] == "agent_events.csv: is being sent …"
    assert said[-1] == "agent_events.csv: it is in the drop folder, 1,000,000 bytes"
    assert 2 <= len(said) <= 5
    assert seen > len(said)
    assert live is None
