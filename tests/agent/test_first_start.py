"""The very first start makes the folders; what cannot be made then holds the queue until it can."""

from __future__ import annotations

import errno
from pathlib import Path

from tests.simulation import Simulation
from watcher.core.target import Target


def test_a_folder_that_cannot_be_made_at_the_first_start_is_made_as_soon_as_it_can(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    failures = [errno.EIO, errno.EACCES, errno.EIO]

    def fault(effect: str, path: str) -> OSError | None:
        if effect != "mkdir" or not path.endswith("/failed") or not failures:
            return None
        return OSError(failures.pop(), "not now", path)

    world.effects.fault = fault
    world.drop("event_types.json", b"{}")

    assert world.run() == 0

    assert (tmp_path / "failed").is_dir()
    assert world.held == set(), "nobody would have tried again before a file failed"
    assert [path.name for path in world.done.iterdir()] == ["event_types.json"]
    (tmp_path / "failed").rmdir()
    assert world.run() == 0
    assert not (tmp_path / "failed").exists(), "it was written down that the folders are made"


def test_a_folder_that_cannot_be_made_holds_the_queue_and_nothing_is_lost(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    world.effects.fault = lambda effect, path: (
        OSError(errno.EACCES, "no", path) if (effect, path) == ("mkdir", str(tmp_path / "failed")) else None
    )
    world.drop("event_types.json", b"{}")

    assert world.run() == 4

    assert [path.name for path in (tmp_path / "drop").iterdir()] == ["event_types.json"]
    assert world.held == {Target("folder", str(tmp_path / "failed"))}
    (tmp_path / "failed").mkdir()
    assert world.run() == 0
    assert [path.name for path in world.done.iterdir()] == ["event_types.json"]
