"""What may be done on the status page: by whom, how far; nothing is ever written over, or half there."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.agent.test_agent import log_of, until
from tests.conftest import World, answer, rows
from tests.web.conftest import Open
from tests.web.page import Page, get, page, running
from watcher.core.errors import ConfigError, Outside
from watcher.core.events import Acted, Event
from watcher.core.target import Target
from watcher.disk.received import Received
from watcher.manual import pages
from watcher.settings.config import load
from watcher.web import acts, least_pace, uploads
from watcher.web.refusals import Refusals

PASSWORD, TOKEN = "pass", "t0ken"
LOGIN = {"username": "x", "password": PASSWORD}
ALL = ["retry", "withdraw", "upload"]
BASIC = "Basic " + base64.b64encode(f"x:{PASSWORD}".encode()).decode()


def post(
    url: str, path: str, body: bytes = b"", *, length: int | None = None, **headers: str
) -> tuple[int, str]:
    """Ask for an act; returns the status and the words. `headers` with underscores."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    sent = {"Authorization": BASIC, "Content-Length": str(len(body) if length is None else length)}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", path, body, {name: value for name, value in sent.items() if value})
        found = connection.getresponse()
        text = found.read().decode()
    finally:
        connection.close()
    return found.status, json.loads(text)["words"] if text.startswith("{") else text


def key(url: str) -> str:
    """The page's key, as the page gets it."""
    return str(json.loads(get(url, "/api/now", Authorization=BASIC).text)["acts"]["key"])


def known_key(url: str, part: str, name: str) -> str:
    """The key of a file, as it is shown: `part` is failed, waiting, under_way or stranded."""
    told = json.loads(get(url, "/api/now", Authorization=BASIC).text)
    return str(next(row["key"] for row in told[part] if row["name"] == name))


def move(url: str, action: str, name: str, file_key: str) -> tuple[int, str]:
    """Have a file sent again or taken out, as the page does it."""
    query = f"name={quote(name)}&key={quote(file_key)}"
    return post(url, f"/api/acts/{action}?{query}", x_watcher_page=key(url))


def upload(served: Page, name: str, body: bytes, **headers: str) -> tuple[int, str]:
    headers = {"x_watcher_page": key(served.url)} | headers
    return post(served.url, f"/api/acts/upload?name={quote(name)}", body, **headers)


@pytest.fixture
def heard() -> list[Acted]:
    return []


@pytest.fixture
def served(world: World, heard: list[Acted]) -> Iterator[Page]:
    """A page on which everything may be done."""

    def hear(event: Event) -> None:
        if isinstance(event, Acted):
            heard.append(event)

    with page(world, password=PASSWORD, token=TOKEN, actions=ALL) as found:
        end = found.stream.subscribe(hear)
        yield found
        end()


# -- who may ----------------------------------------------------------------------------------------


def test_nothing_can_be_done_by_default(world: World) -> None:
    with page(world, password=PASSWORD) as served:
        assert json.loads(get(served.url, "/api/now", Authorization=BASIC).text)["acts"]["may"] == []
        for path in acts.PATHS.values():
            status, words = post(served.url, f"{path}?name=a.csv", x_watcher_page="")
            assert (status, words) == (405, "this page only shows\n")


def test_an_act_that_is_not_in_the_settings_is_not_there(world: World) -> None:
    with page(world, password=PASSWORD, actions=["retry"]) as served:
        assert post(served.url, "/api/acts/upload?name=agent_events.csv", b"a,1\n")[0] == 405


def test_acts_need_a_password_or_a_token_in_the_settings(world: World) -> None:
    world.settings["status"] = {"actions": ["retry"]}

    with pytest.raises(ConfigError, match=r"status: actions let whoever sees the page move files.*password"):
        load(world.config, {})


def test_whoever_has_no_password_does_nothing_even_with_the_key(served: Page, world: World) -> None:
    status, _ = upload(served, "agent_events.csv", b"a,1\n", Authorization="")

    assert status == 401
    assert world.files("drop") == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"x_watcher_page": ""},
        {"x_watcher_page": "guessed"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_what_another_site_makes_a_browser_do_is_refused_and_logged(
    served: Page, world: World, heard: list[Acted], headers: dict[str, str]
) -> None:
    status, words = upload(served, "agent_events.csv", b"a,1\n", **headers)

    assert status == 403
    assert "did not come from the page of this run" in words
    assert world.files("drop") == {}
    (told,) = heard
    assert (told.action, told.name, told.by, told.done) == ("upload", "agent_events.csv", "127.0.0.1", False)


def test_an_act_without_the_right_to_it_is_one_line_with_who_and_what_and_no_secret(
    served: Page, world: World, heard: list[Acted]
) -> None:
    wrong = "Basic " + base64.b64encode(b"x:guessed-secret").decode()
    for _ in range(4):
        assert post(served.url, "/api/acts/retry?name=a.csv", Authorization="")[0] == 401
    assert post(served.url, "/api/acts/withdraw?name=a%0A.csv", Authorization=wrong)[0] == 401
    assert post(served.url, "/api/acts/retry?name=b.csv&token=guessed-secret", Authorization="")[0] == 401
    assert post(served.url, "/api/acts/retry?name=c.csv", Host="evil.example")[0] == 421
    served.clock[0] += 61
    assert post(served.url, "/api/acts/upload?name=d.csv", Authorization="")[0] == 401

    needed = "refused: a password or a token is needed"
    assert [(told.action, told.name, told.by, told.outcome, told.done) for told in heard] == [
        ("retry", "a.csv", "127.0.0.1", needed, False),
        ("retry", "c.csv", "127.0.0.1", "refused: this address is not known here; use 127.0.0.1 or localhost",
         False),
        ("upload", "d.csv", "127.0.0.1", f"{needed} (5 more like it since the last such line)", False),
    ]  # fmt: skip


def test_an_act_that_the_settings_do_not_have_is_logged_where_somebody_tries_it(world: World) -> None:
    heard: list[Event] = []
    with page(world, password=PASSWORD, actions=["retry"]) as served:
        served.stream.subscribe(heard.append)
        assert post(served.url, "/api/acts/withdraw?name=a.csv")[0] == 405
        assert post(served.url, "/api/other?name=a.csv")[0] == 405

    assert heard == [Acted("withdraw", "a.csv", "127.0.0.1", "refused: this page only shows", False)]


def test_who_has_no_password_cannot_fill_the_log() -> None:
    clock = [0.0]
    refusals = Refusals(lambda: clock[0])

    lines = [refusals.worth_a_line("192.0.2.1", "refused: x") for _ in range(1_000)]
    clock[0] = 60.0
    lines.append(refusals.worth_a_line("192.0.2.1", "refused: x"))

    assert [line for line in lines if line] == [
        "refused: x", "refused: x (999 more like it since the last such line)"
    ]  # fmt: skip


def test_another_site_gets_no_leave_to_set_the_header(served: Page) -> None:
    parts = urlsplit(served.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Headers": acts.HEADER}
    connection.request("OPTIONS", "/api/acts/retry", headers=asked)
    found = connection.getresponse()
    connection.close()

    assert found.status == 405
    assert not [name for name, _ in found.getheaders() if name.lower().startswith("access-control")]


def test_a_page_behind_a_proxy_with_tls_is_its_own_site(served: Page) -> None:
    headers = {"origin": "https://wfm.example", "sec_fetch_site": "same-origin"}

    assert upload(served, "agent_events.csv", b"a,1\n", **headers)[0] == 200


# -- files that are dropped ---------------------------------------------------------------------------


def test_a_file_goes_into_the_drop_folder_whole_and_one_line_says_who_sent_it(
    served: Page, world: World, heard: list[Acted]
) -> None:
    status, words = upload(served, "agent_events ä.csv", rows(3).encode())

    assert (status, words) == (200, f"it is in the drop folder, {len(rows(3))} bytes")
    assert world.files("drop") == {"agent_events ä.csv": rows(3).encode()}
    assert [(told.by, told.name, told.done) for told in heard] == [("127.0.0.1", "agent_events ä.csv", True)]


def test_a_name_that_is_there_is_not_written_over_even_by_a_link(served: Page, world: World) -> None:
    world.drop("agent_events.csv", "mine")
    elsewhere = world.root / "elsewhere"
    elsewhere.write_text("theirs")
    (world.path("drop") / "agent_events_2.csv").symlink_to(elsewhere)

    for name in ("agent_events.csv", "agent_events_2.csv"):
        assert upload(served, name, b"a,1\n") == (409, uploads._TAKEN)
    assert (world.path("drop") / "agent_events.csv").read_text() == "mine"
    assert elsewhere.read_text() == "theirs"


def test_of_two_uploads_of_one_name_at_once_one_wins_whole(served: Page, world: World) -> None:
    bodies = [bytes([letter]) * 3_000_000 for letter in b"ab"]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda body=body: found.append(upload(served, "agent_events.csv", body)[0]))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [200, 409]
    assert world.files("drop")["agent_events.csv"] in bodies
    until(lambda: len(list(world.path("drop").iterdir())) == 1)  # the half one goes behind the answer


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "no name for a file"),
        ("../agent_events.csv", "no name for a file"),
        ("/etc/passwd", "no name for a file"),
        ("a\\agent_events.csv", "no name for a file"),
        ("agent_events\n.csv", "no name for a file"),
        ("agent_events.csv.", "no name for a file"),
        ("agent_events.csv ", "no name for a file"),
        ("agent_events:1.csv", "no name for a file"),
        ("NUL.csv", "no name for a file"),
        (".agent_events.csv", "ignored"),
        ("agent_events.csv.part", "ignored"),
        ("agent_events" + "x" * 200 + ".csv", "more than 200 bytes"),
        ("report.csv", "no route takes a file of this name; the names are: "),
    ],
)
def test_names_that_lead_elsewhere_or_nowhere_are_refused_before_anything_is_stored(
    served: Page, world: World, name: str, words: str
) -> None:
    status, said = upload(served, name, b"a,1\n")

    assert status == 422
    assert words in said
    assert list(world.path("drop").iterdir()) == []


def test_a_route_with_a_marker_gets_it_and_nobody_sends_one_alone(world: World) -> None:
    world.settings["routes"][2]["marker"] = "{name}.ok"
    with page(world, password=PASSWORD, actions=ALL) as served:
        assert upload(served, "agent_events.csv.ok", b"")[0] == 422
        status, words = upload(served, "agent_events.csv", b"a,1\n")

    assert status == 200
    assert "with its marker agent_events.csv.ok" in words
    assert world.files("drop") == {"agent_events.csv": b"a,1\n", "agent_events.csv.ok": b""}


def test_sizes_are_bounded_and_told(world: World) -> None:
    with page(world, password=PASSWORD, actions=ALL, upload_limit=1_000) as served:
        assert upload(served, "agent_events.csv", b"x" * 1_001) == (
            413, "it has 1,001 bytes, and status.upload_limit is 1,000"
        )  # fmt: skip
        assert upload(served, "agent_events.csv", b"x" * 1_000)[0] == 200


def test_more_uploads_at_once_than_there_may_be_have_to_wait(
    served: Page, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 0)

    assert upload(served, "agent_events.csv", b"a,1\n")[0] == 429


def test_a_full_disk_is_said_before_and_a_folder_that_is_away_too(
    served: Page, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SPARE_BYTES", 1 << 62)
    assert upload(served, "agent_events.csv", b"a,1\n")[0] == 507
    monkeypatch.undo()
    world.path("drop").rename(world.root / "away")

    status, words = upload(served, "agent_events.csv", b"a,1\n")

    assert status == 503
    assert "drop" in words


def test_what_a_crash_left_of_an_upload_goes_with_a_later_start(world: World) -> None:
    world.drop("agent_events.csv", "a,1\n")
    left = world.path("drop") / ".9397b2d7-f884-4446-bb5f-cdf2b89c2e2f.part"
    fresh = world.path("drop") / ".8397b2d7-f884-4446-bb5f-cdf2b89c2e2f.part"
    others = world.path("drop") / ".theirs.part"
    for path in (left, fresh, others):
        path.write_text("a,")
    os.utime(left, (1, 1))
    os.utime(others, (1, 1))

    with page(world, password=PASSWORD, actions=ALL):
        until(lambda: not left.exists())

    assert fresh.exists()
    assert others.exists()


# -- files that are there -----------------------------------------------------------------------------


def test_a_failed_file_is_sent_again_and_one_that_is_not_there_is_told(served: Page, world: World) -> None:
    world.drop("agent_events.csv", 'a,"b\n')
    assert world.run_once() == 1
    file_key = known_key(served.url, "failed", "agent_events.csv")

    status, words = move(served.url, "retry", "agent_events.csv", file_key)
    again = move(served.url, "retry", "agent_events.csv", file_key)
    odd = move(served.url, "retry", "../state/journal.db", file_key)

    assert (status, words) == (200, "agent_events.csv: back in the drop folder as agent_events.csv")
    assert world.files("drop") == {"agent_events.csv": b'a,"b\n'}
    assert again[0] == odd[0] == 409
    assert "not there any more" in odd[1]


def test_a_waiting_file_is_taken_out_with_a_report_that_names_the_address(served: Page, world: World) -> None:
    assert world.run_once() == 0  # there is a journal
    world.drop("agent_events.csv", rows(1))

    file_key = known_key(served.url, "waiting", "agent_events.csv")
    status, words = move(served.url, "withdraw", "agent_events.csv", file_key)

    assert status == 200, words
    report = (world.path("failed") / "agent_events.csv.error.txt").read_text()
    assert "withdrawn by somebody at 127.0.0.1, on the status page from the drop folder" in report


def test_a_held_upload_is_taken_out_beside_the_real_agent_and_the_log_says_by_whom(world: World) -> None:
    world.server.always = answer(503)
    world.settings["upload"]["retry_cap"] = "200ms"
    world.drop("agent_events.csv", rows(2))
    with running(world, password=PASSWORD, actions=ALL) as url:
        until(lambda: "holding" in log_of(world))
        file_key = known_key(url, "under_way", "agent_events.csv")
        status, words = move(url, "withdraw", "agent_events.csv", file_key)
        assert status == 200, words
        assert set(world.files("failed")) == {"agent_events.csv", "agent_events.csv.error.txt"}
    assert "the status page, 127.0.0.1: withdraw agent_events.csv: agent_events.csv: withdrawn" in log_of(
        world
    )


# -- by somebody who knows only the page -----------------------------------------------------------------


def test_who_knows_only_the_page_finds_a_failed_file_mends_it_and_sees_it_delivered(
    world: World, opened: Open, tmp_path: Path
) -> None:
    world.drop("agent_events_monday.csv", 'anna,1\nbert,"2\n')
    mended = tmp_path / "mended" / "agent_events_monday.csv"
    mended.parent.mkdir()
    mended.write_text("anna,1\nbert,2\n")
    with running(world, password=PASSWORD, actions=ALL) as url:
        until(lambda: "agent_events_monday.csv" in world.files("failed"))
        tab = opened(url, http_credentials=LOGIN, expected="net::ERR_")
        needs = tab.locator("#needs")
        needs.get_by_text("agent_events_monday.csv").first.wait_for()
        assert "line 2: the quote that opens here is never closed" in needs.inner_text()
        assert "What to do:" in needs.inner_text()

        tab.locator("#choose").set_input_files(mended)

        tab.locator("#said", has_text="it is in the drop folder").wait_for()
        tab.locator("#last .outcome.good").wait_for()
        until(lambda: "agent_events_monday.csv" in world.files("done"))
        tab.close()
    (operation,) = world.completed()
    assert operation.body == b"anna,1\nbert,2\n"


def test_a_question_comes_first_and_the_keyboard_is_enough(world: World, opened: Open) -> None:
    world.drop("agent_events.csv", 'anna,"1\n')
    with running(world, password=PASSWORD, actions=ALL) as url:
        until(lambda: "agent_events.csv" in world.files("failed"))
        tab = opened(url, http_credentials=LOGIN, expected="net::ERR_")
        button = tab.get_by_role("button", name="Send again: agent_events.csv")
        button.focus()
        tab.keyboard.press("Enter")
        tab.locator("#ask[open]").wait_for()
        assert tab.evaluate("document.activeElement.id") == "ask-no"
        tab.keyboard.press("Escape")
        assert tab.locator("#ask[open]").count() == 0
        assert len(world.files("failed")) == 2

        button.focus()
        tab.keyboard.press("Enter")
        tab.locator("#ask-yes").click()

        tab.locator("#said", has_text="back in the drop folder").wait_for()
        until(lambda: log_of(world).count("failed agent_events.csv") == 2 or len(world.history()) == 2)
        tab.close()


def test_without_acts_there_are_no_buttons_and_no_place_to_drop(world: World, opened: Open) -> None:
    world.drop("agent_events.csv", 'anna,"1\n')
    assert world.run_once() == 1
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#needs .name").wait_for()

        assert tab.get_by_role("button", name="Send again").count() == 0
        assert tab.locator("#upload").is_hidden()
        tab.close()


def test_a_failed_file_is_sent_again_from_its_own_page(world: World, opened: Open) -> None:
    world.drop("agent_events.csv", 'anna,"1\n')
    with running(world, password=PASSWORD, actions=ALL) as url:
        until(lambda: "agent_events.csv" in world.files("failed"))
        tab = opened(url, http_credentials=LOGIN, expected="net::ERR_")
        tab.locator("#needs a.name").click()
        tab.locator("#file").get_by_role("button", name="Send again: agent_events.csv").click()
        tab.locator("#ask-yes").click()

        tab.locator("#said", has_text="back in the drop folder").wait_for()
        until(lambda: len(world.history()) == 2)
        tab.close()


def test_on_a_phone_the_buttons_leave_a_name_its_ending(world: World, opened: Open) -> None:
    world.drop("agent_events_monday.csv", 'anna,"1\n')
    assert world.run_once() == 1
    with page(world, password=PASSWORD, actions=ALL) as served:
        tab = opened(served.url, http_credentials=LOGIN, viewport={"width": 375, "height": 800})
        name = tab.locator("#needs a.name")
        name.wait_for()

        # One line, or two with a break where one may be: never a part of the ending alone.
        assert name.evaluate("element => element.getClientRects().length") <= 2
        assert name.bounding_box()["width"] > 150
        tab.close()


def test_a_disk_that_is_slow_leaves_nothing_half_and_says_that_it_may_be_there(
    served: Page, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "WAIT_SECONDS", 0.2)
    go_on = threading.Event()

    def slow(name: str) -> None:
        real = getattr(Received, name)

        def late(self: Received, *given: Any) -> Any:
            go_on.wait(10)
            return real(self, *given)

        monkeypatch.setattr(Received, name, late)

    slow("begin")
    assert upload(served, "agent_events_1.csv", b"a,1\n") == (503, "the disk does not answer")
    go_on.set()
    until(lambda: not list(world.path("drop").iterdir()))
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "WAIT_SECONDS", 0.2)
    go_on.clear()
    slow("finish")
    status, words = upload(served, "agent_events_2.csv", b"a,1\n")
    go_on.set()

    assert status == 503
    assert "it may be in the drop folder all the same" in words
    until(lambda: world.files("drop") == {"agent_events_2.csv": b"a,1\n"})


def test_a_marker_that_cannot_be_made_is_told_and_the_file_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settings["routes"][2]["marker"] = "{name}.ok"

    def full(_self: Received, _marker: str) -> None:
        raise Outside(Target("folder", "drop"), "the disk is full")

    monkeypatch.setattr(Received, "mark", full)
    with page(world, password=PASSWORD, actions=ALL) as served:
        status, words = upload(served, "agent_events.csv", b"a,1\n")

    assert status == 503
    assert "it is in the drop folder, 4 bytes, but not its marker agent_events.csv.ok" in words
    assert world.files("drop") == {"agent_events.csv": b"a,1\n"}


def test_the_manuals_page_on_security_has_each_act_and_its_bounds() -> None:
    text = pages.page("security")
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)

    assert set(listed) == set(acts.PATHS)
    assert f"no less than {least_pace.LEAST_BYTES_PER_SECOND:,} bytes a second" in text
    assert "two at a time" in text
    assert uploads.MOST_UPLOADS == 2
