"""Takes a file out of the queue from outside the agent: the verdict first, then the move, then the report.

At every point the file is in one place: with its verdict written down and not moved yet it goes on waiting;
once it is in the work folder, whoever comes next files it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from watcher.agent.queue.claims import claim_of
from watcher.agent.queue.routing import route_of
from watcher.core.errors import Gone, NotWhole, Outside, Unfit
from watcher.core.model import Fingerprint, Route, Row
from watcher.core.steps import Finish, Plan, Reject, Vanish
from watcher.core.units import utc_text
from watcher.disk import files, filing
from watcher.disk.claim import Wanted, claim, marker_beside
from watcher.disk.others import remove_part
from watcher.disk.places import Places
from watcher.journal.protocol import Journal

Now = Callable[[], datetime]


class NotFiled(Outside):
    """A file is withdrawn, and the failed folder is in the way: whoever comes next moves it there."""

    def __init__(self, row: Row, away: Outside) -> None:
        """`away` says what is in the way."""
        super().__init__(away.target, away.reason, check=away.check)
        self.row = row


def take_out(
    journal: Journal,
    places: Places,
    source: Path,
    fault: Unfit,
    routes: Sequence[Route],
    *,
    now: Now,
    token: str,
    is_anothers: bool,
) -> Row:
    """Move a file that is not under way here to the failed folder; returns its row.

    `is_anothers`: another agent had begun with it, under this push token, in a folder of that name. Raises
    `NotWhole` where it is no regular file, or not there any more, and `Outside` where it was not moved; then
    it is where it was. Raises `NotFiled` where the failed folder is in the way: it is in the work folder
    then.
    """
    look, route = _look(source), route_of(source, routes)
    target = filing.plan(places.failed, source.name, now(), with_report=True)
    begun = claim_of(places, source.name, look, route, token, now())
    [row] = journal.claim([replace(begun, fault=fault, in_doubt=is_anothers)])
    try:
        [row] = journal.apply([Plan(row, str(target))])
        marker = None if route is None else marker_beside(source, route, routes)
        _move(places, Wanted(source, Path(row.file.source), look, marker.name if marker else None))
    except (NotWhole, Outside):
        with suppress(Outside):  # should that fail as well, the next start finds that it was not moved
            journal.apply([Vanish(row, "it could not be withdrawn: it stayed where it was", utc_text(now()))])
        raise
    if is_anothers:
        _clear_away(source.parent, Path(row.file.source).parent)
    try:
        return file_it(journal, places, row, now=now)
    except Outside as away:
        raise NotFiled(row, away) from away


def put_out(journal: Journal, row: Row, fault: Unfit, *, now: Now) -> Row:
    """Write the verdict down. Raises `IllegalStep` where there is one already."""
    [row] = journal.apply([Reject(row, fault, utc_text(now()))])
    return row


def file_it(journal: Journal, places: Places, row: Row, *, now: Now) -> Row:
    """Move a file with its verdict, out of our part of the work folder, and write its report.

    Raises `Outside`: the agent goes on with it when it starts.
    """
    while True:
        if row.place.target is None:
            target = filing.plan(places.failed, row.name, now(), with_report=True)
            [row] = journal.apply([Plan(row, str(target))])
        try:
            if filing.finish(places, row, is_anothers=partial(journal.archive.is_anothers, row)):
                [row] = journal.apply([Finish(row)])
                return row
        except Gone:
            [row] = journal.apply([Vanish(row, "somebody took it before it could be moved", utc_text(now()))])
            return row
        row = replace(row, place=replace(row.place, target=None))


def _look(source: Path) -> Fingerprint:
    try:
        status = os.lstat(source)
    except OSError as error:
        raise NotWhole(f"cannot be looked at: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise NotWhole("it is no regular file, and was never in the queue")
    return Fingerprint.of(status)


def _move(places: Places, wanted: Wanted) -> None:
    with files.blame(places.work):
        filing.make_work_folder(places.work)
    [error] = claim([wanted])
    if error is not None:
        raise error


def _clear_away(theirs: Path, own: Path) -> None:
    """Take what else another agent had of the file, and remove the folders that are empty then.

    The drafts beside its folder are bad records that are still in the file, and half a report.
    """
    with suppress(OSError):
        for path in sorted(theirs.iterdir()):
            files.rename_in(path, own / path.name)
        files.remove_folder(theirs)
        for suffix in (".aside", ".report"):
            files.remove(theirs.with_name(theirs.name + suffix))
        remove_part(theirs.parent)
