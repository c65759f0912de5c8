"""The world ends before and after every single effect of the agent, and nothing is lost.

After SQLite's crash tests (https://www.sqlite.org/testing.html): the points are counted in an undisturbed
run, then each is tried at which files or server are not as they were at the one before: of the others a death
leaves the same behind. `python -m tests.agent.test_crash` tries those, too, and prints how many there are;
`--pairs` tries all pairs as well (a crash during the recovery from each), which takes hours.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.simulation import Simulation, quiet_log
from watcher.report import log

CSV = b"".join(b"agent-%02d,ready,1\n" % number for number in range(8))
FILES = {
    "event_types.json": b'{"types": [1]}',
    "reason_codes.json": b'{"codes": [2]}',
    "agent_events.csv": CSV,
    "agent_events_bad.csv": b'a,1\nb,"2\n',
    "holiday.xls": b"no route for this",
}
FATE = dict.fromkeys(FILES, "done") | {"agent_events_bad.csv": "failed", "holiday.xls": "failed"}
OTHER_DISK = Path("/dev/shm")
VARIANTS = [
    (lost_answer, other) for lost_answer in ("resend", "new_token") for other in ("same disk", "other disk")
]
# File systems where no rename refuses to overwrite, and where there are no hard links either.
VARIANTS += [("resend", "no renameat2"), ("resend", "no hard links")]


def refusing(**numbers: int) -> Callable[[str, str], OSError | None]:
    """A file system that says so to these effects."""

    def fault(effect: str, path: str) -> OSError | None:
        return OSError(numbers[effect], os.strerror(numbers[effect]), path) if effect in numbers else None

    return fault


REFUSED = {
    "no renameat2": refusing(rename_new=errno.EINVAL),
    "no hard links": refusing(rename_new=errno.ENOSYS, link=errno.EPERM),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of lives would fill the screen."""
    with quiet_log():
        yield


@contextmanager
def simulated(lost_answer: str, disk: str) -> Iterator[Simulation]:
    """A world with files of every kind waiting, one of them with a name that is taken in done."""
    fast = OTHER_DISK if OTHER_DISK.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=fast) as here,
        tempfile.TemporaryDirectory(dir=None if disk == "other disk" else fast) as there,
    ):
        world = Simulation(
            Path(here) / "world", done=Path(there) / "done", lost_answer=lost_answer, marker=", marker: .ok"
        )
        for name in ("drop", "failed"):
            (world.root / name).mkdir()
        world.done.mkdir()
        world.effects.fault = REFUSED.get(disk, world.effects.fault)
        (world.done / "agent_events.csv").write_bytes(b"an older one")
        for name, content in FILES.items():
            world.drop(name, content)
        for name in ("agent_events.csv.ok", "agent_events_bad.csv.ok"):
            world.drop(name, name.encode())
        yield world


def check(world: Simulation, *, crashes: int) -> None:
    """Every file is in exactly one place, the right one, and the server has each delivered one whole."""
    for name, content in FILES.items():
        (place,) = world.places_of(content)
        assert place.startswith(f"{FATE[name]}/{name.split('.')[0]}"), place
    for name, fate in (("agent_events.csv.ok", "done"), ("agent_events_bad.csv.ok", "failed")):
        (place,) = world.places_of(name.encode())
        assert place.startswith(f"{fate}/agent_events"), place
    assert (world.done / "agent_events.csv").read_bytes() == b"an older one"
    assert len(list((world.root / "failed").glob("*.error.txt"))) == 2
    everywhere = [path for folder in (world.root, world.done) for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in everywhere if path.read_bytes().startswith(b"reserved")]
    for name in ("event_types.json", "reason_codes.json", "agent_events.csv"):
        whole = [
            operation
            for operation in world.wire.operations()
            if operation.completed and b"".join(dict.fromkeys(operation.chunks)) == FILES[name]
        ]
        # Where the answer to the *last* chunk is lost, `new_token` cannot know that it was complete.
        assert 1 <= len(whole) <= (1 + crashes if world.config.upload.lost_answer == "new_token" else 1)
    world.check_quiet(resends=crashes)


def undisturbed(lost_answer: str, disk: str) -> Simulation:
    """An undisturbed run, for its points."""
    with simulated(lost_answer, disk) as world:
        assert world.watched().run() == 1
        check(world, crashes=0)
        return world


@pytest.mark.parametrize(("lost_answer", "disk"), VARIANTS)
def test_a_crash_at_any_point_loses_nothing(lost_answer: str, disk: str) -> None:
    world = undisturbed(lost_answer, disk)
    assert len(world.effects.points) > 200
    assert len(world.moments) > 80
    try_each(world.moments, lost_answer, disk)


@pytest.mark.parametrize(("lost_answer", "disk"), VARIANTS)
def test_a_crash_during_the_recovery_from_a_crash_loses_nothing(lost_answer: str, disk: str) -> None:
    chance = random.Random(f"{lost_answer} {disk}")
    world = undisturbed(lost_answer, disk)
    number = len(world.effects.points)
    for first in world.moments[::3]:
        pair(lost_answer, disk, first, chance.randrange(0, number - first // 2))


def pair(lost_answer: str, disk: str, first: int, second: int) -> bool:
    """Crash twice; returns False where the second point was never reached."""
    with simulated(lost_answer, disk) as world:
        assert world.run(crash_at=first) is None
        crashed = world.run(crash_at=second) is None
        if crashed:
            assert world.run() in (0, 1)
        check(world, crashes=2)
        return crashed


def try_each(points: Sequence[int], lost_answer: str, disk: str) -> None:
    """Crash at each of these points once."""
    for point in points:
        with simulated(lost_answer, disk) as world:
            assert world.run(crash_at=point) is None
            assert world.run() in (0, 1), f"after a crash at {point}, {world.effects.points[-1]}"
            check(world, crashes=1)


def every_point(lost_answer: str, disk: str) -> int:
    """Crash at each point once; returns how many there were."""
    number = len(undisturbed(lost_answer, disk).effects.points)
    try_each(range(number), lost_answer, disk)
    return number


def every_pair(lost_answer: str, disk: str) -> int:
    """Crash at each point, and at each point of the recovery from it; returns how many pairs there were."""
    pairs = 0
    for first in range(len(undisturbed(lost_answer, disk).effects.points)):
        for second in itertools.count():
            if not pair(lost_answer, disk, first, second):
                break
            pairs += 1
    return pairs


def main() -> None:
    """Try every point, or with `--pairs` every pair of points, and print how many there were."""
    log.setup("critical")
    for lost_answer, disk in VARIANTS:
        print(f"{lost_answer}, {disk}: {every_point(lost_answer, disk)} crash points, nothing lost")  # noqa: T201
        if "--pairs" in sys.argv:
            print(f"{lost_answer}, {disk}: {every_pair(lost_answer, disk)} pairs, nothing lost")  # noqa: T201


if __name__ == "__main__":
    main()
