"""The life of one file: claim, inspect, deliver, and file it under its outcome.

Every step is in the journal before it is done, so `carry` goes on from wherever a crash left the file.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from watcher.agent.deliver import Delivery
from watcher.agent.desk import Desk, destination
from watcher.agent.duplicates import left_out
from watcher.agent.recovery import recover
from watcher.content.compressed import member_name
from watcher.content.content import Content
from watcher.content.inspect import prepare, refuse_empty
from watcher.content.receipt import line_digests
from watcher.core.errors import Gone, NotWhole, Outside, Unfit
from watcher.core.model import FINAL, Claim, FileState, Receipt, Route, Row
from watcher.core.names import is_compressed, is_zip, shown
from watcher.core.order import Waiting
from watcher.core.route import marker_of
from watcher.core.steps import Change, Deliver, Finish, Plan, Ready, Reject, Step, Vanish
from watcher.core.units import utc_text
from watcher.disk import files, filing
from watcher.disk.claim import claim, name_inside, open_claimed, unchanged
from watcher.disk.places import Places
from watcher.disk.scratch import scratch_file
from watcher.report import log

_UNDECIDED = frozenset({FileState.READY, FileState.SENDING, FileState.RETRYING})


class Pipeline:
    """Takes files out of the drop folder and carries each to its end."""

    def __init__(
        self,
        desk: Desk,
        places: Places,
        routes: Sequence[Route],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._desk = desk
        self._places = places
        self._routes: Mapping[str, Route] = {route.name: route for route in routes}
        self._now = now
        self._carrying: set[int] = set()  # rows that are in somebody's hands; each thread adds its own

    def take(self, waiting: Waiting) -> Row:
        """Claim a file that is ready.

        Raises `NotWhole` where it is not what it was any more, or in use (look again), `Outside` for a fault
        of the folders; nothing has moved then.
        """
        if self._carrying and not self._places.work.is_dir():
            # Made anew, it would look as if somebody had taken the files under way out of it.
            raise Outside(
                files.folder_target(self._places.work),
                "it is gone, with files under way in it",
                check="mount it again, or bring it back",
            )
        # Before the row: a row without this folder means a share that is away, and nothing else.
        with files.blame(self._places.work):
            files.make_folder(self._places.work.parent)
            files.make_folder(self._places.work)
        push_token = str(uuid.uuid4())
        target = self._places.work / push_token / waiting.name
        route = waiting.route
        wanted = Claim(
            waiting.name, waiting.look, str(target), push_token,
            route.name if route else None, route.acd_type if route else None, "drop",
            utc_text(self._now()), self._missing_before(route),
        )  # fmt: skip
        [entry] = self._desk.journal.claim([wanted])
        try:
            marker = marker_of(waiting.name, route) if route else None
            claim(self._places.drop / waiting.name, target, waiting.look, marker=marker)
        except (NotWhole, Outside):
            self._desk.journal.forget([entry])
            raise
        log.claimed(entry)
        return entry

    def recover(self) -> list[Row]:
        """Return the files that were under way at the last stop. Raises `Outside`; may be repeated."""
        return recover(self._desk.journal, self._places, self._routes, self._now())

    def tidy(self) -> None:
        """Remove the work folder where it is empty; the next claim makes it again.

        Not while a row needs it: there it tells a file that was moved from a share that is away.
        """
        with suppress(OSError, Outside):  # only for the eye: a folder that is away is no fault
            if self._desk.journal.under_way("drop"):
                return
            files.remove_folder(self._places.work)
            if self._places.work.parent.parent == self._places.drop:  # the default, .uploading: ours alone
                files.remove_folder(self._places.work.parent)

    def carry(self, entry: Row) -> Row:
        """Bring a file from wherever it is to its end; returns its last row. Raises `Stopped`."""
        began = time.monotonic()
        self._carrying.add(entry.id)
        try:
            entry = self._to_its_end(self._desk.holds.insist(lambda: self._desk.journal.row(entry.id)))
        finally:
            self._carrying.discard(entry.id)
        match entry.state:
            case FileState.DONE:
                log.delivered(entry, seconds=time.monotonic() - began)
            case FileState.FAILED:
                log.failed(entry)
            case FileState.RETURNED:
                log.returned(entry)
            case _:
                log.vanished(entry)
        return entry

    def _to_its_end(self, entry: Row) -> Row:
        if entry.state is FileState.SEEN:
            entry = self._step(Ready(entry))
        if entry.state in _UNDECIDED:
            entry = self._decide(entry)
        return entry if entry.state in FINAL else self._file(entry)

    def _decide(self, entry: Row) -> Row:
        """Inspect and deliver the file; returns its row with the verdict."""
        try:
            # A disk that fails while the file is read is a hold; then the file is opened anew, and the
            # journal tells where to go on.
            done = self._desk.holds.insist(lambda: self._deliver(self._desk.journal.row(entry.id)))
        except Unfit as fault:
            return self._rejected(entry, fault)
        except NotWhole:
            return self._changed(entry, "it changed after it was taken; its upload was not completed")
        except Gone:
            return self._vanished(entry)
        return self._desk.holds.insist(lambda: self._delivered(entry, done))

    def _delivered(self, entry: Row, done: Receipt) -> Row:
        """Write down that the server has the file and, in the same commit, where it is moved to."""
        now, target, aside = utc_text(self._now()), None, None
        if entry.file.origin == "drop":
            decided = Deliver(entry, done, now).applied(entry)
            with suppress(Outside):  # a folder is away: the fact does not wait for it, `_file` does
                target, aside = self._plan(decided)
        paths = (None if path is None else str(path) for path in (target, aside))
        [row] = self._desk.journal.apply([Deliver(entry, done, now, *paths)])
        return row

    def _deliver(self, entry: Row) -> Receipt:
        folder = Path(entry.file.source).parent if entry.file.origin == "hand" else self._places.work
        with files.blame(folder), _opened(entry, folder) as file, ExitStack() as scratches:
            opened = os.fstat(file.fileno())
            try:
                route = self._route_of(entry, file)
                content = self._prepared(entry, route, file, scratches)
                # It can be read, and there is room for scratch files: no more than that was held.
                self._desk.holds.worked(files.folder_target(folder))
                if content.file is not file:
                    self._desk.holds.worked(files.folder_target(self._places.state))
                refuse_empty(content, route)
                if content.empty:
                    return Receipt(0, "empty: nothing was sent")
                if entry.upload.sha256 not in (None, content.source_sha256):
                    raise NotWhole
                place = destination(route, self._desk.client.tenant, content)
                if same := left_out(self._desk.journal.archive, entry, route, content.source_sha256, place):
                    if not unchanged(Path(entry.file.source), file, opened):
                        raise NotWhole
                    return same
                first, last = line_digests(content.file if is_compressed(entry.name) else file)
                self._keep_aside(entry, content)
                delivery = Delivery(self._desk, entry, route, file, opened=opened, content=content)
                return replace(delivery.send(), first_line=first, last_line=last)
            except Unfit:
                if not unchanged(Path(entry.file.source), file, opened):
                    raise NotWhole from None  # what was found may be half of what is being written
                raise

    def _prepared(self, entry: Row, route: Route, file: BinaryIO, scratches: ExitStack) -> Content:
        def scratch() -> BinaryIO:
            return scratches.enter_context(scratch_file(self._places.state))

        if entry.file.origin == "hand":  # whoever sends it is there to mend it
            route = replace(route, bad_records="fail")
        # The claim's time and not the clock: after a restart the same records must be good.
        claimed_at = datetime.fromisoformat(entry.file.started_at)
        return prepare(file, entry.name, route, scratch=scratch, now=claimed_at)

    def _keep_aside(self, entry: Row, content: Content) -> None:
        """Keep the bad records where a crash cannot take them, before the good ones are sent."""
        if entry.file.origin == "drop":
            draft = filing.aside_draft(entry.file.source)
            if content.aside is not None:
                files.write_private(draft, content.aside)
            else:
                files.remove(draft)

    def _route_of(self, entry: Row, file: BinaryIO) -> Route:
        if entry.route is None:
            if is_zip(entry.name):
                member_name(file)  # a damaged one says so, rather than that nothing matches
            raise Unfit(
                "no route matches the file's name",
                what_to_do="rename it, or add a route for it to the settings; `watcher explain` shows them",
            )
        if entry.route not in self._routes:
            raise NotWhole  # the settings changed while it was under way: it is routed anew
        return replace(self._routes[entry.route], acd_type=entry.file.acd_type)

    def _rejected(self, entry: Row, fault: Unfit) -> Row:
        return self._step(Reject(entry, fault, utc_text(self._now())))

    def _changed(self, entry: Row, reason: str) -> Row:
        if entry.file.origin == "hand":
            return self._rejected(entry, Unfit(reason, what_to_do="send it when nothing writes to it"))
        return self._step(Change(entry, reason, utc_text(self._now())))

    def _vanished(self, entry: Row) -> Row:
        reason = "somebody took it out of the work folder; its upload was not completed"
        if entry.state not in _UNDECIDED:
            reason = f"it was {entry.state}, and somebody took it before it could be moved"
        return self._step(Vanish(entry, reason, utc_text(self._now())))

    def _step(self, step: Step) -> Row:
        [row] = self._desk.holds.insist(lambda: self._desk.journal.apply([step]))
        return row

    def _file(self, entry: Row) -> Row:
        """Move the file to where its verdict puts it; a file sent by hand stays where it is."""
        while entry.file.origin == "drop":
            if entry.place.target is None:
                entry = self._desk.holds.insist(lambda: self._planned(entry))  # noqa: B023 - called at once
            try:
                if self._desk.holds.insist(lambda: filing.finish(self._places, entry)):  # noqa: B023 - called at once
                    break
            except Gone:
                return self._vanished(entry)
            # Somebody put another file there meanwhile.
            entry = replace(entry, place=replace(entry.place, target=None))
        return self._step(Finish(entry))

    def _planned(self, entry: Row) -> Row:
        """Choose where the file goes, and its bad records, and write it down."""
        target, aside = self._plan(entry)
        [row] = self._desk.journal.apply([Plan(entry, str(target), str(aside) if aside else None)])
        return row

    def _plan(self, entry: Row) -> tuple[Path, Path | None]:
        """Choose where the file goes, and its bad records. Raises `Outside`."""
        if entry.state is FileState.DELIVERED:
            folder = filing.folder_for(self._places, entry)
        else:
            folder = self._places.failed if entry.state is FileState.REJECTED else self._places.drop
        with_report = entry.state is FileState.REJECTED
        target = filing.plan(folder, entry.name, self._now(), with_report=with_report)
        aside = None if entry.place.aside is None else Path(entry.place.aside)
        draft = filing.aside_draft(entry.file.source)
        moved = aside is not None and os.path.lexists(aside) and files.is_moved(draft, aside)
        if entry.state is FileState.DELIVERED and os.path.lexists(draft) and not moved:
            name = name_inside(Path(entry.file.source))  # not compressed: it is to be looked at
            aside = filing.plan(self._places.failed, name, self._now(), with_report=True)
        return target, aside

    def _missing_before(self, route: Route | None) -> str | None:
        """Say which file that this one builds on has failed: the receipt names it."""
        notes = []
        for name in route.after if route else ():
            last = self._desk.journal.last_of(name)
            if last is not None and last.state is FileState.FAILED:
                notes.append(f"before it, {shown(last.name)} of {name} failed at {last.outcome.finished_at}")
        return "; ".join(notes) or None


@contextmanager
def _opened(entry: Row, folder: Path) -> Iterator[BinaryIO]:
    try:
        # Before anything was sent it must be the very file. Later its content is compared, by sha256, for a
        # remounted share may give it another device and inode.
        new = entry.upload.sha256 is None
        file = open_claimed(Path(entry.file.source), entry.file.fingerprint, same_inode=new)
    except FileNotFoundError:
        folder.stat()  # the whole folder is away: a hold, not a loss
        raise Gone from None
    with file:
        yield file
