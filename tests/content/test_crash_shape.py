"""The same crash at every effect, for a file that is brought into the API's shape."""

from __future__ import annotations

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
    ", header: first, others: drop, bad_records: set_aside,"
    " lines: {header: ^Agent, footer: ^Total, comment: '#'},"
    " columns: [{name: at, from: At, time: '%d/%m/%Y %H:%M', timezone: Europe/Prague},"
    " {name: agent, from: Agent}, {name: acd, value: genesis}]"
)
NAME = "agent_events.csv"
TITLE, HEADER, BAD, FOOTER = "Report\n\n", "Agent,At,Note\n", "bob,soon,x\n", "Total\n"
RECORDS = "".join(f"agent {number},18/01/2019 10:0{number},x\n" for number in range(9))
SOURCE = f"{TITLE}{HEADER}{RECORDS}# by hand\n{BAD}{FOOTER}".encode()
ARRIVES = b"at,agent,acd\n" + b"".join(
    b"2019-01-18T09:0%d:00Z,agent %d,genesis\n" % (number, number) for number in range(9)
)
ASIDE = f"{TITLE}{HEADER}{BAD}{FOOTER}".encode()


@contextmanager
def simulated(lost_answer: str) -> Iterator[Simulation]:
    """A world with one such file waiting."""
    fast = OTHER_DISK if OTHER_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(dir=fast) as here:
        world = Simulation(Path(here) / "world", lost_answer=lost_answer, marker=KEYS)
        for folder in (world.root / "drop", world.root / "failed", world.done):
            folder.mkdir()
        world.drop(NAME, SOURCE)
        yield world


def check(world: Simulation, *, crashes: int) -> None:
    """The file is done, its bad record is in failed, and the server has the good ones, in shape."""
    assert world.places_of(SOURCE) == [f"{world.done.name}/{NAME}"]
    assert len(world.places_of(ASIDE)) == 1
    whole = [operation for operation in world.wire.operations() if operation.completed]
    assert all(b"".join(dict.fromkeys(operation.chunks)) == ARRIVES for operation in whole)
    assert 1 <= len(whole) <= (1 + crashes if world.config.upload.lost_answer == "new_token" else 1)
    (row,) = world.rows()
    assert (row.state, row.outcome.records, row.outcome.lines) == ("done", 9, "14")
    assert "1 comment, column Note; 3 columns made anew" in (row.outcome.note or "")


@pytest.mark.parametrize("lost_answer", ["resend", "new_token"])
def test_after_a_crash_at_any_point_a_shaped_file_goes_on_with_the_same_bytes(lost_answer: str) -> None:
    with simulated(lost_answer) as world:
        assert world.watched().run() == 0
        check(world, crashes=0)
        assert len(world.wire.operations()[0].chunks) > 2
    assert len(world.moments) > 30
    for point in world.moments:
        with simulated(lost_answer) as world:
            assert world.run(crash_at=point) is None
            assert world.run() == 0, f"after a crash at {point}, {world.effects.points[-1]}"
            check(world, crashes=1)


@pytest.mark.parametrize(("was", "becomes"), [("genesis", "avaya"), ("Europe/Prague", "Europe/London")])
def test_another_shape_after_a_crash_begins_the_file_anew(was: str, becomes: str) -> None:
    with simulated("resend") as world:
        assert world.run() == 0
        sent = [point for point, name in enumerate(world.effects.points) if name == "after answer"]
    with simulated("resend") as world:
        assert world.run(crash_at=sent[1]) is None
        path = world.root / "config.yaml"
        path.write_text(path.read_text().replace(f": {was}", f": {becomes}"))
        world.config, _ = load(path, {})
        assert world.run() == 0

        (whole,) = [operation for operation in world.wire.operations() if operation.completed]
        hour = b"T10" if "London" in becomes else b"T09"
        assert whole.body == ARRIVES.replace(
            b"genesis", b"avaya" if becomes == "avaya" else b"genesis"
        ).replace(b"T09", hour)
