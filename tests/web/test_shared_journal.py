"""The page of an agent that shares its journal with others."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.agent.test_agent import until
from tests.conftest import World, rows
from tests.journal.contract import row_in
from tests.journal.test_postgres import STATE, change
from tests.postgres import database, database_of_tests, postgres_server
from tests.web.conftest import Open
from tests.web.page import Page, page
from tests.web.test_acts import ALL, LOGIN, PASSWORD
from watcher.core.model import FileState

pytest.importorskip("psycopg")
from watcher.journal.postgres import PostgresJournal

__all__ = ["database", "database_of_tests", "postgres_server"]


def test_the_page_names_the_agents_of_its_journal_and_says_which_are_silent(
    world: World, opened: Open, database: str
) -> None:
    world.settings["journal"] = database
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0
    with closing(PostgresJournal(database, "agent-<b>", STATE, lives=True)), page(world) as served:
        tab = opened(served.url)
        agents = tab.locator("#agents li")
        agents.nth(1).wait_for()
        assert tab.locator("#n-shared").inner_text() == "2"
        told = sorted(words.split()[1:3] for words in agents.all_inner_texts())
        assert told == [["ended", "at"], ["running", "since"]]
        assert "(agent-<b>, process" in "".join(agents.all_inner_texts())
        change(
            database, "UPDATE watcher.agents SET seen_at = seen_at - interval '1 h' WHERE ended_at IS NULL"
        )
        tab.locator("#agents .bad", has_text="silent").wait_for()
        tab.close()


def test_an_upload_of_another_agent_says_whose_it_is_and_what_it_waits_for_and_is_not_taken_out_here(
    world: World, opened: Open, database: str
) -> None:
    world.settings["journal"] = database
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0
    with (
        closing(PostgresJournal(database, "agent-2", STATE, lives=True)) as other,
        page(world, password=PASSWORD, actions=ALL) as served,
    ):
        taken = row_in(other, FileState.READY, name="agent_events_theirs.csv")
        tab = opened(served.url, http_credentials=LOGIN)
        tab.locator("#upload").wait_for()
        upload = tab.locator("#way .upload")
        upload.get_by_text("with the agent on").wait_for()
        buttons = upload.get_by_role("button").count()
        change(database, f"UPDATE watcher.files SET quiet_at = now() + interval '1 h' WHERE id = {taken.id}")
        upload.get_by_text("no request of the agent that had it before").wait_for()
        upload.get_by_role("link").click()
        tab.locator("#file-body").get_by_text("the agent on").wait_for()
        told = tab.locator("#file-body").inner_text()
        acts = tab.locator("#file-body").get_by_role("button").count()
        tab.close()

    assert (buttons, acts) == (0, 0)
    assert "with\nthe agent on" in told
    assert "waits\nuntil" in told


def test_a_gauge_counts_the_agents_of_the_journal_by_how_they_fare(world: World, database: str) -> None:
    world.settings["journal"] = database
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0

    def numbers(served: Page) -> list[str]:
        found = served.get("/metrics").text.splitlines()
        return [line.partition("watcher_journal_agents")[2] for line in found if line.startswith("watcher_j")]

    with closing(PostgresJournal(database, "another", STATE, lives=True)):
        with page(world) as served:
            until(lambda: numbers(served))
            found = numbers(served)
        change(
            database, "UPDATE watcher.agents SET seen_at = seen_at - interval '1 h' WHERE ended_at IS NULL"
        )
        with page(world) as served:
            until(lambda: numbers(served))
            later = numbers(served)

    assert found == ['{state="running"} 1.0', '{state="silent"} 0.0', '{state="ended"} 1.0']
    assert later == ['{state="running"} 0.0', '{state="silent"} 1.0', '{state="ended"} 1.0']


def test_an_agent_with_a_journal_of_its_own_names_none(world: World, opened: Open) -> None:
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 0
    with page(world) as served:
        tab = opened(served.url)
        tab.locator("#last td.name").first.wait_for()
        assert tab.locator("#shared").is_hidden()
        assert 'watcher_journal_agents{state="running"} 1.0' in served.get("/metrics").text
        tab.close()
