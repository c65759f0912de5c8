"""What the journal announces goes out at once: nothing is in doubt that was never sent, or long answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_reload import simulated
from tests.conftest import rows
from tests.simulation import SimulatedWorkers, Simulation
from watcher.agent.agent import STOPPED
from watcher.agent.engine.runs import Task
from watcher.core.acts import Choose, Inspect, Move
from watcher.core.conversation import Reply, Request
from watcher.core.model import FileState
from watcher.sandbox.server import Answer

FILES = 12


def test_a_file_that_waits_for_the_pace_of_the_server_is_not_announced_to_be_under_way(
    tmp_path: Path,
) -> None:
    here, asked = Simulation(tmp_path / "world"), set[str]()
    for number in range(FILES):
        here.drop(f"agent_events_{number}.csv", f"{number},1\n".encode())

    def every_other_is_too_much(push: Request, take: Callable[[], Answer]) -> Reply:
        asked.add(dict(push.params)["pushToken"])
        refuses.append(not (refuses and refuses[-1]))
        return Reply(429) if refuses[-1] else here.wire.reply(take())

    refuses: list[bool] = []
    here.wire.script = every_other_is_too_much
    early = set[str]()

    def look() -> None:
        sending = {row.upload.push_token for row in here.rows() if row.state is FileState.SENDING}
        early.update(sending - asked)

    here.on_sleep = look
    assert here.run() == 0
    assert len(here.wire.operations()) == FILES
    assert sum(refuses) >= 3
    assert early == set()


class HungDone(SimulatedWorkers):
    """The done folder hangs for whoever needs it in this act."""

    act: type = Choose
    done: Path

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        if not (isinstance(ticket, Task) and isinstance(ticket.act, self.act)):
            super().do(ticket, work)
        elif isinstance(ticket.act, Inspect):
            ticket.act.at.append(self.done)


@pytest.mark.parametrize(("act", "content"), [(Choose, rows(12)), (Inspect, rows(2))])
def test_a_done_folder_that_hangs_before_a_file_is_complete_is_held_and_nothing_is_in_doubt(
    tmp_path: Path, act: type, content: str
) -> None:
    """Of many chunks its place is chosen before the last one, of one chunk when it is inspected."""
    here = Simulation(tmp_path / "world")
    workers = HungDone(here.effects, here._sleep)
    workers.act, workers.done = act, here.done
    here.drop("agent_events.csv", content.encode())
    with simulated(here, workers) as (made, engine):
        code = made.run(told_to_stop=lambda: bool(engine.holds.active), replaced=lambda: False)
        [hold] = engine.holds.active

    assert code == STOPPED
    assert hold.target.name == str(here.done)
    assert not any(operation.completed for operation in here.wire.operations())
    [row] = here.rows()
    assert not row.upload.in_doubt


def test_a_done_folder_that_hangs_behind_the_answer_keeps_nobody_from_writing_it_down(tmp_path: Path) -> None:
    here = Simulation(tmp_path / "world")
    workers = HungDone(here.effects, here._sleep)
    workers.act = Move
    here.drop("agent_events.csv", rows(2).encode())
    with simulated(here, workers) as (made, engine):
        made.run(told_to_stop=lambda: bool(engine.holds.active), replaced=lambda: False)

    [row] = here.rows()
    assert row.state is FileState.DELIVERED
    [operation] = here.wire.operations()
    assert operation.completed
