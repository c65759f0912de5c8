"""The one queue of several agents, as far as it bears on ours: what lets others go first.

Whose turn it is says the journal, within the transaction of the claim; here is when it is worth asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from watcher.agent.engine.runs import Runs
from watcher.core.errors import Outside
from watcher.core.holds import NEVER
from watcher.core.model import Claim, Route, Row
from watcher.disk.others import agents
from watcher.journal.peers import PROBED, Turn
from watcher.journal.protocol import Journal

# So often the journal is asked again, where nobody told that a file came to its end.
ASKED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """What a claim goes by."""

    turns: Mapping[str | None, Turn]
    mark: int  # of the look that found the files: what ended later, it did not see
    known: frozenset[int] = frozenset()  # rows of ours that have their place in our own line


class SharedQueue:
    """For one agent; one that is alone has every turn.

    `mark` and `claim` are called in a worker's thread, the others in the control thread.
    """

    def __init__(
        self,
        journal: Journal,
        work: Path,
        routes: Mapping[str, Route],
        runs: Runs,
        *,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        """`work`: our part of the work folder; `runs`: our files under way; `wake` ends the loop's wait, from
        any thread."""
        self._journal, self._peers, self._sees = journal, journal.peers, partial(agents, work)
        self._routes, self._runs, self._clock, self._wake = routes, runs, clock, wake
        self._behind: dict[str, tuple[str, float]] = {}  # why, and until when, by route
        self._mark = 0
        self._is_told = self._is_through = False
        self._has_ended = False  # a file, anybody's, since the last claim began
        if self._peers is not None:
            self._peers.listen(self._hear)

    def mark(self) -> int | None:
        """Return where the ends of files are by now; None where that cannot be told: the mark before does,
        and lets fewer go."""
        try:
            return self._peers.mark() if self._peers is not None else None
        except Outside:
            return None

    def claim(self, claims: Sequence[Claim], line: Line) -> Sequence[Row | str]:
        """Claim those whose turn it is; for the others, return why it is not. Raises `Outside`."""
        if self._peers is None or not claims:
            return self._journal.claim(claims)
        return self._peers.claim(claims, line.turns, mark=line.mark, known=line.known, sees=self._sees)

    def looked(self, mark: int | None) -> None:
        """A look that began with this mark is over."""
        if mark is not None and mark != self._mark:
            self._mark, self._behind = mark, {}

    def line(self) -> Line:
        """Return what the claims of now go by: one begins."""
        self._has_ended = False
        turns: dict[str | None, Turn] = {
            name: Turn(route.after, route.parallel, self._runs.aside[name])
            for name, route in self._routes.items()
        }
        return Line(turns, self._mark, frozenset(run.number for run in self._runs.files))

    def refused(self, route: str | None, why: str) -> None:
        """It is not our turn in this route, or was not: should a file have come to its end since the claim
        began, it is asked again now."""
        assert route is not None, "files without a route wait for nobody"
        self._behind[route] = (why, self._clock() + ASKED_SECONDS)
        if self._has_ended:  # or else it would wait, for nobody tells of that again
            self._is_told = True

    def why(self, route: str) -> str | None:
        """Say why no file of this route is to be claimed now, as far as is known."""
        return self._behind[route][0] if route in self._behind else None

    def ended(self) -> None:
        """A file of ours came to its end: it may be anybody's turn."""
        self._behind, self._has_ended = {}, True

    def turn(self) -> bool:
        """Forget what is due to be asked again; say whether a file of another agent came to its end since the
        last turn, that ours waited for."""
        now = self._clock()
        self._behind = {route: behind for route, behind in self._behind.items() if now < behind[1]}
        if not self._is_told:
            return False
        self._is_told, behind, self._behind = False, self._behind, {}
        self._has_ended = True
        return bool(behind)

    @property
    def due_at(self) -> float:
        """When to ask again, by the clock."""
        return min((until for _, until in self._behind.values()), default=NEVER)

    def came_through(self) -> bool:
        """Say whether another agent got through to a server that was held, since the last call."""
        is_through, self._is_through = self._is_through, False
        return is_through

    def _hear(self, told: str) -> None:
        if told == PROBED:
            self._is_through = True
        else:
            self._is_told = True
        self._wake()
