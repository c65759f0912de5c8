"""PostgreSQL keeps the contract of the journal, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.journal.contract import LifeContract, OpenAs
from tests.journal.contract_questions import QuestionsContract
from tests.postgres import database, database_of_tests, postgres_server
from watcher.core.target import Target
from watcher.journal.protocol import Journal

__all__ = ["database", "database_of_tests", "postgres_server"]


class TestPostgres(LifeContract, QuestionsContract):
    """PostgreSQL, in a database for each test."""

    @pytest.fixture
    def open_as(self, database: str) -> Iterator[OpenAs]:
        """One database, several agents."""
        from watcher.journal.postgres import PostgresJournal  # the extra is not everywhere

        with ExitStack() as opened:

            def open_as(agent: str) -> Journal:
                journal = PostgresJournal(database, agent, Target("folder", "/state"))
                opened.callback(journal.close)
                return journal

            yield open_as
