"""Messages to people: through apprise to a real service, with its outages, and from the real agent."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.conftest import World, answer, rows
from tests.hook import PASSWORD, TOKEN, Hook, hook
from tests.report.test_notices import failed
from watcher.core.errors import ConfigError
from watcher.core.events import FileFailed, HoldBegan
from watcher.core.model import Claim, Fingerprint, Receipt
from watcher.core.steps import Deliver, Finish
from watcher.core.target import Target
from watcher.core.units import utc_text
from watcher.journal.sqlite import SqliteJournal
from watcher.manual.pages import page
from watcher.report.expect import Expectation
from watcher.report.notices import Notices, trial
from watcher.report.notifier import MEMORY, QUEUE_EVENTS, RETRY_SECONDS, Notifier
from watcher.report.sender import channels
from watcher.report.stream import Stream
from watcher.settings.config import load

HOUR = 3600.0
SITE = f"watcher, demo on {socket.gethostname()}"  # before what a real agent tells


@pytest.fixture
def service() -> Iterator[Hook]:
    with hook() as running:
        yield running


HOLD = HoldBegan(Target("server", "http://x"), "away", "", 1.0)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0
        self.started = datetime(2026, 11, 24, 8, tzinfo=UTC)

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.started + timedelta(seconds=self.seconds - 1000)


def bulletin(service: Hook, clock: Clock, **rules: float) -> Notifier:
    return Notifier(
        channels([service.url], timeout_seconds=5),
        Notices(**{"gather": 0.0, **rules}),  # type: ignore[arg-type]
        list,
        Stream(),
        clock=clock,
        now=clock.now,
    )


# -- one channel -----------------------------------------------------------------------------------


def test_a_message_arrives_as_it_is(service: Hook) -> None:
    [channel] = channels([service.url], timeout_seconds=5)
    message = replace(trial(), kind="failure", subject="<b>a</b>.csv", body="*x* \\n {0} @all\nsecond line")

    assert channel.send(message) is None
    [taken] = service.messages
    assert taken["title"] == "watcher: <b>a</b>.csv"
    assert taken["message"] == message.body
    assert taken["type"] == "failure"


def test_it_is_told_which_agent_speaks(world: World, service: Hook) -> None:
    world.settings["status"] = {"title": "Prag, Spätschicht"}
    site = load(world.config, {})[0].site
    [channel] = channels([service.url], timeout_seconds=5, site=site.words)

    assert channel.send(trial()) is None
    [taken] = service.messages
    whose = f"watcher, Prag, Spätschicht (demo on {socket.gethostname()})"
    assert taken["title"] == f"{whose}: a test message"
    assert taken["message"].endswith(f"\n\nThis is {whose}.")


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "x" * 61])
def test_a_title_that_fits_no_subject_is_refused(world: World, title: str) -> None:
    world.settings["status"] = {"title": title}
    with pytest.raises(ConfigError, match=r"status\.title: must be a name on one line"):
        load(world.config, {})


def test_what_a_refusal_says_holds_no_secret_and_nor_does_the_log(service: Hook, lines: list[str]) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    [channel] = channels([service.url], timeout_seconds=5)
    service.status = 403

    assert channel.send(trial()) == "the service answered HTTP 403"
    assert channel.name == "notify.urls[0] (JSON)"
    assert not [line for line in lines if TOKEN in line or PASSWORD in line]


def test_a_service_that_does_not_answer_takes_no_longer_than_the_timeout(service: Hook) -> None:
    [channel] = channels([service.url], timeout_seconds=0.2)
    service.go_on.clear()

    assert channel.send(trial()) == "the service cannot be reached, or did not answer in time"


def test_a_url_that_apprise_does_not_know_is_named_by_its_key_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        channels(["json://127.0.0.1", "gibberish://s3cret", "slack://s3cret"], timeout_seconds=5)

    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "notify.urls[1]",
        "notify.urls[2]",
    ]
    assert "s3cret" not in str(caught.value)


def test_without_the_extra_the_way_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # Python's own way to say that there is none

    with pytest.raises(ConfigError, match=r"-m pip install '\.\[notify\]'"):
        channels(["json://127.0.0.1"], timeout_seconds=5)


def test_apprise_is_not_loaded_unless_somebody_is_to_be_told() -> None:
    code = "import sys, watcher.commands.run, watcher.commands.check; sys.exit('apprise' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- outages ---------------------------------------------------------------------------------------


def test_an_outage_is_logged_once_and_the_message_arrives_after_it(service: Hook, lines: list[str]) -> None:
    clock = Clock()
    teller = bulletin(service, clock)
    service.status = 503
    teller.hear(FileFailed(failed()))
    teller.round()
    teller.round()
    assert service.tries == 1

    clock.seconds += RETRY_SECONDS[0]
    teller.round()
    clock.seconds += RETRY_SECONDS[1]
    service.status = 200
    teller.round()

    assert service.titles == ["watcher: a.csv failed"]
    assert len([line for line in lines if "cannot be sent: the service answered HTTP 503" in line]) == 1
    assert len([line for line in lines if "get through again" in line]) == 1


def test_a_message_is_dropped_after_a_few_tries_and_the_next_one_is_tried(
    service: Hook, lines: list[str]
) -> None:
    clock = Clock()
    teller = bulletin(service, clock)
    service.status = 503
    teller.hear(FileFailed(failed("old.csv")))
    for _ in range(10):
        teller.round()
        clock.seconds += max(RETRY_SECONDS)
    assert service.tries == 1 + len(RETRY_SECONDS)

    service.status = 200
    teller.hear(FileFailed(failed("new.csv")))
    teller.round()
    assert service.titles == ["watcher: new.csv failed"]
    assert len([line for line in lines if "cannot be sent" in line]) == 1


def test_a_service_that_hangs_keeps_nobody_waiting(service: Hook, lines: list[str]) -> None:
    clock = Clock()
    teller = bulletin(service, clock)
    service.go_on.clear()
    teller.start()
    teller.hear(FileFailed(failed()))
    while not service.tries:
        threading.Event().wait(0.01)

    for number in range(QUEUE_EVENTS + 7):  # none of these waits
        teller.hear(FileFailed(failed(f"{number}.csv")))
        teller.hear(HOLD)
    service.go_on.set()
    teller.close(finished=False, patience_seconds=10)

    assert len(service.titles) == 2
    assert service.titles[0] == "watcher: a.csv failed"
    assert service.titles[1].endswith("files failed")
    assert [line for line in lines if "files failed and were not told" in line]


def test_closing_tells_what_still_waits(service: Hook) -> None:
    teller = bulletin(service, Clock(), gather=60)
    teller.start()
    teller.hear(FileFailed(failed()))
    teller.close(finished=False, patience_seconds=10)

    assert service.titles == ["watcher: a.csv failed"]


# -- silence ---------------------------------------------------------------------------------------


def deliver(journal: SqliteJournal, at: datetime) -> None:
    look, when = Fingerprint(1, 2, 3, 4), utc_text(at)
    [row] = journal.claim([Claim("a.csv", look, "/x", "t", "agent-events", None, "drop", when)])
    journal.apply([Deliver(row, Receipt(1), when), Finish(row)])


def test_silence_is_told_once_over_restarts_and_its_end_too(service: Hook, tmp_path: Path) -> None:
    clock, journal = Clock(), SqliteJournal(tmp_path)
    wanted = [Expectation("agent-events", 24 * HOUR)]

    def restarted() -> Notifier:
        teller = bulletin(service, clock)
        teller.expect(wanted, journal, tmp_path)
        return teller

    teller = restarted()
    clock.seconds += 23 * HOUR
    teller.round()
    assert service.titles == []
    clock.seconds += HOUR
    teller.round()
    assert service.titles == ["watcher: no file of agent-events came"]

    again = restarted()
    again.round()  # too early to judge: files may lie in the drop folder
    clock.seconds += HOUR
    again.round()
    assert len(service.titles) == 1

    deliver(journal, clock.now())
    clock.seconds += 60
    again.round()
    assert service.titles[1:] == ["watcher: files of agent-events come again"]

    clock.seconds += 24 * HOUR
    restarted().round()
    clock.seconds += 24 * HOUR
    again.round()
    assert service.titles[2:] == ["watcher: no file of agent-events came"]
    journal.close()


def test_a_memory_that_cannot_be_read_is_begun_anew(service: Hook, tmp_path: Path) -> None:
    (tmp_path / MEMORY).write_bytes(b"\xff[")
    journal = SqliteJournal(tmp_path)
    teller = bulletin(service, Clock())
    teller.expect([Expectation("agent-events", HOUR)], journal, tmp_path)
    journal.close()

    assert json.loads((tmp_path / MEMORY).read_bytes()) == {"since": "2026-11-24T08:00:00.000Z", "silent": {}}


# -- the real agent --------------------------------------------------------------------------------


def test_failed_files_of_a_run_are_told_in_one_message(world: World, service: Hook) -> None:
    world.settings["notify"] = {"urls": [service.url]}
    world.drop("agent_events_1.csv", 'a\n"b\n')
    world.drop("agent_events_2.csv", rows(3))
    world.drop("nobody.xls", "x")

    assert world.run_once() == 1
    [message] = service.messages
    assert message["title"] == f"{SITE}: 2 files failed"
    assert "the quote that opens here is never closed" in message["message"]
    assert "no route matches" in message["message"]


def test_records_set_aside_by_a_run_are_told(world: World, service: Hook) -> None:
    world.settings["notify"] = {"urls": [service.url]}
    world.settings["routes"][2] |= {
        "columns": ["agent", {"name": "n", "is": "integer"}],
        "bad_records": "set_aside",
    }
    world.drop("agent_events.csv", "a,1\nb,x\n")

    assert world.run_once() in (0, 1)
    assert service.titles == [f"{SITE}: agent_events.csv left records behind"]


def test_a_hold_of_a_run_is_told_with_what_to_check_and_so_is_its_end(world: World, service: Hook) -> None:
    world.settings["notify"] = {"urls": [service.url], "held_for": 0}
    world.settings["upload"]["retry_cap"] = "500ms"
    world.server.script.extend([answer(403), answer(403)])
    world.drop("agent_events.csv", rows(1))

    assert world.run_once() == 0
    assert len(service.titles) == 2
    assert "held" in service.titles[0]
    assert "What to check" in service.messages[0]["message"]
    assert service.titles[1].endswith("is back")


def test_a_run_once_tells_of_silence_once(world: World, service: Hook) -> None:
    world.settings["notify"] = {"urls": [service.url]}
    world.settings["routes"][2]["expect"] = {"every": "1ms"}

    assert world.run_once() == world.run_once() == 0
    assert service.titles == [f"{SITE}: no file of agent-events came"]


def test_a_service_that_is_away_stops_no_file(world: World, service: Hook, lines: list[str]) -> None:
    world.settings["notify"] = {"urls": [service.url, "json://127.0.0.1:9/x"]}
    service.status = 500
    world.drop("agent_events.csv", rows(3))
    world.drop("nobody.xls", "x")

    assert world.run_once() == 1
    assert list(world.files("done")) == ["agent_events.csv"]
    assert len([line for line in lines if "a message cannot be sent" in line]) == 2
    assert not [line for line in lines if TOKEN in line or PASSWORD in line]


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({}, ": give every"),
        ({"by": "06:30"}, ": by and timezone go together"),
        ({"every": "36h", "by": "06:30", "timezone": "Europe/Prague"}, "every must be whole days"),
        ({"by": "6.30", "timezone": "Europe/Prague"}, "by: must be a time of the day such as"),
        (
            {"by": "06:30", "timezone": "Europe/Prag"},
            "timezone: is no time zone .*; it must be a name such as",
        ),
        ({"by": "06:30", "timezone": "../../etc/passwd"}, "timezone: is no time zone"),
        ({"evry": "24h"}, "unknown key; did you mean every"),
    ],
)
def test_a_wrong_expectation_is_told_with_line_and_remedy(
    world: World, expect: dict[str, str], words: str
) -> None:
    world.settings["routes"][2]["expect"] = expect

    with pytest.raises(ConfigError, match=rf"config\.yaml:\d+: routes\[2\]\.expect.*{words}"):
        load(world.config, {})


@pytest.mark.parametrize(
    ("notify", "words"),
    [
        ({}, r"notify\.urls: is missing"),
        ({"urls": []}, r"notify\.urls: "),
        ({"urls": [""]}, r"notify\.urls\[0\]: is empty"),
        ({"urls": ["json://x"], "failed": "perhaps"}, r"notify\.failed: "),
        ({"urls": ["json://x"], "held_for": "soon"}, r"notify\.held_for: must be a duration"),
    ],
)
def test_a_wrong_notify_is_told_with_line_and_remedy(
    world: World, notify: dict[str, object], words: str
) -> None:
    world.settings["notify"] = notify

    with pytest.raises(ConfigError, match=rf"config\.yaml:\d+: {words}"):
        load(world.config, {})


def test_urls_that_others_can_read_and_an_expectation_without_notify_get_a_warning(world: World) -> None:
    world.settings["notify"] = {"urls": ["json://somebody:secret@127.0.0.1"]}
    path = world.config
    path.chmod(0o644)
    assert [warning for warning in load(path, {})[1] if "the URLs of notify" in warning]

    del world.settings["notify"]
    world.settings["routes"][0]["expect"] = {"every": "1d"}
    assert [warning for warning in load(world.config, {})[1] if "there is no notify" in warning]


def test_the_manuals_sample_of_notify_loads(world: World) -> None:
    (text,) = re.findall(r"```\n(notify:.*?)```", page("notices"), re.DOTALL)
    sample = yaml.safe_load(text)
    world.settings["notify"] = sample["notify"]
    world.settings["routes"][2] |= sample["routes"][0]

    config, _ = load(world.config, {"NOTIFY_URL": "json://127.0.0.1"})
    assert config.notify is not None
    assert config.notify.held_for == 900
    expect = config.routes[2].expect
    assert expect is not None
    assert expect.of("agent-events").words == "every day by 06:30 (Europe/Prague)"
