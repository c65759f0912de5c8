"""What is held, and by what evidence, with everybody told when a hold begins and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from watcher.core.acts import Act, Blame, Push
from watcher.core.conversation import Accepted
from watcher.core.errors import Outside, Proof
from watcher.core.events import HoldBegan, HoldEnded
from watcher.core.holds import NEVER, Hold, Holds
from watcher.core.probing import Ask
from watcher.core.suspects import Suspects, Suspicion
from watcher.core.target import Target
from watcher.core.tempo import Tempo
from watcher.report.stream import Stream


class Holding:
    """All holds and suspects of this process; the control thread's."""

    def __init__(
        self, table: Holds, stream: Stream, *, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self.table = table
        self.suspects = Suspects()
        self.tempo = Tempo()
        self._stream = stream
        self._clock, self._now = clock, now

    def failed(self, fault: Outside, number: int = 0, *, asked_at: float = NEVER) -> None:
        """The act of this file, asked for then, met a fault: begin the hold, or make its next step longer."""
        now = self._clock()
        if fault.busy:
            self.tempo.refused()
        if hold := self.table.failed(number, fault, now=now, at=self._now(), asked_at=asked_at):
            self._stream.emit(HoldBegan(hold.target, hold.reason, hold.check, hold.next_at - now))

    def late(self, fault: Outside, number: int) -> None:
        """An act takes too long: it is not begun anew, and ends the hold when it comes back."""
        self.failed(fault, number)
        self.table.take(number, (fault.target,))

    def paced(self) -> bool:
        """Say whether one more request may go out; if so, it does."""
        now = self._clock()
        if self.tempo.due_at > now:
            return False
        self.tempo.sent(now)
        return True

    def answered(self, targets: Sequence[Target]) -> None:
        """What an act was late for answered it after all."""
        self.worked(targets, asked_at=self._clock(), proof=Proof.ANSWER)

    def worked(
        self, targets: Sequence[Target], *, asked_at: float = NEVER, proof: Proof = Proof.DELIVERY
    ) -> None:
        """End the holds on what an act came through that was asked for then, where it proves enough."""
        if not self.table.active:
            return
        ended, begun = self.table.worked(targets, asked_at=asked_at, proof=proof)
        now = self._clock()
        self._tell_ended(ended, is_back=True)
        for hold in begun:
            self._stream.emit(HoldBegan(hold.target, hold.reason, hold.check, max(0.0, hold.next_at - now)))

    def accuse(self, number: int, target: Target, suspicion: Suspicion, *, alone: bool) -> Blame:
        """Ask whose fault it is; `alone`: no other file of its route is in line."""
        fault = self.suspects.accuse(number, suspicion, alone=alone)
        if fault is not None and fault.target != target:
            # From now on they wait for the same as this one, and not each for itself.
            self.worked(self.suspects.alike(number))
        self._let_go()
        return Blame(fault)

    def left(self, number: int, target: Target) -> None:
        """A file came to its end."""
        self.suspects.leave(number)
        self.worked([target])
        self._let_go()

    def let_go(self, attended: Callable[[Target], bool]) -> None:
        """No file is under way, and none waits: what nobody attends to is held for nobody, and not probed."""
        if self.table.active:
            self._tell_ended(self.table.let_go(self._clock(), attended), is_back=False)

    def _tell_ended(self, holds: Sequence[Hold], *, is_back: bool) -> None:
        now = self._clock()
        for hold in holds:
            seconds = now - hold.began
            self._stream.emit(
                HoldEnded(hold.target, hold.reason, hold.since, seconds, hold.tries, is_back=is_back)
            )

    def _let_go(self) -> None:
        """End what rests on the word of suspects, where none is left."""
        holds = [hold for hold in self.table.active if hold.until is not Proof.ANSWER]
        self.worked([h.target for h in holds if h.target.kind != "file" and not self.suspects.bear(h.target)])

    def heard(self, number: int, target: Target, act: Act[Any], result: object, *, asked_at: float) -> None:
        """What the server makes of a chunk of this file is evidence for it, and for others."""
        if isinstance(act, Ask) and isinstance(result, float) and result > 0:
            self.table.left_to_others(number, act.targets, until=self._clock() + result)
        if not isinstance(act, Push) or isinstance(result, Exception):
            return
        talk, last, now = act.talk, act.chunk.last, self._clock()
        if not isinstance(result, Accepted):
            self.suspects.noticed(
                number, target, talk.endpoint, talk.server,
                start=act.chunk.start, asked_at=asked_at, at=now,
            )  # fmt: skip
            return
        self.tempo.passed()
        compared = self.suspects.passed(
            number, talk.endpoint, talk.server,
            start=act.chunk.start, last=last, asked_at=asked_at, at=now,
        )  # fmt: skip
        if not self.suspects.is_open(number):
            self.worked([target], proof=Proof.DELIVERY if last else Proof.CHUNK)
        self.table.hurry(now, compared)
