"""Somebody writes on into a file at every single point of its way: never is half of it taken for the whole.

The points are those of the crash tests, before and after each effect of the agent.
`python -m tests.agent.test_growing` tries them all and prints how many there are.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.simulation import FAST, Simulation, quiet_log
from watcher.report import log

NAME = "agent_events.csv"
HALF = b"".join(b"agent-%02d,ready,1\n" % number for number in range(8))
MORE = b"agent-99,ready,1\n"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hundreds of lives would fill the screen."""
    with quiet_log():
        yield


@contextmanager
def simulated(lost_answer: str) -> Iterator[Simulation]:
    """A world with one file that waits."""
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as here:
        world = Simulation(Path(here) / "world", lost_answer=lost_answer)
        for folder in ("drop", "done", "failed"):
            (world.root / folder).mkdir()
        world.drop(NAME, HALF)
        yield world


def where(world: Simulation) -> list[Path]:
    """All files that begin as this one does; one that has two names for a moment is one."""
    found = {
        (path.stat().st_dev, path.stat().st_ino): path
        for path in world.root.rglob("*")
        if path.is_file() and path.read_bytes().startswith(HALF)
    }
    return list(found.values())


def points(lost_answer: str) -> int:
    """How many there are in an undisturbed run."""
    with simulated(lost_answer) as world:
        assert world.run() == 0
        return len(world.effects.points)


def grows_at(point: int, lost_answer: str) -> bool:
    """One run in which the file grows there; returns False where that came too late for the agent to see."""
    with simulated(lost_answer) as world:
        grown: list[bool] = []

        def grow() -> None:
            for path in where(world):
                with path.open("ab") as file:
                    file.write(MORE)
                grown.append(True)

        world.effects.happens[point] = grow
        world.run()
        world.effects.happens.clear()
        assert world.run() in (0, 1)

        (path,) = where(world)
        completed = [b"".join(dict.fromkeys(op.chunks)) for op in world.wire.operations() if op.completed]
        state = world.rows()[-1].state
        assert len(completed) == 1, completed
        assert set(completed) <= {HALF, HALF + MORE}
        assert path.read_bytes() == (HALF + MORE if grown else HALF)
        if path.parent.name == "done":
            if completed[0] != path.read_bytes():
                assert state == "done"  # it was all over for the agent before
                return False
        else:
            assert path.parent.name == "failed"
            assert "it changed after it was delivered" in path.with_name(path.name + ".error.txt").read_text()
        return bool(grown)


@pytest.mark.parametrize("lost_answer", ["resend", "new_token"])
def test_a_file_that_grows_at_any_point_is_sent_whole_or_fails_and_is_never_done_by_half(
    lost_answer: str,
) -> None:
    seen = [grows_at(point, lost_answer) for point in range(points(lost_answer))]

    assert sum(seen) > 50
    # What comes between the last look and the move is for nobody to see.
    assert seen.index(False, 10) > len(seen) * 2 / 3


def main() -> None:
    """Try all points, and count."""
    log.setup("critical")
    for lost_answer in ("resend", "new_token"):
        number = points(lost_answer)
        seen = sum(grows_at(point, lost_answer) for point in range(number))
        print(f"{lost_answer}: {number} points, at {seen} of them the agent saw it")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
