"""The drop folder over time: looks, remembers what was seen before, and says which files are whole.

Joins `drop` (the scan), `settle` (the judgement) and `route` (the name). A look is made in a worker's thread,
one at a time; the control thread calls the rest while there is none, and watchdog's thread calls `hint`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from watcher.agent.queue.doubts import Doubts
from watcher.agent.queue.elsewhere import Others
from watcher.agent.queue.openings import Openings
from watcher.agent.queue.routing import Routed, routed
from watcher.core.errors import TooSlow
from watcher.core.events import ObserverRestarted, Warned
from watcher.core.model import Fingerprint, Route
from watcher.core.names import is_zip
from watcher.core.order import Waiting
from watcher.core.route import is_marker, marker_for, marker_of, markers_by_name, matching_route
from watcher.core.settle import EMPTY_PATIENCE, Ready, Settling, Wait, judge, observe, restart
from watcher.disk.drop import Drop, Found
from watcher.disk.hints import Hints
from watcher.disk.others import Stranger
from watcher.report.stream import Stream

# A burst of events makes one look, and looks take at most a third of the time however large the folder is.
SHORTEST_PAUSE_SECONDS = 0.02
PAUSE_PER_LOOK = 2.0
OTHERS_SECONDS = 2.0  # between two looks while another agent is at files that ours may wait for
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found."""

    waiting: Sequence[Waiting]
    odd: Sequence[tuple[str, str]]  # (name, why) of what lies there and is none of ours
    misplaced: Sequence[tuple[str, str]] = ()  # those of them that are no files: links, pipes, folders
    elsewhere: Mapping[str | None, int] = field(default_factory=dict)  # files of other agents, by route
    stranded: int = 0  # how many of those nobody will see to


class _Said(NamedTuple):
    """What a name says."""

    route: Route | None = None
    unknown_zip: bool = False  # it must be opened to tell
    odd: str = ""  # why it is none of ours
    slow: str = ""  # an expression of the settings takes too long on it: there is no telling what it is


class DropWatcher:
    """Knows for each name in the drop folder how long it has been as it is."""

    def __init__(
        self,
        drop: Drop,
        routes: Sequence[Route],
        *,
        quiet: float,
        rescan: float,
        ignore_unmatched: bool,
        events: bool,
        wake: Callable[[], None],
        stream: Stream,
        clock: Callable[[], float] = time.monotonic,
        elsewhere: Callable[[], list[Stranger]] = list,
        unsure: float = 0.0,
        openings: Openings | None = None,
    ) -> None:
        """`quiet`, `unsure` and `rescan` in seconds; `events`: native ones are wanted; `wake` ends the loop's
        wait; `elsewhere` gives the files in the work folders of other agents; `openings`: what is known of
        who writes there."""
        self.due_at = clock()  # when the next look is due, by the clock
        self.doubts = Doubts()  # whoever claims a file adds to them
        self.longest_wait = max(quiet * EMPTY_PATIENCE, unsure)  # seconds that any file settles
        self._drop = drop
        self._routes = routes
        self._quiet = quiet
        self._unsure = unsure
        self._rescan = rescan
        self._ignore_unmatched = ignore_unmatched
        self._events = events
        self._wake = wake
        self._stream = stream
        self._clock = clock
        self._others = Others(elsewhere, routes, stream)
        self._hints: Hints | None = None
        self.openings = openings or Openings(drop.folder, shared=False)
        self._settling: dict[str, Settling] = {}
        self._by_name: dict[str, _Said] = {}  # at the last look
        # Whose own names say nothing: what is known by what is in them; were they whole?
        self._zips: dict[str, tuple[Fingerprint, Routed, bool]] = {}
        self._earliest = clock()
        self._hinted = False

    def hint(self) -> None:
        """Something happened in the folder: look soon."""
        if not self._hinted:
            self._hinted = True
            self._wake()

    def look(self, again: Mapping[str, float] = _NONE) -> Look:
        """Look at the whole folder; returns every file that waits in it. Raises `Outside`.

        `again` names files that turned out to be in use, or different, and when: they are quiet anew.
        """
        for name in again.keys() & self._settling.keys():
            if not self.doubts.is_new(name):
                self._settling[name] = restart(self._settling[name], again[name])
        self._watch()
        self._hinted = False  # before the look: what happens during it needs another one
        began = self._clock()
        self._others.look()
        found = self._drop.scan()
        self.openings.hear()
        # Once more, behind the scan: whatever moves between the folders meanwhile is seen in one of them.
        self._others.look(again=True)
        now = self._clock()
        waiting, odd, until = self._judged(found, now)
        if self._others.at_work:  # no event tells when they are through
            until.append(now + OTHERS_SECONDS)
        self._earliest = now + max(SHORTEST_PAUSE_SECONDS, PAUSE_PER_LOOK * (now - began))
        self.due_at = max(self._earliest, min([now + self._rescan, *until]))
        misplaced = [(item.name, item.odd) for item in found if item.odd]
        return Look(waiting, odd, misplaced, self._others.by_route, self._others.stranded)

    def soon(self) -> None:
        """Take a hint into account: bring the next look forward. Called by the main loop."""
        if self._hinted:
            self.at_once()

    def again_soon(self) -> None:
        """A file turned out to be in use, or different: look again when it may be quiet."""
        self.due_at = min(self.due_at, self._clock() + max(self._quiet, SHORTEST_PAUSE_SECONDS))

    def at_once(self) -> None:
        """Bring the next look forward as far as it may be."""
        self.due_at = min(self.due_at, max(self._earliest, self._clock()))

    def since(self, name: str) -> float | None:
        """Return when a waiting file was first seen as it is now, by the clock. Any thread may ask."""
        known = self._settling.get(name)
        return known.since if known else None

    @property
    def deaf(self) -> bool:
        """Whether a thread of watchdog's died; the next look mends that. Any thread may ask."""
        hints = self._hints
        return hints is not None and not hints.running()

    def stop(self, *, for_good: bool = True) -> None:
        """End watchdog's threads, and have no more of them. `for_good` False: who has a file open is still
        listened to, for whoever comes next."""
        self._events = False
        self._forget()
        if for_good:
            self.openings.stop()

    def _forget(self) -> None:
        if self._hints is not None:
            self._hints.stop()
            self._hints = None

    def _watch(self) -> None:
        """See to it that events come; first of all, so that no file falls between events and look."""
        if not self._events:
            return
        was_deaf = self._hints is not None and not self._hints.alive()
        if was_deaf or (self._hints is not None and self._hints.doubtful()):
            self._forget()
        try:
            # First: what it hears of a file must not begin behind a hint of that file.
            self.openings.listen(self.hint)
            self._hints = self._hints or Hints(self._drop.folder, self.hint)
        except OSError as error:
            # The scan says whether the folder is away. Anything else (the kernel's limit of watches, say)
            # costs only speed: the scan goes on without events.
            if self._drop.folder.is_dir():
                words = (
                    f"no events for the drop folder ({error.strerror}): looking every {self._rescan:g} s, "
                    "and nothing tells whether a file of another user is open"
                )
                self._stream.emit(Warned(words))
                self._events = False
            return
        if was_deaf:
            self._stream.emit(ObserverRestarted())

    def _judged(
        self, found: list[Found], now: float
    ) -> tuple[list[Waiting], list[tuple[str, str]], list[float]]:
        names = {item.name for item in found}
        # A link is no marker: nobody knows what it leads to, and it could not go along with the file.
        lying = markers_by_name((item.name for item in found if not item.odd), self._routes)
        judged: dict[str, _Said] = {}
        settling: dict[str, Settling] = {}
        waiting: list[Waiting] = []
        until: list[float] = []
        odd: list[tuple[str, str]] = []
        for item in found:
            # A name means the same at every look, and a hundred thousand of them take seconds to route.
            said = judged[item.name] = self._by_name.get(item.name) or self._of(item.name)
            wanted, slow, why = said.route, said.slow, item.odd or said.odd
            if why or item.look is None:
                odd.append((item.name, why))
                continue
            known = observe(self._settling.get(item.name), item.look, now)
            settling[item.name] = known
            unread = bool(slow)
            if said.unknown_zip:
                is_ready = isinstance(judge(known, now, quiet=self._quiet), Ready)
                wanted, unread, slow = self._route_inside(item.name, known.look, anew=is_ready)
                if is_ready and not slow and (why := self._not_ours(item.name, wanted)):
                    odd.append((item.name, why))
                    continue
            marker = marker_for(item.name, wanted, lying, self._routes) if wanted else None
            missing = marker_of(item.name, wanted) if wanted and marker is None else None
            doubt = self.doubts.of(item.name, known.look)
            verdict = judge(known, now, quiet=self._quiet, marker=missing, doubt=doubt)
            if isinstance(verdict, Ready):
                # Whoever wrote a marker knows that the file is whole.
                unsure = 0.0 if marker else self._unsure
                openness = self.openings.of(item.name, item.look)
                verdict = judge(known, now, quiet=self._quiet, openness=openness, unsure=unsure)
            if isinstance(verdict, Wait) and verdict.until is not None:
                until.append(verdict.until)
            if item.busy or slow:
                verdict = Wait(item.busy or slow)
            waiting.append(Waiting(item.name, known.look, wanted, verdict, unread, marker, doubt))
        self._settling, self._by_name = settling, judged
        self.doubts.keep(names)
        self._zips = {name: known for name, known in self._zips.items() if name in names}
        self.openings.keep(names)
        return waiting, odd, until

    def _of(self, name: str) -> _Said:
        try:
            wanted = matching_route(name, self._routes)
            unknown_zip = wanted is None and is_zip(name)
            return _Said(wanted, unknown_zip, "" if unknown_zip else self._not_ours(name, wanted))
        except TooSlow as slow:
            return _Said(slow=str(slow))

    def _route_inside(self, name: str, look: Fingerprint, *, anew: bool) -> Routed:
        """Return what is known of the route of the file in a zip. It is opened once while it settles, for the
        order of files, and with `anew` once more, now that it is whole."""
        known = self._zips.get(name)
        if known is None or known[0] != look or (anew and not known[2]):
            known = self._zips[name] = (look, routed(self._drop.folder / name, self._routes), anew)
        return known[1]

    def _not_ours(self, name: str, wanted: Route | None) -> str:
        if is_marker(name, self._routes):
            return "a marker file"
        if wanted is None and self._ignore_unmatched:
            return "no route matches its name, and `unmatched: ignore` leaves it"
        return ""
