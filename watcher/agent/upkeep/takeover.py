"""What the agents of one journal owe each other: who died is taken over, and who was is told.

A file that is taken over goes on where its row says, as after a crash; where a chunk had been announced,
not before every request of the dead agent is past its deadline: it may only be cut off, or asleep.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from watcher.agent.queue.kept import Kept
from watcher.agent.upkeep.recovery import Recovery
from watcher.agent.upkeep.withdrawals import passing
from watcher.core.acts import Pause
from watcher.core.errors import Outside, TakenOver
from watcher.core.events import TookOver, Warned
from watcher.core.holds import NEVER
from watcher.core.model import Row
from watcher.disk.others import agents
from watcher.disk.places import Places
from watcher.journal.peers import Peers, Taken
from watcher.report.stream import Stream

POLL_SECONDS = 5.0
NO_TIME = float("-inf")


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one look."""

    rows: tuple[Row, ...] = ()  # they are ours from now on
    lost: tuple[tuple[int, str], ...] = ()  # rows that are others' by now, and whose


class Takeover:
    """For one agent. `look` and `put_back` are called in a worker's thread, one at a time."""

    def __init__(
        self,
        peers: Peers | None,
        recovery: Recovery,
        places: Places,
        routes: Collection[str],
        stream: Stream,
        kept: Kept,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`peers`: None where the journal is one agent's alone; `routes`: those that we have; `kept`: what an
        agent before in this process left, and this one leaves to the next."""
        self._peers, self._recovery, self._stream, self._clock = peers, recovery, stream, clock
        self._sees, self._routes = partial(agents, places.work), routes
        self._alone = partial(passing, places.state, patience=0.0)
        self._taken, self._quiet_until = kept.taken_over, kept.quiet_until
        self._lost: dict[int, str] = {}  # not told yet
        self._told: dict[int, str] = {}  # why a file cannot be taken over, by row
        self.due_at = clock() if peers else NEVER  # when to look, by the clock
        self.has_lost = False  # files, since the last `put_back`

    def begin(self) -> None:
        """The files that were found at the start go on when they may."""
        now = self._clock()
        self._quiet_until |= {row: now + seconds for row, seconds in self._recovery.quiet_in.items()}

    def quiet(self, number: int) -> Pause | None:
        """Return what the file of this row has to wait before it goes on, if anything."""
        seconds = self._quiet_until.get(number, NO_TIME) - self._clock()
        return Pause(seconds) if seconds > 0 else None

    def ended(self, number: int) -> None:
        """The file of this row is not ours any more, or came to its end."""
        self._quiet_until.pop(number, None)

    def look(self, busy: Collection[int]) -> Found:
        """Take over, and return what goes on under us; `busy`: rows whose scripts have not ended here. Raises
        `Outside`; may be repeated."""
        assert self._peers is not None, "alone there is nothing to look for"
        self.due_at = self._clock() + POLL_SECONDS
        self._lost |= self._peers.lost()
        for one in self._take_over(self._peers, busy):
            self._taken[one.row.id] = one.row
            self._quiet_until[one.row.id] = self._clock() + one.quiet_in
            self._stream.emit(TookOver(one.row, one.agent, one.host, one.silent_since, one.quiet_in))
        for words in self._peers.news():
            self._stream.emit(Warned(words))
        found = [row for taken in list(self._taken.values()) for row in self._adopted(taken)]
        lost, self._lost = self._lost, {}
        return Found(tuple(found), tuple(lost.items()))

    def _take_over(self, peers: Peers, busy: Collection[int]) -> list[Taken]:
        try:
            lock = self._alone()
        except Outside:  # what a `watcher withdraw` is at is ours by its row, and not for us
            return []
        with lock:
            return peers.take_over(self._sees, self._routes, busy)

    def put_back(self) -> None:
        """Put away what files that are others' by now left here. Raises `Outside`; may be repeated."""
        self.has_lost = False
        try:
            self._recovery.put_back_lost()
        except Outside:
            self.has_lost = True
            raise

    def _adopted(self, row: Row) -> list[Row]:
        assert self._peers is not None, "it took this over"
        try:
            self._peers.require_lease(row.id)  # or else it is fetched from under the hands of its owner
            found = self._recovery.adopt([row])
        except TakenOver:
            found = []
        except Outside as fault:
            words = f"{row.name}: it cannot be taken over yet: {fault}"
            if self._told.get(row.id) != words:  # once, and not at each look
                self._stream.emit(Warned(words))
            self._told[row.id] = words
            return []
        del self._taken[row.id]
        self._told.pop(row.id, None)
        return found
