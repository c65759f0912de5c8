"""What is found at the start: files that were under way at the last stop, and files nobody knows.

It looks at the disk and brings the journal in line with it; nothing is sent here. All of it may be
repeated, and none of it is decided while a folder is away: then it raises `Outside`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from watcher.agent.upkeep.orphans import put_away
from watcher.agent.upkeep.withdrawals import passing
from watcher.core.errors import NotAlone, NotWhole, Outside
from watcher.core.events import Warned
from watcher.core.model import FileState, Route, Row
from watcher.core.steps import Relocate
from watcher.disk import files
from watcher.disk.claim import marker_beside, take_marker, was_removed
from watcher.disk.others import fetch, remove_part
from watcher.disk.ours import require_ours
from watcher.disk.owner import Owner
from watcher.disk.places import Places
from watcher.journal.protocol import Journal
from watcher.report.stream import Stream


class Recovery:
    """For one agent; called in a worker's thread."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        owner: Owner,
        routes: Mapping[str, Route],
        stream: Stream,
        *,
        now: Callable[[], datetime],
    ) -> None:
        # What the server refused last, with nothing delivered since: route and HTTP status.
        self.refused: list[tuple[Route, int]] = []
        self.quiet_in: dict[int, float] = {}  # seconds before a file may go on, by row: see `Peers.quiet_in`
        self._journal, self._places, self._routes = journal, places, routes
        self._owner, self._stream, self._now = owner, stream, now

    def recover(self) -> list[Row]:
        """Return the files that were under way at the last stop, each with where it really is.

        Raises `Outside`, and `NotAlone` where another agent works under our id; may be repeated.
        """
        journal, places = self._journal, self._places
        require_ours(places.work)  # whatever lies in one of others is neither moved nor removed
        self._owner.take()
        self.quiet_in = journal.peers.quiet_in() if journal.peers else {}
        with passing(places.state, patience=0.0):  # what a `watcher withdraw` is at is none of ours
            found = self.adopt(journal.under_way("drop"))
            tokens = {Path(entry.file.source).parent.name for entry in found}
            self._put_away(lambda: tokens)
        self.refused = list(self._refused())
        return found

    def adopt(self, entries: Sequence[Row]) -> list[Row]:
        """Return these files of ours, each with where it really is, but for those that were never claimed.

        Raises `Outside`; may be repeated.
        """
        places, found = self._places, list[Row]()
        lying = [located(self._journal, places, entry) for entry in entries]
        if any(now.file.source != then.file.source for now, then in zip(lying, entries, strict=True)):
            self._owner.beat()  # our part may be new, and what has no owner looks stranded to others
        for entry in lying:
            if entry.state is FileState.SEEN:
                if not _was_claimed(places, entry):
                    self._journal.forget([entry])
                    continue
                _fetch_marker(places, self._routes, entry)
            found.append(entry)
        return found

    def put_back_lost(self) -> None:
        """Put away what a file left here that another agent had meanwhile. Raises `Outside`."""
        require_ours(self._places.work)
        self._put_away(lambda: {Path(row.file.source).parent.name for row in self._journal.under_way("drop")})

    def _put_away(self, known: Callable[[], Collection[str]]) -> None:
        for words in put_away(self._journal, self._places, known, self._now()):
            self._stream.emit(Warned(words))

    def _refused(self) -> Iterator[tuple[Route, int]]:
        for name, route in self._routes.items():
            last = self._journal.last_answered(name)
            if last is not None and last.outcome.status is not None:
                yield route, last.outcome.status

    def tidy(self) -> None:
        """Remove the work folder where it is empty; the next claim makes it again."""
        tidy(self._journal, self._places, self._owner)


def tidy(journal: Journal, places: Places, owner: Owner) -> None:
    """Remove our part of the work folder where it is empty.

    Not while a row needs it: there it tells a file that was moved from a share that is away.
    """
    work = places.work
    with suppress(OSError, Outside, NotAlone):  # only for the eye: a folder that is away is no fault
        owner.require_alone()
        if journal.under_way("drop"):
            owner.leave()
            return
        require_ours(work)
        remove_part(work)
        if work.parent.parent == places.drop:  # the default, .uploading: ours alone
            files.remove_folder(work.parent)


def located(journal: Journal, places: Places, entry: Row) -> Row:
    """Return the row with its paths in line with the settings, whose folders may have moved meanwhile; a file
    in the work folder of another agent is in ours then. Raises `Outside`; may be repeated."""
    old = Path(entry.file.source)
    source = places.work / old.parent.name / entry.name
    if not os.path.lexists(source.parent):
        fetch(places.work, old.parent.name)
    target = Path(entry.place.target) if entry.place.target else None
    ours = (places.done, places.failed, places.drop)
    if target is not None and target.parent not in ours and target.parent.parent != places.done:
        # Only a file that is already there belongs to a folder that the settings do not name any more.
        target = target if _is_there(target) else None
    aside = Path(entry.place.aside) if entry.place.aside else None
    if aside is not None and aside.parent != places.failed:
        aside = aside if _is_there(aside) else None
    if (
        source == old
        and str(target or "") == (entry.place.target or "")
        and str(aside or "") == (entry.place.aside or "")
    ):
        return entry
    paths = (None if path is None else str(path) for path in (target, aside))
    [row] = journal.apply([Relocate(entry, str(source), *paths)])
    return row


def _is_there(path: Path) -> bool:
    with files.looking_at(path.parent):
        return os.path.lexists(path)


def _was_claimed(places: Places, entry: Row) -> bool:
    """Say whether the crash came after the rename; to be said only of folders that are there."""
    with files.blame(places.drop):
        places.drop.stat()
    if os.path.lexists(entry.file.source):
        return True
    if os.path.lexists(places.drop / entry.name):
        return False
    with files.blame(places.work):
        if was_removed(places.work, places.drop, entry.file.fingerprint.device):
            return True  # it may have been in there: it is told as vanished
        places.work.stat()
    return False


def _fetch_marker(places: Places, routes: Mapping[str, Route], entry: Row) -> None:
    """A crash may have come between a file and its marker. If there is a new file of that name by now, the
    marker may be that one's, and stays."""
    route = routes.get(entry.route or "")
    if route is None or route.marker is None or not os.path.lexists(entry.file.source):
        return
    if os.path.lexists(places.drop / entry.name):
        return
    with files.blame(places.drop), suppress(NotWhole):  # the file itself is ours, and goes on without
        marker = marker_beside(places.drop / entry.name, route, [*routes.values()])
        if marker is not None:
            take_marker(places.drop, Path(entry.file.source).parent, marker.name)
