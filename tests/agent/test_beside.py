"""Commands beside an agent that starts, files a file, or dies: neither does what is the other's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("greenlet")

from tests.simulated_people import Command, PeoplesEffects, beside
from tests.simulation import Simulation, lost, quiet_log, story_folder
from watcher.agent.by_hand import withdrawing
from watcher.agent.upkeep.withdrawals import passing
from watcher.commands.retry import retry
from watcher.core.conversation import Reply
from watcher.core.errors import Outside
from watcher.core.events import HoldEnded
from watcher.core.model import FINAL, Claim, Fingerprint
from watcher.journal.sqlite import SqliteJournal

NAME, CONTENT = "event_types.json", b"[1]"
TOKEN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> Iterator[Path]:
    """Many worlds are lived in here, each to one of its moments: in memory."""
    with story_folder(0) as root, quiet_log():
        yield root


def withdrawn_beside(root: Path, *, dies_at: int | None = None) -> tuple[Simulation, Command]:
    """An agent's world in which somebody withdraws a file that has just been dropped; the command may be
    killed at one of its effects."""
    agent = Simulation(root, effects=PeoplesEffects)
    assert isinstance(agent.effects, PeoplesEffects)
    agent.once = False
    agent.drop(NAME, CONTENT)

    def withdraw() -> None:
        withdrawing.withdraw(agent.config, [NAME], lambda _words: None, user="ann")

    command = Command(agent.effects, withdraw, dies_at=dies_at)
    # It settles: the agent has seen it, and waits.
    agent.on_sleep = lambda: None if command.line.dead else command.go_on() and None
    with beside(agent):
        assert agent.run(seconds=30.0) == 0
    return agent, command


def test_a_withdrawal_that_is_killed_at_any_moment_is_finished_by_the_agent_or_was_none(
    world: Path,
) -> None:
    whole, command = withdrawn_beside(world / "whole")
    assert whole.places_of(CONTENT) == [f"failed/{NAME}"]

    ends = set()
    for point in range(command.points):
        agent, killed = withdrawn_beside(world / str(point), dies_at=point)
        assert killed.is_killed
        (place,) = agent.places_of(CONTENT)
        ends.add(place)
        report = agent.root / "failed" / f"{NAME}.error.txt"
        if place == f"failed/{NAME}":
            told = yaml.safe_load(report.read_text(encoding="utf-8-sig"))
            assert told["reason"] == "withdrawn by ann from the drop folder; nothing of it was sent"
            assert agent.wire.operations() == []
        else:
            assert place == f"done/{NAME}"
            assert not report.exists()
        assert not [path for path in agent.state.glob("withdraw.*") if path.suffix != ".new"]
        assert {row.state for row in agent.rows()} <= FINAL, point
    assert ends == {f"done/{NAME}", f"failed/{NAME}"}


def test_an_agent_that_starts_waits_until_a_withdrawal_is_over(world: Path) -> None:
    agent = Simulation(world)
    agent.drop(NAME, CONTENT)
    assert agent.run() == 0
    agent.drop("event_types_2.json", b"[2]")

    with passing(agent.state, patience=0.0):
        assert agent.run() == 4
        live = json.loads((agent.state / "live.json").read_text())
        with pytest.raises(Outside, match="another process is at the files that are under way"):
            passing(agent.state, patience=0.0)

    assert [hold["reason"] for hold in live["held"]] == ["another process is at the files that are under way"]
    assert "watcher withdraw" in live["held"][0]["check"]
    assert agent.run() == 0
    assert agent.places_of(b"[2]") == ["done/event_types_2.json"]


def in_doubt(root: Path, *, crash_at: int | None) -> Simulation:
    """The life of an agent whose server loses the last answer and refuses the repeat."""
    agent = Simulation(root).watched()
    answers = [lambda take: lost(True, take), lambda _take: Reply(400, "no such operation")]
    agent.wire.script = lambda _push, take: answers.pop(0)(take)
    (root / "failed").mkdir(mode=0o700)  # whoever looks into it may be there before the first start makes it
    agent.drop(NAME, CONTENT)
    agent.run(crash_at=crash_at)
    return agent


def test_retry_all_sends_nothing_that_may_be_complete_whenever_it_looks(world: Path) -> None:
    moments = in_doubt(world / "whole", crash_at=None).moments
    said: list[str] = []
    for moment in moments:
        agent = in_doubt(world / str(moment), crash_at=moment)
        before = agent.places_of(CONTENT)

        code = retry(agent.config, [], said.append, everything=True)

        assert agent.places_of(CONTENT) == before
        assert code == (1 if before == [f"failed/{NAME}"] else 0)

    left = [words for words in said if words.startswith(NAME)]
    assert all("left in the failed folder: it may be complete at the server" in words for words in left)
    assert len(left) > 2  # the move, the report, the journal: more than one moment


def test_a_file_that_is_just_being_put_into_failed_goes_back_when_it_has_its_report(world: Path) -> None:
    _, command = withdrawn_beside(world / "whole")
    said: list[str] = []
    for point in range(command.points):
        agent = Simulation(world / str(point), effects=PeoplesEffects)
        assert isinstance(agent.effects, PeoplesEffects)
        agent.drop(NAME, CONTENT)
        assert agent.run(seconds=0.5) == 0
        withdraw = lambda agent=agent: withdrawing.withdraw(agent.config, [NAME], said.append, user="ann")  # noqa: E731
        killed = Command(agent.effects, withdraw, dies_at=point)
        with agent.effects.installed(), beside(agent):
            killed.go_on()
        if (agent.root / "failed" / NAME).exists():
            retry(agent.config, [NAME], said.append, everything=False)
            has_report = (agent.root / "failed" / f"{NAME}.error.txt").exists()
            assert not has_report or (agent.root / "failed" / NAME).exists()
    assert f"{NAME}: it is just being put there, and has no report yet; try again in a moment" in said
    assert f"{NAME}: back in the drop folder as {NAME}" in said


def test_a_file_that_is_put_back_while_it_is_asked_for_is_withdrawn_where_it_waits_then(world: Path) -> None:
    agent = Simulation(world, effects=PeoplesEffects)
    assert isinstance(agent.effects, PeoplesEffects)
    assert agent.run() == 0
    agent.drop(NAME, CONTENT)
    journal = SqliteJournal(agent.state)
    claimed = agent.root / "drop/.uploading" / journal.agent_id / TOKEN / NAME
    look = Fingerprint.of((agent.root / "drop" / NAME).stat())
    claim = Claim(NAME, look, str(claimed), TOKEN, "event-types", None, "drop", "2026-11-23T19:24:39.000Z")
    rows = journal.claim([claim])
    claimed.parent.mkdir(parents=True, mode=0o700)
    (agent.root / "drop" / NAME).rename(claimed)
    said: list[str] = []

    def withdraw() -> None:
        withdrawing.withdraw(agent.config, [NAME], said.append, user="ann", running=True)

    with agent.effects.installed(), beside(agent):
        command = Command(agent.effects, withdraw)
        assert command.go_on()
        assert (agent.state / f"withdraw.{TOKEN}").exists()
        with agent.effects.paused():
            claimed.rename(agent.root / "drop" / NAME)
            journal.forget(rows)
        assert not command.go_on()
    journal.close()

    assert said[0].startswith(
        f"{NAME}: withdrawn by ann from the drop folder; nothing of it was sent; it is now "
    )
    assert agent.places_of(CONTENT) == [f"failed/{NAME}"]
    assert not list(agent.state.glob("withdraw.*"))


def test_what_nobody_waits_for_any_more_is_not_held_any_more(world: Path) -> None:
    agent = Simulation(world, effects=PeoplesEffects)
    assert isinstance(agent.effects, PeoplesEffects)
    agent.once = False
    ended: list[HoldEnded] = []
    agent.on_event = lambda event: ended.append(event) if isinstance(event, HoldEnded) else None
    agent.wire.script = lambda _push, _take: Reply(404, "no such path")
    agent.drop(NAME, CONTENT)

    def withdraw() -> None:
        withdrawing.withdraw(agent.config, [NAME], lambda _words: None, user="ann")

    command = Command(agent.effects, withdraw)
    began = agent.now

    def meanwhile() -> None:
        if agent.now > began + 20.0 and not command.line.dead:
            assert agent.held, "nothing but a file shows that it is over"
            command.go_on()

    agent.on_sleep = meanwhile
    with beside(agent):
        assert agent.run(seconds=120.0) == 0

    assert agent.places_of(CONTENT) == [f"failed/{NAME}"]
    assert agent.held == set()
    assert [(event.target.kind, event.is_back) for event in ended] == [("endpoint", False)]
    assert json.loads((agent.state / "live.json").read_text())["held"] == []
