"""A real replica of PostgreSQL takes over, and lacks what was committed last."""

from __future__ import annotations

import pytest

from tests.agent.test_several_agents import (
    agents_of,
    drop,
    each_delivered_once,
    eventually,
    running,
    settings,
)
from tests.conftest import World
from tests.postgres import replicated, served


def test_a_replica_that_lacks_the_last_commits_takes_over_and_each_file_is_delivered_once(
    world: World,
) -> None:
    pytest.importorskip("psycopg")
    with served() as primary:
        primary.run("CREATE DATABASE journal")
        with replicated(primary) as replica:
            hosts = f"host={primary.folder},{replica.folder}&target_session_attrs=read-write"
            configs = [
                settings(world, f"postgresql://watcher@/journal?{hosts}", name) for name in ("one", "two")
            ]
            with running(*configs):
                eventually(lambda: len(agents_of(configs[0])) == 2)
                drop(world, 0, 10)
                eventually(lambda: len(world.files("done")) == 10)
                eventually(lambda: replica.run("SELECT count(*) FROM watcher.files", "journal") == "10")
                replica.part()
                drop(world, 10, 40)
                eventually(lambda: len(world.files("done")) >= 25)
                primary.stop()
                lacks = replica.run("SELECT count(*) FROM watcher.files", "journal")
                replica.promote()
                drop(world, 40, 45)
                eventually(lambda: len(world.files("done")) == 45)
                eventually(lambda: not world.work_files())
                logs = [config.with_suffix(".log") for config in configs]
                eventually(lambda: any("by a failover: written again for" in log.read_text() for log in logs))
            assert int(lacks) < 25
            each_delivered_once(world, configs[0], 45)
            primary.start()  # it is stopped once more
