"""Each backend of the journal keeps the contract, on its real store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.journal.contract import LifeContract, OpenAs
from tests.journal.contract_questions import QuestionsContract
from watcher.journal.protocol import Journal
from watcher.journal.sqlite import SqliteJournal


class TestSqlite(LifeContract, QuestionsContract):
    """SQLite in a state folder."""

    @pytest.fixture
    def open_as(self, tmp_path: Path) -> Iterator[OpenAs]:
        """One file, in which this backend keeps one agent's id: it is written anew for each."""
        SqliteJournal(tmp_path).close()
        with ExitStack() as opened:

            def open_as(agent: str) -> Journal:
                with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as file:
                    file.execute("UPDATE meta SET value = ? WHERE key = 'agent_id'", (agent,))
                journal = SqliteJournal(tmp_path)
                opened.callback(journal.close)
                return journal

            yield open_as
