"""Retention, folders of days, receipts and duplicates: with the real agent, journal and folders."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_check import found
from tests.conftest import Server, Take, World, answer, lose_answer, rows, works
from tests.simulation import Simulation
from watcher.agent.start.folders import places
from watcher.agent.upkeep.retention import ROUND_SECONDS, STEP_FILES, Housekeeper
from watcher.content.receipt import STEP_BYTES, line_digests
from watcher.core.errors import ConfigError
from watcher.core.model import FileState
from watcher.disk.days import is_day
from watcher.journal.sqlite import SqliteJournal
from watcher.report import log
from watcher.report.stream import Stream
from watcher.sandbox.server import Answer, Request
from watcher.settings.config import load

LATER = timedelta(days=100)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keep_house(
    world: World,
    *,
    rounds: int = 1,
    after: timedelta = LATER,
    server_time: Callable[[datetime], datetime | None] = lambda now: now,
) -> list[int]:
    """Let the housekeeper work as it will some time later; returns how many files each step removed.

    `server_time`: what the login server's clock says then.
    """
    config, _ = load(world.config, {})
    journal = SqliteJournal(config.folders.state)
    clock = [0.0]
    try:
        keeper = Housekeeper(
            journal.archive,
            places(config, journal),
            config.retention,
            Stream(),
            clock=lambda: clock[0],
            now=lambda: datetime.now(UTC) + after,
            server_time=lambda: server_time(datetime.now(UTC) + after),
        )
        removed = []
        for _ in range(rounds):
            for _ in range(50):
                before, at = lying(world), keeper.at
                keeper.step()
                gone = before - lying(world)
                folders = {path.partition("/")[0] for path in gone}
                assert folders <= {Path(at.name).name}, "it told where it would be"
                removed.append(len(gone))
            clock[0] += ROUND_SECONDS
        return removed
    finally:
        journal.close()


def lying(world: World) -> set[str]:
    """What lies in done and failed."""
    return {
        str(path.relative_to(world.root))
        for name in ("done", "failed")
        for path in world.path(name).rglob("*")
        if path.is_file()
    }


# -- retention ---------------------------------------------------------------------------------------


def test_nothing_is_ever_removed_unless_the_settings_say_so(world: World) -> None:
    world.drop("agent_events.csv", rows(2))
    world.run_once()

    assert sum(keep_house(world)) == 0
    assert lying(world) == {"done/agent_events.csv"}
    assert len(world.history()) == 1


def test_files_are_removed_when_their_time_is_over_and_the_history_says_when(
    world: World, lines: list[str]
) -> None:
    world.settings["retention"] = {"done": "30d", "failed": "200d"}
    world.drop("agent_events.csv", rows(2))
    world.drop("holiday.xls", "no route")
    world.run_once()

    keep_house(world, after=timedelta(days=29))
    assert len(lying(world)) == 3
    keep_house(world)

    assert lying(world) == {"failed/holiday.xls", "failed/holiday.xls.error.txt"}
    removed = {row["name"]: row["removed_at"] for row in world.history()}
    assert removed["holiday.xls"] is None
    assert removed["agent_events.csv"] > (datetime.now(UTC) + timedelta(days=99)).isoformat()
    assert sum("kept long enough: removed" in line for line in lines) == 1


def test_the_report_goes_with_its_failed_file(world: World) -> None:
    world.settings["retention"] = {"failed": "30d"}
    world.drop("holiday.xls", "no route")
    world.run_once()
    keep_house(world)

    assert lying(world) == set()


def test_files_that_the_journal_does_not_know_are_left_alone(world: World) -> None:
    world.settings["retention"] = {"done": "30d", "failed": "30d"}
    old = world.path("done") / "from_last_year.csv"
    old.write_text("not ours")
    os.utime(old, (0, 0))
    (world.path("failed") / "notes.txt").write_text("not ours")
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    keep_house(world)

    assert lying(world) == {"done/from_last_year.csv", "failed/notes.txt"}


def test_another_file_that_took_the_name_is_left_alone(world: World) -> None:
    world.settings["retention"] = {"done": "30d"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    (world.path("done") / "agent_events.csv").write_text("somebody's own")
    keep_house(world)

    assert lying(world) == {"done/agent_events.csv"}
    assert world.history()[0]["removed_at"] is None


def test_a_replayed_file_is_kept_from_its_last_delivery_on(world: World) -> None:
    """The old row and the new one have the same place, size and time: the file is the new one's."""
    world.settings["retention"] = {"done": "30d"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    (world.path("done") / "agent_events.csv").rename(world.path("drop") / "agent_events.csv")
    world.run_once()
    config, _ = load(world.config, {})
    journal = SqliteJournal(config.folders.state)
    (new, old) = journal.history()
    assert not journal.archive.is_latest_at(old)
    assert journal.archive.is_latest_at(new)
    journal.close()
    keep_house(world)

    assert lying(world) == set()
    assert [row["removed_at"] is None for row in world.history()] == [False, True]


def test_a_folder_that_is_away_is_waited_for(world: World) -> None:
    world.settings["retention"] = {"done": "30d"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    world.path("done").rename(world.path("away"))
    keep_house(world)
    assert world.history()[0]["removed_at"] is None
    world.path("away").rename(world.path("done"))
    keep_house(world)

    assert lying(world) == set()


def test_it_works_in_small_steps_and_then_rests_for_an_hour(world: World) -> None:
    world.settings["retention"] = {"done": "30d"}
    for number in range(STEP_FILES + 5):
        world.drop(f"agent_events_{number}.csv", rows(1 + number % 3))
    world.run_once()
    removed = keep_house(world, rounds=2)

    assert [number for number in removed if number] == [STEP_FILES, 5]


def test_old_rows_leave_the_history_and_newer_ones_stay(world: World) -> None:
    world.settings["retention"] = {"history": "365d"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    keep_house(world)
    assert len(world.history()) == 1
    keep_house(world, after=timedelta(days=366))

    assert world.history() == []
    assert lying(world) == {"done/agent_events.csv"}


def test_a_history_shorter_than_the_files_is_refused(world: World) -> None:
    world.settings["retention"] = {"done": "30d", "history": "7d"}

    with pytest.raises(ConfigError, match=r"retention: history must be as long"):
        load(world.config, {})


def test_the_agent_itself_keeps_house(world: World) -> None:
    world.settings["retention"] = {"done": "500ms"}
    os.utime(world.drop("agent_events.csv", rows(2)), (1_500_000_000, 1_500_000_000))
    world.run_once()
    world.drop("agent_events_2.csv", rows(3))
    os.utime(world.path("drop"))
    until_old(world)
    world.run_once()

    assert lying(world) == {"done/agent_events_2.csv"}


def test_a_file_that_failed_while_the_clock_was_wrong_is_kept(world: World) -> None:
    world.settings["retention"] = {"failed": "30d"}
    world.drop("agent_events.csv", 'a,"1\n')
    world.run_once()
    until_old(world)  # as a machine without a battery has it, before it learns the time

    keep_house(world, after=timedelta())

    assert "failed/agent_events.csv" in lying(world)


def test_nothing_is_removed_in_the_round_after_the_clock_was_set(world: World) -> None:
    world.settings["retention"] = {"done": "30d"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    config, _ = load(world.config, {})
    journal = SqliteJournal(config.folders.state)
    now = [datetime.now(UTC)]
    keeper = Housekeeper(
        journal.archive,
        places(config, journal),
        config.retention,
        Stream(),
        clock=lambda: 0.0,
        now=lambda: now[0],
        server_time=lambda: now[0],
    )
    now[0] += LATER
    keeper.step()
    journal.close()

    assert lying(world) == {"done/agent_events.csv"}


@pytest.mark.parametrize(
    ("server_time", "words"),
    [
        (lambda now: now - LATER, "the clock is 100 days ahead of the login server's; set it (NTP)"),
        (lambda now: now + timedelta(hours=2), "the clock is 2 hours behind the login server's"),
        (lambda _now: None, None),  # not heard since the start
    ],
)
def test_nothing_is_removed_by_a_clock_that_the_login_server_does_not_confirm(
    world: World, lines: list[str], server_time: Callable[[datetime], datetime | None], words: str | None
) -> None:
    world.settings["retention"] = {"done": "30d", "failed": "30d", "history": "40d"}
    world.drop("agent_events.csv", rows(2))
    world.drop("holiday.xls", "no route")
    world.run_once()

    keep_house(world, server_time=server_time)

    assert len(lying(world)) == 3
    assert len(world.history()) == 2
    assert sum("nothing is removed in this round" in line for line in lines) == (words is not None)
    assert words is None or any(words in line for line in lines)


def test_nothing_is_removed_while_the_newest_file_is_of_a_time_to_come(
    world: World, lines: list[str]
) -> None:
    world.settings["retention"] = {"done": "1h"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    world.drop("agent_events_2.csv", rows(3))
    world.run_once()
    with closing(SqliteJournal(world.path("state"))) as journal, journal._database.writing() as connection:
        connection.execute("UPDATE files SET finished_at = '2999-01-01T00:00:00.000Z' WHERE id = 2")

    keep_house(world)

    assert len(lying(world)) == 2
    assert any("of 2999-01-01T00:00:00.000Z, and that is still to come" in line for line in lines)


def test_an_agent_whose_login_server_tells_another_time_keeps_everything(world: World) -> None:
    """As one that starts with a clock years ahead, before the machine learns the time."""
    world.settings["retention"] = {"done": "500ms"}
    os.utime(world.drop("agent_events.csv", rows(2)), (1_500_000_000, 1_500_000_000))
    world.run_once()
    until_old(world)
    world.server.tokens.append(in_another_time)
    world.drop("agent_events_2.csv", rows(3))
    world.run_once()

    assert lying(world) == {"done/agent_events.csv", "done/agent_events_2.csv"}


def in_another_time(request: Request, take: Take) -> Answer | None:
    """The login server, with a `Date` of the last century."""
    answer = take(request)
    assert answer is not None
    return replace(answer, headers=(*answer.headers, ("Date", "Mon, 23 Nov 1998 10:00:00 GMT")))


@pytest.mark.parametrize("bare", [30, 30.0, "30", " 30 "])
def test_a_bare_number_is_no_time_to_keep_files(world: World, bare: object) -> None:
    world.settings["retention"] = {"done": bare}
    with pytest.raises(ConfigError, match=r'retention.done: needs a unit: "30(\.0)?d" for days'):
        load(world.config, {})


def test_a_file_of_the_same_size_and_time_but_another_content_is_left_alone(world: World) -> None:
    world.settings["retention"] = {"done": "30d"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    path = world.path("done") / "agent_events.csv"
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(rows(2).encode()[::-1])
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)

    keep_house(world)

    assert lying(world) == {"done/agent_events.csv"}


def test_what_was_delivered_to_another_tenant_is_no_duplicate(world: World) -> None:
    world.settings["duplicates"] = "skip"
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    with Server(tenant="other") as server:
        world.settings["wfm"] |= {"tenant": "other", "api_url": server.url, "token_url": server.token_url}
        world.drop("agent_events.csv", rows(2))
        world.run_once()

        assert [operation.completed for operation in server.operations()] == [True]


def until_old(world: World) -> None:
    """Set the clock of the journal back instead of waiting."""
    journal = SqliteJournal(world.path("state"))
    with journal._database.writing() as connection:
        connection.execute("UPDATE files SET finished_at = '2020-01-01T00:00:00.000Z'")
    journal.close()


# -- folders of days ---------------------------------------------------------------------------------


def test_delivered_files_go_into_the_folder_of_their_utc_day(world: World) -> None:
    world.settings["done"] = {"by": "day"}
    world.drop("agent_events.csv", rows(2))
    world.drop("holiday.xls", "no route")
    world.run_once()
    day = world.history()[0]["finished_at"][:10]

    assert lying(world) == {
        f"done/{day}/agent_events.csv",
        "failed/holiday.xls",
        "failed/holiday.xls.error.txt",
    }
    assert {row["where"] for row in world.history()} == {
        str(world.path("done") / day / "agent_events.csv"), str(world.path("failed") / "holiday.xls")
    }  # fmt: skip


def test_a_taken_name_gets_a_stamp_within_its_day(world: World) -> None:
    world.settings["done"] = {"by": "day"}
    for count in (2, 3):
        world.drop("agent_events.csv", rows(count))
        world.run_once()
    (day,) = world.path("done").iterdir()

    assert sorted(len(path.read_bytes()) for path in day.iterdir()) == [40, 60]
    assert (day / "agent_events.csv").read_text() == rows(2)


def test_a_missing_done_folder_is_a_hold_and_is_not_made_for_the_sake_of_a_day(world: World) -> None:
    world.settings["done"] = {"by": "day"}
    world.drop("event_types.json", "[]")
    world.run_once()
    world.path("done").rename(world.path("away"))
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=0.3) == 4
    assert not world.path("done").exists()

    world.path("away").rename(world.path("done"))
    assert world.run_once() == 0


def test_a_day_folder_that_is_taken_away_before_the_move_is_made_again(world: World) -> None:
    """As after a crash between the plan and the move."""
    world.settings["done"] = {"by": "day"}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    journal = SqliteJournal(world.path("state"))
    (row,) = journal.history()
    target = Path(row.place.target or "")
    source = Path(row.file.source)
    source.parent.mkdir(parents=True)
    target.rename(source)
    target.parent.rmdir()
    with journal._database.writing() as connection:
        connection.execute("UPDATE files SET state = ?", (FileState.DELIVERED,))
    journal.close()
    assert world.run_once() == 0

    assert target.read_text() == rows(2)
    assert len(world.completed()) == 1


def test_a_crash_at_any_point_of_the_way_into_a_day_folder_loses_nothing(tmp_path: Path) -> None:
    content = b"".join(b"agent-%02d,ready,1\n" % number for number in range(8))
    log.setup("critical")
    crashed, at = True, 0
    while crashed:
        root = tmp_path / str(at)
        simulation = Simulation(root, more="done: {by: day}\nduplicates: skip\n")
        for name in ("drop", "done", "failed", "done/2026-11-23"):
            (root / name).mkdir()
        older = root / "done" / "2026-11-23" / "agent_events.csv"
        older.write_bytes(b"an older one")
        simulation.drop("agent_events.csv", content)
        crashed = simulation.run(crash_at=at) is None
        if crashed:
            assert simulation.run() == 0
        (place,) = simulation.places_of(content)
        assert re.fullmatch(r"done/2026-11-23/agent_events\.\w+\.csv", place), place
        assert older.read_bytes() == b"an older one"
        assert len([item for item in simulation.wire.operations() if item.completed]) == 1
        at += 4
    assert at > 60


def test_an_empty_day_folder_goes_with_its_last_file(world: World) -> None:
    world.settings |= {"done": {"by": "day"}, "retention": {"done": "30d"}}
    world.drop("agent_events.csv", rows(2))
    world.run_once()
    (world.path("done") / "by hand").mkdir()
    keep_house(world)

    assert [path.name for path in world.path("done").iterdir()] == ["by hand"]


def linked_days(world: World, elsewhere: Path) -> list[Path]:
    """Links in the place of the folders of today and tomorrow, as who writes in done can make them."""
    elsewhere.mkdir(exist_ok=True)
    days = [f"{datetime.now(UTC) + timedelta(days=number):%Y-%m-%d}" for number in (0, 1)]
    for day in days:
        (world.path("done") / day).symlink_to(elsewhere)
    return [world.path("done") / day for day in days]


@pytest.mark.parametrize("leads_to", ["elsewhere", "drop"])
def test_a_link_in_the_place_of_a_day_folder_holds_and_is_not_followed(
    world: World, lines: list[str], leads_to: str
) -> None:
    """To the drop folder it would be sent again and again."""
    world.settings["done"] = {"by": "day"}
    links = linked_days(world, world.path(leads_to))
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=0.5) == 4

    assert set(world.files("drop")) == set()
    assert leads_to == "drop" or list(world.path(leads_to).iterdir()) == []
    assert len(world.completed()) == 1
    (held,) = [line for line in lines if "holding" in line]
    assert f"{links[0]}: it is a symbolic link" in held
    assert "move it away: the agent makes a folder in its place" in held

    for link in links:
        link.unlink()
    assert world.run_once() == 0
    assert len(lying(world)) == len(world.completed()) == 1


def test_a_file_in_the_place_of_a_day_folder_holds_and_is_named(world: World, lines: list[str]) -> None:
    world.settings["done"] = {"by": "day"}
    for link in linked_days(world, world.path("elsewhere")):
        link.unlink()
        link.touch()
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=0.3) == 4
    assert any("holding" in line and "it is no folder" in line for line in lines)


def test_retention_removes_nothing_by_a_link_in_the_place_of_a_day_folder(
    world: World, lines: list[str]
) -> None:
    """And it goes on: the history is trimmed."""
    world.settings |= {"done": {"by": "day"}, "retention": {"done": "30d", "history": "60d"}}
    for number in (1, 2):
        world.drop(f"agent_events_{number}.csv", rows(2))
    world.run_once()
    (day,) = world.path("done").iterdir()
    day.rename(world.path("elsewhere"))
    day.symlink_to(world.path("elsewhere"))

    keep_house(world)

    assert set(world.files("elsewhere")) == {"agent_events_1.csv", "agent_events_2.csv"}
    assert day.is_symlink()
    assert world.history() == []


def test_check_names_a_link_in_the_place_of_a_day_folder(world: World) -> None:
    world.settings["done"] = {"by": "day"}
    links = linked_days(world, world.path("elsewhere"))
    (world.path("done") / "2020-01-01").symlink_to(world.path("elsewhere"))
    (world.path("done") / "2020-01-02").mkdir()

    named = [item for item in found(world, offline=True) if "symbolic link" in item["finding"]]

    assert [(item["level"], item["what"].rpartition("/")[2]) for item in named] == [
        ("warn", "2020-01-01"),
        *(("fault", link.name) for link in links),
    ]


def test_a_folder_of_the_settings_cannot_be_that_of_a_day(world: World) -> None:
    world.settings["done"] = {"by": "day"}
    world.settings["folders"]["failed"] = "done/2026-11-23"
    (world.path("done") / "2026-11-23").mkdir()

    with pytest.raises(ConfigError, match=r"folders.failed is where `done.by: day` puts files"):
        world.run_once()
    assert not is_day("2026-11-23-old")


# -- receipts ----------------------------------------------------------------------------------------


def test_the_history_has_a_receipt_for_each_delivered_file(world: World) -> None:
    content = "first,1\nsecond,2\nlast,3"
    world.drop("agent_events.csv", content)
    world.run_once()
    (row,) = world.history()

    assert row["sha256"] == sha(content.encode())
    assert row["records"] == 3
    assert row["first_line_sha256"] == sha(b"first,1\n")
    assert row["last_line_sha256"] == sha(b"last,3")
    assert row["earlier_tokens"] == []


def test_the_receipt_of_a_compressed_file_has_the_lines_within(world: World) -> None:
    world.drop("agent_events.csv.gz", gzip.compress(rows(3).encode()))
    world.run_once()
    (row,) = world.history()

    assert row["state"] == "done"
    assert row["first_line_sha256"] == sha(rows(1).encode())


def test_the_receipt_names_the_tokens_of_the_tries_before(world: World) -> None:
    world.settings["upload"]["lost_answer"] = "new_token"
    world.server.script.extend([works, lose_answer, works, lose_answer])
    world.drop("agent_events.csv", rows(12))
    world.run_once()
    (row,) = world.history()
    used = list(dict.fromkeys(push["pushToken"] for push in world.server.pushes()))

    assert [*row["earlier_tokens"], row["push_token"]] == used
    assert len(used) == 3


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"a", b"a\n", b"a\nb", b"a\nb\n", b"\n\n", b"a\r\nb\r\n",
        b"x" * (STEP_BYTES + 3) + b"\n" + b"y" * (2 * STEP_BYTES) + b"\n", b"z" * (3 * STEP_BYTES),
        b"a\n" + b"y" * (STEP_BYTES - 1) + b"\n", b"a\n" + b"y" * STEP_BYTES,
    ],
)  # fmt: skip
def test_the_line_hashes_are_those_of_head_and_tail(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        found = line_digests(file)

    assert found == tuple(
        sha(subprocess.run([tool, "-n", "1", path], capture_output=True, check=True).stdout)
        for tool in ("head", "tail")
    )


# -- duplicates --------------------------------------------------------------------------------------


def twice(world: World, **settings: Any) -> list[dict[str, Any]]:
    """Deliver a file, then drop its content under another name; returns the rows, newest first."""
    world.settings |= settings
    for name in ("agent_events.csv", "agent_events_copy.csv"):
        world.drop(name, rows(3))
        world.run_once()
    return world.history()


def test_the_same_content_is_sent_again_by_default(world: World) -> None:
    twice(world)

    assert len(world.completed()) == 2


def test_skip_sends_nothing_and_names_the_file_before(world: World) -> None:
    (second, first) = twice(world, duplicates="skip")

    assert len(world.completed()) == 1
    assert set(world.files("done")) == {"agent_events.csv", "agent_events_copy.csv"}
    assert second["state"] == "done"
    assert second["chunks"] == 0
    assert second["sha256"] == first["sha256"]
    assert "the same content was delivered as agent_events.csv at" in second["note"]
    assert first["push_token"] in second["note"]


def test_fail_puts_it_into_failed_with_the_reason(world: World) -> None:
    twice(world, duplicates="fail")

    assert set(world.files("done")) == {"agent_events.csv"}
    report = world.report("agent_events_copy.csv")
    assert "already delivered as agent_events.csv" in report["reason"]
    assert "watcher upload" in report["what_to_do"]


def test_of_equal_files_at_the_same_time_one_is_sent(world: World) -> None:
    world.settings["duplicates"] = "skip"
    world.settings["routes"][2]["parallel"] = 4
    for number in range(4):
        world.drop(f"agent_events_{number}.csv", rows(12))

    assert world.run_once() == 0

    assert len(world.completed()) == len(world.server.operations()) == 1
    assert len(world.files("done")) == 4
    assert sorted(row["chunks"] > 0 for row in world.history()) == [False, False, False, True]


def test_the_next_in_line_that_was_inspected_before_the_first_was_delivered_is_not_sent(world: World) -> None:
    world.settings["duplicates"] = "skip"
    for number in range(5):
        world.drop(f"agent_events_{number}.csv", rows(12))

    assert world.run_once() == 0

    assert len(world.server.operations()) == 1
    assert len(world.files("done")) == 5


def test_where_the_first_of_equal_files_fails_the_second_goes(world: World) -> None:
    world.settings["duplicates"] = "skip"
    world.settings["routes"][2]["parallel"] = 4
    world.drop("agent_events_0.csv", rows(3))
    world.run_once()  # there was a delivery: a refusal is the file's
    world.server.script.append(answer(422, "no"))
    for number in (1, 2, 3):
        world.drop(f"agent_events_{number}.csv", rows(12))

    assert world.run_once() == 1

    assert len(world.completed()) == 2
    assert len(world.files("done")) == 3
    assert len([name for name in world.files("failed") if name.endswith(".csv")]) == 1


def test_equal_files_of_two_routes_to_one_endpoint_are_equal(world: World) -> None:
    world.settings["duplicates"] = "skip"
    more = {"name": "more", "match": "more*.csv", "endpoint": "agent-events", "acd_type": "genesis"}
    world.settings["routes"].append(more)
    world.drop("agent_events.csv", rows(12))
    world.drop("more.csv", rows(12))

    assert world.run_once() == 0

    assert len(world.server.operations()) == 1
    assert set(world.files("done")) == {"agent_events.csv", "more.csv"}


def test_one_that_was_begun_before_a_restart_goes_before_equal_ones(world: World) -> None:
    world.settings["duplicates"] = "skip"
    world.settings["routes"][2]["parallel"] = 4
    world.server.script.append(works)
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))
    assert world.run_once(patience=0.2) == 4
    world.server.always = None
    for number in range(4):
        world.drop(f"agent_events_{number}.csv", rows(12))

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.body == rows(12).encode()
    assert len(world.files("done")) == 5


def test_while_a_suspect_steps_aside_an_equal_file_waits_and_others_are_compared(world: World) -> None:
    world.settings["duplicates"] = "skip"
    twin, tokens = rows(3), list[str]()

    def cursed(request: Request, take: Take) -> Answer | None:
        if request.body != twin.encode():
            return take(request)
        tokens.append(dict(request.query)["pushToken"])
        return answer(500)(request, take)

    world.server.always = cursed
    for number in (0, 1):
        world.drop(f"agent_events_{number}.csv", twin)
    for number in range(2, 12):
        world.drop(f"agent_events_{number}.csv", rows(number + 2))

    world.run_once(patience=4)

    assert len(world.files("done")) == 10  # nobody waits for the two
    (first, *_) = [row for row in world.history() if row["bytes"] == len(twin)][::-1]
    assert first["state"] == "failed"
    assert len([token for token, _ in groupby(tokens)]) == len(set(tokens)), "both were under way at once"


def other_route(world: World) -> None:
    world.settings["routes"].append({"name": "more", "match": "more*.csv", "endpoint": "historical-data"})
    world.drop("more.csv", rows(3))


def other_acd(world: World) -> None:
    world.settings["routes"][2]["acd_type"] = "avaya"
    world.drop("agent_events_2.csv", rows(3))


def after_a_failure(world: World) -> None:
    world.drop("agent_events_3.csv", rows(4))
    world.server.script.append(answer(400))
    world.run_once()
    world.drop("agent_events_3.csv", rows(4))


@pytest.mark.parametrize("change", [other_route, other_acd, after_a_failure])
def test_what_was_not_delivered_like_this_before_is_no_duplicate(
    world: World, change: Callable[[World], None]
) -> None:
    world.settings["duplicates"] = "skip"
    world.drop("agent_events.csv", rows(3))
    world.run_once()
    change(world)
    world.run_once()

    assert len(world.completed()) == 2


def test_a_route_can_have_its_own_rule(world: World) -> None:
    world.settings["routes"][2]["duplicates"] = "skip"
    twice(world)

    assert len(world.completed()) == 1
