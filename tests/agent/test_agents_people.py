"""People beside several agents of one journal in PostgreSQL, in simulated time: they withdraw and retry.

As `test_agents_stories`, with all of its misfortunes; a command is a process of its own, beside one of the
agents. `WATCHER_AGENTS_STORIES=200 python -m pytest tests/agent/test_agents_people.py` tells more of them;
`python -m tests.agent.test_agents_people SEED` tells one alone, with the log.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("greenlet")

from tests.agent.test_agents_stories import SLICES, STORIES, Story, told
from tests.agent.test_stories import once
from tests.postgres import database, database_of_tests, postgres_server, served
from tests.simulated_agents import ByHand, HubEvent
from tests.simulation import quiet_log
from watcher.agent.by_hand import putting_back, withdrawing
from watcher.agent.upkeep.withdrawals import passing
from watcher.report import log

__all__ = ["database", "database_of_tests", "postgres_server"]


class PeopledStory(Story):
    """Some of the people know the commands."""

    AGENTS = (2, 3)

    def __init__(self, seed: int, root: Path, url: str) -> None:
        super().__init__(seed, root, url)
        self.commands: list[ByHand] = []
        self.withdrawn = self.retried = 0

    def drop(self) -> None:
        """Somebody drops a file, and somebody gives a command."""
        super().drop()
        for _ in range(self.chance.choice([0, 1, 1, 2])):
            agent = self.chance.choice(self.agents)
            do = self.chance.choice([self.withdraw, self.withdraw, self.retry])
            command = ByHand(agent, partial(do, running=not agent.is_dead))
            self.commands.append(command)
            command.start(dies_after=self.chance.choice([0, 0, self.chance.randrange(1, 60)]))

    def withdraw(self, config: object, *, running: bool) -> None:
        """Somebody takes a file out of the queue."""
        name = self.chance.choice(list(self.contents))
        code = withdrawing.withdraw(config, [name], lambda _words: None, user="ann", running=running)  # type: ignore[arg-type]
        self.withdrawn += not code

    def retry(self, config: object, *, running: bool) -> None:
        """Somebody has all failed files sent again, but those that the server may have."""
        code = putting_back.retry(config, [], lambda _words: None, everything=True)  # type: ignore[arg-type]
        self.retried += not code

    @contextmanager
    def commands_in_time(self) -> Iterator[None]:
        """Commands wait as long as the hub says."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(withdrawing, "time", SimpleNamespace(monotonic=lambda: self.hub.now))
            patch.setattr(withdrawing, "threading", SimpleNamespace(Event=partial(HubEvent, self.hub)))
            # To wait for real would be for ever: whoever has the lock does not go on meanwhile.
            patch.setattr(withdrawing, "passing", lambda state, patience: passing(state, patience=0.0))
            for module in (withdrawing, putting_back):
                patch.setattr(module, "require_answer", lambda *_folders, acting: None)
            yield

    def tell(self) -> None:
        """Let it happen, mend the world, and see that all is well."""
        with self.commands_in_time():
            super().tell()

    def is_drained(self) -> bool:
        """Whether every file came to its end, and nobody does anything with one any more."""
        return all(command.is_dead for command in self.commands) and super().is_drained()

    def check(self) -> None:
        """Every file is in one place; one that is done is at the server once, any other at most once."""
        assert not self.broken, self.broken
        operations = [operation for operation in self.wire.operations() if operation.completed]
        for name, content in self.contents.items():
            (place,) = self.places_of(content)
            whole = [operation for operation in operations if once(operation) == content]
            if place.startswith("done/"):
                assert len(whole) == 1, f"{name} was completed {len(whole)} times"
            else:
                assert place.startswith("failed/"), place
                assert len(whole) <= 1, f"{name} was completed {len(whole)} times"
                assert (self.root / f"{place}.error.txt").is_file(), place
        for state, name in self.rows("SELECT state, name FROM files"):
            assert state in ("done", "failed", "vanished", "returned"), (state, name)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("part", range(SLICES))
def test_whatever_people_do_beside_agents_of_one_journal_each_file_is_in_one_place(
    part: int, database: str
) -> None:
    withdrawn = 0
    with quiet_log():
        for seed in range(part, max(SLICES, STORIES // 2), SLICES):
            story = told(seed, database, PeopledStory)
            assert isinstance(story, PeopledStory)
            withdrawn += story.withdrawn

    assert withdrawn


if __name__ == "__main__":
    with served() as server:
        server.run("CREATE DATABASE journal")
        log.setup("debug")
        for seed in sys.argv[1:]:
            told(int(seed), server.url("journal"), PeopledStory)
