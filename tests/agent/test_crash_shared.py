"""The world of an agent whose journal is in PostgreSQL ends before and after every single effect and commit.

It begins again, or another agent takes its files over; and nothing is lost, nor completed twice. The suite
tries some of the points, `python -m tests.agent.test_crash_shared` all of them.
"""

from __future__ import annotations

import gc

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("greenlet")

from pathlib import Path

from tests.agent.test_agents_stories import Story
from tests.postgres import database, database_of_tests, postgres_server, served
from tests.simulated_agents import simulated
from tests.simulation import quiet_log, story_folder
from watcher.report import log

__all__ = ["database", "database_of_tests", "postgres_server"]
SEED = 1
STEP = 67  # so many points further is the next one that the suite tries; a prime, so that all kinds come by


class Crash(Story):
    """One that dies, and one that goes on with its files: itself, or another one."""

    AGENTS = (2,)

    def __init__(self, root: Path, url: str, *, dies_after: int, returns: bool) -> None:
        """`dies_after`: so many effects, or 0: it does not die; `returns`: it begins again by itself."""
        super().__init__(SEED, root, url)
        self.trouble = self.disk_trouble = 0.0
        self.wire.is_slow = False
        self._dies_after, self._returns = dies_after, returns
        self.points = 0  # that there were, where it did not die

    def tell(self) -> None:
        """Let it happen, and see that all is well."""
        victim, other = self.agents
        with simulated(self.hub, self.effects):
            for _ in range(5):
                self.drop()
            victim.start(dies_after=self._dies_after)
            assert self.hub.run(lambda: victim.is_dead or self.is_over(), seconds=300.0)
            if self._dies_after:
                assert victim.is_dead
                (victim if self._returns else other).start()
                assert self.hub.run(self.is_over, seconds=300.0), f"it does not drain: {self.told()}"
            self.points = -victim.points_left
            assert self.hub.run(self.all_ended, seconds=120.0), "told to stop, and it does not"
        self.check()
        self.database.close()

    def is_over(self) -> bool:
        """Whether every file came to its end, and its row."""
        return self.is_drained() and not self.rows(
            "SELECT 1 FROM files WHERE state NOT IN ('done', 'returned')"
        )


def crashed(url: str, *, dies_after: int = 0, returns: bool = True) -> Crash:
    """Tell of one crash."""
    with story_folder(dies_after) as root:
        world = Crash(root, url, dies_after=dies_after, returns=returns)
        world.tell()
    gc.collect()  # what those who died had open, and nobody could close for them
    return world


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("returns", [True, False], ids=["it begins again", "another one takes over"])
def test_a_crash_at_any_effect_or_commit_loses_nothing_and_completes_nothing_twice(
    returns: bool, database: str
) -> None:
    with quiet_log():
        points = crashed(database).points
        assert points > 100
        taken = [
            crashed(database, dies_after=point, returns=returns).taken
            for point in range(1 + returns, points, STEP)
        ]

    assert returns or any(taken)


def main() -> None:
    """Try every point, and print how many there were."""
    log.setup("critical")
    with served() as server:
        server.run("CREATE DATABASE journal")
        url = server.url("journal")
        points = crashed(url).points
        for returns in (True, False):
            for point in range(1, points):
                crashed(url, dies_after=point, returns=returns)
        print(f"{points} crash points, nothing lost, whoever goes on")  # noqa: T201


if __name__ == "__main__":
    main()
