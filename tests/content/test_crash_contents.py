"""The same crash at every effect, for files made anew on their way: compressed, recoded, set aside."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agent.test_crash import OTHER_DISK, quiet
from tests.simulation import Simulation
from watcher.settings.config import load

__all__ = ["quiet"]

KEYS = (
    ', header: first, delimiter: ";", encoding: cp1252, bad_records: set_aside,'
    " columns: [agent, {name: n, is: integer}]"
)
TEXT = "agent;n\n" + "".join(f"Müller {number};{number}\n" for number in range(9))
BAD = "Jörg;x\n"
SOURCE = gzip.compress((TEXT + BAD).encode("cp1252"), mtime=0)
ARRIVES = TEXT.replace(";", ",").encode()
ASIDE = ("agent;n\n" + BAD).encode("cp1252")
NAME = "agent_events.csv.gz"


@contextmanager
def simulated(lost_answer: str, disk: str) -> Iterator[Simulation]:
    """A world with one such file waiting, and an older one of its name in failed."""
    fast = OTHER_DISK if OTHER_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(dir=fast) as here, tempfile.TemporaryDirectory() as there:
        done = Path(there) / "done" if disk == "other disk" else Path(here) / "done"
        world = Simulation(Path(here) / "world", done=done, lost_answer=lost_answer, marker=KEYS)
        for folder in (world.root / "drop", world.root / "failed", world.done):
            folder.mkdir()
        (world.root / "failed" / "agent_events.csv").write_bytes(b"an older one")
        world.drop(NAME, SOURCE)
        yield world


def check(world: Simulation, *, crashes: int) -> None:
    """The file is done, its bad record is in failed with its report, and the server has the good ones."""
    assert world.places_of(SOURCE) == [f"{world.done.name}/{NAME}"]
    (aside,) = world.places_of(ASIDE)
    report = world.root / f"{aside}.error.txt"
    assert "1 of 10 records set aside: line 11, column 2 (n): 'x'" in report.read_text()
    failed = {path.name for path in (world.root / "failed").iterdir()}
    assert failed == {"agent_events.csv", Path(aside).name, report.name}
    whole = [operation for operation in world.wire.operations() if operation.completed]
    assert all(b"".join(dict.fromkeys(operation.chunks)) == ARRIVES for operation in whole)
    assert 1 <= len(whole) <= (1 + crashes if world.config.upload.lost_answer == "new_token" else 1)
    assert [path for path in (world.root / "drop").rglob("*") if path.is_file()] == []
    (row,) = world.rows()
    assert (row.state, row.outcome.records, row.place.target) == ("done", 9, str(world.done / NAME))
    assert {path.name for path in (world.root / "state").iterdir()} <= {
        "agent.lock", "passing.lock", "journal.db", "journal.db-journal", "live.json", "live.json.new",
    }  # fmt: skip


@pytest.mark.parametrize("disk", ["same disk", "other disk"])
@pytest.mark.parametrize("lost_answer", ["resend", "new_token"])
def test_a_crash_at_any_point_loses_neither_the_file_nor_what_was_set_aside(
    lost_answer: str, disk: str
) -> None:
    with simulated(lost_answer, disk) as world:
        assert world.watched().run() == 0
        check(world, crashes=0)
    assert len(world.effects.points) > 80
    assert len(world.moments) > 30
    for point in world.moments:
        with simulated(lost_answer, disk) as world:
            assert world.run(crash_at=point) is None
            assert world.run() == 0, f"after a crash at {point}, {world.effects.points[-1]}"
            check(world, crashes=1)


def test_changed_settings_after_a_crash_begin_the_file_anew_rather_than_mixing_two_contents() -> None:
    with simulated("resend", "same disk") as world:
        sent = [point for point, name in enumerate(points_of(world)) if name == "after answer"]
    with simulated("resend", "same disk") as world:
        assert world.run(crash_at=sent[0]) is None
        path = world.root / "config.yaml"
        path.write_text(path.read_text().replace("header: first", "header: drop"))

        world.config, _ = load(path, {})
        assert world.run() == 0

        (whole,) = [operation for operation in world.wire.operations() if operation.completed]
        assert whole.body == ARRIVES.partition(b"\n")[2]


def points_of(world: Simulation) -> list[str]:
    """The effects of an undisturbed run."""
    assert world.run() == 0
    return world.effects.points
