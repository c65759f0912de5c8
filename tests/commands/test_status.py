"""`watcher status`: what needs somebody does not vanish behind what went well since."""

from __future__ import annotations

import json
import re
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import World
from tests.journal.contract import row_in
from tests.left_over import nothing_left_over
from tests.postgres import database, database_of_tests, postgres_server
from watcher.agent.by_hand.lying_failed import SHOWN
from watcher.agent.by_hand.overview import collect
from watcher.core.model import FileState
from watcher.core.target import Target
from watcher.settings.config import load

__all__ = ["database", "database_of_tests", "postgres_server"]
BAD = "agent_events_bad.csv"


@pytest.fixture
def after_many(world: World) -> World:
    """One file failed, and many good ones came after it."""
    world.drop(BAD, b'a,1\nb,"2\n')
    world.run_once()
    for number in range(12):
        world.drop(f"agent_events_{number}.csv", f"{number},1\n")
    world.run_once()
    return world


def failed(world: World) -> list[dict[str, Any]]:
    found = collect(load(world.config, {})[0])
    assert found["failed_count"] == len(found["failed"])
    return list(found["failed"])


def test_a_failed_file_is_shown_as_long_as_it_lies_there(after_many: World) -> None:
    shown = json.loads(watcher(after_many, "status", "--json").stdout)
    [row] = shown["failed"]
    assert BAD not in {row["name"] for row in shown["last"]}
    assert (row["name"], row["lines"]) == (BAD, "2")
    assert "line 2" in row["reason"]
    assert row["what_to_do"]

    text = watcher(after_many, "status").stdout
    assert "failed, and still in the failed folder: 1" in text
    assert row["reason"] in text

    watcher(after_many, "retry", BAD)
    assert failed(after_many) == []


def test_a_file_that_was_taken_out_by_hand_is_gone_though_its_report_is_left(after_many: World) -> None:
    (after_many.path("failed") / BAD).unlink()
    assert failed(after_many) == []
    (after_many.path("failed") / "odd.error.txt").write_text("a failed file of this name, with its report")
    (after_many.path("failed") / "odd.error.txt.error.txt").write_text("reason: odd")
    assert [row["name"] for row in failed(after_many)] == ["odd.error.txt"]


def test_one_without_its_report_says_why_by_the_journal_and_a_stranger_that_nothing_is_known(
    after_many: World,
) -> None:
    (after_many.path("failed") / (BAD + ".error.txt")).unlink()
    (after_many.path("failed") / "brought.csv").write_text("by a person")

    rows = {row["name"]: row for row in failed(after_many)}

    assert "line 2" in rows[BAD]["reason"]
    assert "nothing is known of it" in rows["brought.csv"]["reason"]


def test_what_somebody_puts_in_the_place_of_a_report_is_data_and_no_link_is_followed(
    after_many: World, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("reason: of the agent's user alone")
    report = after_many.path("failed") / (BAD + ".error.txt")
    for text in ("reason: [red]\n  ${HOME}: {", "just words", "- 1", "reason: {a: [1]}\nlines: \x1b[2J", ""):
        report.write_text(text)
        [row] = failed(after_many)
        assert "\x1b" not in str(row)
        assert isinstance(row["reason"], str)
    many = (f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in pairwise("abcdefghij"))
    report.write_text("a: &a [x]\n" + "".join(many))  # a few hundred bytes, and gigabytes
    [row] = failed(after_many)
    assert row["reason"] == "line 2: the quote that opens here is never closed"  # as the journal has it
    report.write_text('failed_at: "0o9"\nreason: x\n')
    assert watcher(after_many, "status").returncode == 1
    report.unlink()
    report.mkdir()
    with nothing_left_over():
        [row] = failed(after_many)
    report.rmdir()
    report.symlink_to(secret)
    [row] = failed(after_many)
    assert "of the agent's user alone" not in row["reason"]


def test_of_very_many_the_newest_are_shown_and_all_are_counted(world: World) -> None:
    for number in range(SHOWN + 5):
        (world.path("failed") / f"{number:03}.csv").write_text("x")

    found = collect(load(world.config, {})[0])

    assert found["failed_count"] == SHOWN + 5
    assert len(found["failed"]) == SHOWN
    assert found["failed"][0]["name"] == f"{SHOWN + 4:03}.csv"
    assert "and 5 that came before" in watcher(world, "status").stdout


def test_of_a_file_that_another_agent_has_it_says_whose_it_is_and_until_when_it_waits(
    world: World, database: str
) -> None:
    psycopg = pytest.importorskip("psycopg")
    from watcher.journal.postgres import PostgresJournal

    world.settings["journal"] = database
    world.drop("agent_events.csv", "a,1\n")
    world.run_once()
    alone = watcher(world, "status").stdout
    with closing(PostgresJournal(database, "agent-2", Target("folder", "/state"), lives=True)) as other:
        theirs = row_in(other, FileState.READY, name="agent_events_theirs.csv")
        with psycopg.connect(database, autocommit=True) as connection:
            until = f"UPDATE watcher.files SET quiet_at = '2090-01-02 03:04:05Z' WHERE id = {theirs.id}"
            connection.execute(until)
        text = watcher(world, "status").stdout
        [row] = json.loads(watcher(world, "status", "--json").stdout)["under_way"]
        [seen] = [agent for agent in collect(load(world.config, {})[0])["agents"] if agent["id"] == "agent-2"]

    assert (row["agent"], row["host"], row["waits_until"]) == (
        "agent-2", seen["host"], "2090-01-02T03:04:05.000Z",
    )  # fmt: skip
    assert re.search(r"agent_events_theirs\.csv .* agent-2 +2090-01-02 \d\d:04:05\n", text)
    assert "waits until" in text
    assert "waits until" not in alone
