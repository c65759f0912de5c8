"""The files that wait for a reason of their own, and since when: one that does for too long is told, once.

Such a reason lies in the file: it is open, unreadable, immovable, a link, without its marker, changes for
ever, or is a folder. Files that wait their turn, or for something that is held, do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

from watcher.core.events import Stuck, StuckEnded
from watcher.core.holds import NEVER
from watcher.core.order import Waiting, behind, present_key
from watcher.core.settle import Wait, remedy
from watcher.report.stream import Stream

SHOWN_BLOCKED = 20  # files named that wait for a stuck one; the others are counted


@dataclass(slots=True)
class Case:
    """One file that waits for a reason of its own."""

    why: str
    since: float  # seconds by the clock
    refused: bool = False  # a claim found the reason; until the next one, nobody knows whether it is over
    tried: bool = True  # the reason was found at the last look or claim, and not at an earlier one
    blocked: tuple[tuple[str, ...], int] = ((), 0)  # who waits for it, as far as is known
    told: bool = False


class Patience:
    """All cases of one drop folder; for the control thread."""

    def __init__(
        self,
        seconds: float,
        after: Mapping[str, Sequence[str]],
        stream: Stream,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        cases: MutableMapping[str, Case] | None = None,
    ) -> None:
        """`seconds`: `settle.patience`; `after`: which routes each route waits for; `cases` by name, those
        of the agent before in this process."""
        self._cases: MutableMapping[str, Case] = {} if cases is None else cases
        self._seconds, self._after, self._stream = seconds, after, stream
        self._clock, self._now = clock, now
        self._stuck = {name: case for name, case in self._cases.items() if case.told}
        self.due_at = self._due_at()  # when the next one is to be told at the earliest, by the clock

    @property
    def number(self) -> int:
        """How many files are stuck: were told, and still wait. Any thread may ask."""
        return len(self._stuck)

    def look(self, waiting: Iterable[Waiting], misplaced: Iterable[tuple[str, str]]) -> None:
        """Take a look into account: the files that wait, and (name, why) of what is no file at all."""
        now, present = self._clock(), set[str]()
        for file in waiting:
            known = self._cases.get(file.name)
            if known is not None and known.refused and not _is_new(file.verdict):
                known.tried = isinstance(file.verdict, Wait)  # it is quiet anew, and then it is tried again
            elif isinstance(file.verdict, Wait):
                self._found(file.name, file.verdict.why, now)
            else:
                continue
            present.add(file.name)
        for name, why in misplaced:
            self._found(name, why, now)
            present.add(name)
        self.over([name for name in self._cases if name not in present])
        self.due_at = self._due_at()

    def refused(self, name: str, why: str) -> None:
        """A claim could not have this file."""
        case = self._found(name, why, self._clock())
        case.refused = True
        self.due_at = min(self.due_at, NEVER if case.told else case.since + self._seconds)

    def over(self, names: Iterable[str]) -> None:
        """These files were taken, are gone, or wait for no reason of their own any more."""
        for name in names:
            case = self._cases.pop(name, None)
            if case is not None and name in self._stuck:
                del self._stuck[name]
                self._stream.emit(StuckEnded(name, self._clock() - case.since))

    def tell(self, waiting: Mapping[str, Waiting], *, all_of_them: bool = False) -> bool:
        """Tell those that are due; `all_of_them`: those that are not yet, too, for this is the end. Returns
        whether there was one."""
        now, told = self._clock(), False
        blocked = _Blocked(self._after, waiting)
        for name, case in self._cases.items():
            if case.told or not (all_of_them or (case.tried and now >= case.since + self._seconds)):
                continue
            case.told = told = True
            self._stuck[name] = case
            self._stream.emit(self._event(name, case, blocked))
        self.due_at = self._due_at()
        return told

    def listed(self, waiting: Mapping[str, Waiting], most: int) -> list[tuple[Stuck, bool]]:
        """Return the cases, no more than `most`, those that are stuck first, and whether each is."""
        blocked = _Blocked(self._after, waiting)
        others = ((name, case) for name, case in self._cases.items() if not case.told)
        cases = islice(chain(self._stuck.items(), others), most)
        return [(self._event(name, case, blocked), case.told) for name, case in cases]

    def _due_at(self) -> float:
        begun = (case.since for case in self._cases.values() if case.tried and not case.told)
        return min(begun, default=NEVER) + self._seconds

    def _found(self, name: str, why: str, now: float) -> Case:
        case = self._cases.setdefault(name, Case(why, now))
        case.why, case.refused, case.tried = why, False, True
        return case

    def _event(self, name: str, case: Case, blocked: _Blocked) -> Stuck:
        since = self._now() - timedelta(seconds=self._clock() - case.since)
        case.blocked = blocked.by(name) or case.blocked
        return Stuck(name, case.why, remedy(case.why), since, *case.blocked)


class _Blocked:
    """Which files wait for a stuck one; asked once for each route, however many of its files are stuck."""

    def __init__(self, after: Mapping[str, Sequence[str]], waiting: Mapping[str, Waiting]) -> None:
        self._after, self._waiting = after, waiting
        self._known: dict[str | None, tuple[tuple[str, ...], int]] = {}
        self._present: dict[str | None, int] | None = None

    def by(self, name: str) -> tuple[tuple[str, ...], int] | None:
        """Return the names of the first ones, and the number of all; None: it is being tried just now."""
        stuck = self._waiting.get(name)
        if stuck is None:
            return None
        key = present_key(stuck)
        if key not in self._known:
            self._known[key] = self._blocked(key)
        return self._known[key]

    def _blocked(self, key: str | None) -> tuple[tuple[str, ...], int]:
        if self._present is None:
            self._present = {}
            for file in self._waiting.values():
                found = present_key(file)
                self._present[found] = self._present.get(found, 0) + 1
        routes = behind(key, self._after, self._present)
        number = sum(self._present.get(route, 0) for route in routes)
        files = (file.name for file in self._waiting.values() if present_key(file) in routes)
        return tuple(islice(files, min(number, SHOWN_BLOCKED))), number


def _is_new(verdict: object) -> bool:
    """Say whether this is a reason that has nothing to do with the last claim: it does not end by itself."""
    return isinstance(verdict, Wait) and verdict.until is None
