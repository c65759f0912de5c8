"""What the agents of one journal owe each other: who died is taken over, and who was is told.

A file that is taken over goes on where its row says, as after a crash; where a chunk had been announced,
not before every request of the dead agent is past its deadline: it may only be cut off, or asleep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from watcher.agent.recovery import Recovery
from watcher.core.errors import Outside, TakenOver
from watcher.core.events import TookOver, Warned
from watcher.core.holds import NEVER
from watcher.core.model import Row
from watcher.disk.others import agents
from watcher.journal.peers import Peers
from watcher.report.stream import Stream

POLL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one look."""

    rows: tuple[Row, ...] = ()  # they are ours, and go on now
    lost: tuple[tuple[int, str], ...] = ()  # rows that are others' by now, and whose


class Takeover:
    """For one agent. `look` and `put_back` are called in a worker's thread, one at a time."""

    def __init__(
        self,
        peers: Peers | None,
        recovery: Recovery,
        work: Path,
        stream: Stream,
        *,
        later: dict[int, tuple[float, Row]],
        clock: Callable[[], float],
    ) -> None:
        """`peers`: None where the journal is one agent's alone; `work`: our part of the work folder; `later`:
        what an agent before in this process left, and leaves to the next: when a file goes on, by its row."""
        self._peers, self._recovery, self._stream, self._clock = peers, recovery, stream, clock
        self._sees = partial(agents, work)
        self._later = later
        self._lost: dict[int, str] = {}  # not told yet
        self._due_at = clock() if peers else NEVER
        self.has_lost = False  # files, since the last `put_back`

    @property
    def due_at(self) -> float:
        """When to look, by the clock."""
        return min([self._due_at, *(when for when, _ in list(self._later.values()))])

    @property
    def waits(self) -> bool:
        """Whether files of ours are to go on later."""
        return bool(self._later)

    def begin(self, rows: Iterable[Row]) -> list[Row]:
        """Of the files that were found at the start, return those that may go on now."""
        now, quiet_in = self._clock(), self._recovery.quiet_in
        rows = list(rows)
        self._later.clear()
        self._later |= {row.id: (now + quiet_in[row.id], row) for row in rows if row.id in quiet_in}
        return [row for row in rows if row.id not in quiet_in]

    def look(self) -> Found:
        """Take over, and return what may go on now. Raises `Outside`; may be repeated."""
        assert self._peers is not None, "alone there is nothing to look for"
        self._due_at = self._clock() + POLL_SECONDS
        self._lost |= self._peers.lost()
        for one in self._peers.take_over(self._sees):
            self._later[one.row.id] = (self._clock() + one.quiet_in, one.row)
            self._stream.emit(TookOver(one.row, one.agent, one.host, one.silent_since, one.quiet_in))
        found: list[Row] = []
        for when, row in list(self._later.values()):
            if when <= self._clock():
                found += self._adopted(row)
        lost, self._lost = self._lost, {}
        return Found(tuple(found), tuple(lost.items()))

    def put_back(self) -> None:
        """Put away what files that are others' by now left here. Raises `Outside`; may be repeated."""
        self.has_lost = False
        try:
            self._recovery.put_back_lost()
        except Outside:
            self.has_lost = True
            raise

    def _adopted(self, row: Row) -> list[Row]:
        try:
            found = self._recovery.adopt([row])
        except TakenOver:
            found = []
        except Outside as fault:
            self._later[row.id] = (self._clock() + POLL_SECONDS, row)
            self._stream.emit(Warned(f"{row.name}: it cannot be taken over yet: {fault}"))
            return []
        del self._later[row.id]
        return found
