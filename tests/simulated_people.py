"""Commands beside a simulated agent: each is a process of its own, one of which does something at a time.

A command is a greenlet: the agent goes on between any two of its effects, and it may be killed at each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from greenlet import getcurrent, greenlet

from tests.simulation import Effects, Simulation
from watcher.agent.by_hand import putting_back, withdrawing
from watcher.agent.upkeep.withdrawals import passing


class Killed(BaseException):
    """A command is gone. Not an Exception: no handler of its may see it."""


class PeoplesEffects(Effects):
    """Effects of a command are points, too: there the agent goes on, the command fails, or is killed."""

    command: Command | None = None  # which does something just now

    def point(self, name: str) -> None:
        """The world may end here, for the agent or for a command."""
        if self.command is not None and self.command.line is getcurrent():
            self.command.point(name)
        else:
            super().point(name)


class Command:
    """One command as a process of its own."""

    def __init__(
        self,
        effects: PeoplesEffects,
        do: Callable[[], object],
        *,
        chance: random.Random | None = None,
        dies_at: int | None = None,
    ) -> None:
        """With `chance` others go on now and then between two of its effects, and it may be killed there;
        without it is killed at the effect of the number `dies_at`, if at all."""
        self._effects, self._do, self._chance = effects, do, chance
        self.points = 0
        self.line = greenlet(self._run)
        self._dies_at = chance.choice([None, None, chance.randrange(40)]) if chance else dies_at
        self.is_killed = False

    def _run(self) -> None:
        try:
            self._do()
        except Killed:
            self.is_killed = True

    def point(self, name: str) -> None:
        """The command may end here, and others may go on."""
        if self.is_killed:
            raise Killed(name)
        self.points += 1
        if self.points - 1 == self._dies_at:
            self.is_killed = True
            raise Killed(name)
        # Whoever is in a transaction would keep the agent waiting, in real time.
        if self._chance and self._chance.random() < 0.3 and not name.endswith(("commit", "journal")):
            self.wait()

    def wait(self) -> None:
        """Let others go on."""
        self.line.parent.switch()

    def go_on(self) -> bool:
        """Do some more of it; says whether there is more to do."""
        effects = self._effects
        was, effects.active = effects.active, True
        effects.command = self
        self.line.parent = getcurrent()
        try:
            self.line.switch()
        finally:
            effects.active, effects.command = was, None
        return not self.line.dead


@contextmanager
def beside(agent: Simulation) -> Iterator[None]:
    """Let commands wait in simulated time, and in turn with the agent."""

    class Event:
        def wait(self, seconds: float) -> None:
            until = agent.now + seconds
            while agent.now < until and isinstance(agent.effects, PeoplesEffects) and agent.effects.command:
                agent.effects.command.wait()
                if not agent.is_alive:
                    agent.now += seconds  # nobody else lets time pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(withdrawing, "time", SimpleNamespace(monotonic=lambda: agent.now))
        patch.setattr(withdrawing, "threading", SimpleNamespace(Event=Event))
        # To wait for real would be for ever: whoever has the lock does not go on meanwhile.
        patch.setattr(withdrawing, "passing", lambda state, patience: passing(state, patience=0.0))
        for module in (withdrawing, putting_back):
            patch.setattr(module, "require_answer", lambda *_folders, acting: None)
        yield
