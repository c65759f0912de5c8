"""Does the acts of a file's life, in a worker's thread: where they meet disk, journal and server.

One for each set of settings. It keeps nothing between two acts, and decides nothing that the script could.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from watcher.agent.effects.cutting import cut
from watcher.agent.effects.duplicates import destination, left_out
from watcher.agent.effects.hashing import BesideSha256
from watcher.agent.effects.open_file import ROUNDS, OpenFile, lines_of, opened_of
from watcher.agent.effects.shared_server import SharedServer
from watcher.agent.engine.contents import Contents
from watcher.content.compressed import member_name, told_size
from watcher.content.inspect import prepare, refuse_empty
from watcher.content.receipt import line_digests, receipt_of
from watcher.core.acts import Act, Choose, Cut, Found, Inspect, Load, Locate, Move, Piece, Push
from watcher.core.conversation import Reply, Request
from watcher.core.delivery import as_delivered
from watcher.core.errors import Gone, NotWhole, Outside, TakenOver, Unfit
from watcher.core.model import Placement, Receipt, Route, Row
from watcher.core.names import is_compressed, is_zip, shown
from watcher.core.probing import Ask, Report
from watcher.core.target import Target
from watcher.core.units import utc_text
from watcher.disk import files, filing
from watcher.disk.claim import changed_at, is_gone, open_claimed, require_same_version
from watcher.disk.places import Places
from watcher.disk.scratch import require_room, scratch_file
from watcher.journal.protocol import Journal


class Sender(Protocol):
    """What is needed of a client."""

    server: str
    token_url: str
    tenant: str

    def push(self, request: Request, guard: Callable[[], None] | None = None) -> Reply:
        """Send one request; `guard` is called right before its body goes out. Raises `Outside`."""


class Effects:
    """Does acts."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        client: Sender,
        contents: Contents | None = None,
        shared: SharedServer | None = None,
        *,
        now: Callable[[], datetime],
        alone: Callable[[], None] = lambda: None,
    ) -> None:
        """`contents`: of all files under way; `alone` raises `Outside` where another agent works under our
        id: no upload is completed then."""
        self._journal = journal
        self._places = places
        self._client = client
        self._now = now
        self._require_alone = alone
        self._contents = contents or Contents()
        self._peers = journal.peers
        self.shared = shared or SharedServer(None, {}, clock=lambda: 0.0)

    def do(self, act: Act[Any]) -> object:
        """Do an act; returns its result. Raises what the act says."""
        match act:
            case Load(number):
                return self._loaded(number)
            case Inspect():
                return self._inspect(act)
            case Cut():
                return cut(act)
            case Push():
                return self._pushed(act)
            case Ask() | Report():
                return self.shared.do(act)
            case Locate(found, chunk):
                return lines_of(opened_of(found), chunk)
            case Choose(row):
                return filing.choose(self._places, row, self._now())
            case Move(row):
                is_anothers = partial(self._journal.archive.is_anothers, row)
                return filing.finish(self._places, row, is_anothers=is_anothers)
        raise TypeError(f"{type(act).__name__} is no act of a file")

    def _loaded(self, number: int) -> Row:
        row = self._journal.row(number)
        if row.owner != self._journal.agent_id:
            raise TakenOver(number, row.owner)
        return row

    # -- before it is sent -------------------------------------------------------------------------

    def _inspect(self, act: Inspect) -> Found:
        for _ in range(ROUNDS):
            with suppress(_Touched):
                return self._inspected(act)
        raise NotWhole

    def _inspected(self, act: Inspect) -> Found:
        row = act.row
        path = Path(row.file.source)
        work = self._places.work if act.moves else None
        folder = work or path.parent
        with files.blame(folder, row.name), ExitStack() as stack:
            file = stack.enter_context(_opened(row, folder, self._places.drop if act.moves else None))
            status = os.fstat(file.fileno())
            try:
                route = _route(row, act.route, file)
                self._require_room(file, row.name, route)
                scratch = partial(self._scratch, stack, row.name)
                # The claim's time and not the clock: after a restart the same records must be good.
                claimed_at = datetime.fromisoformat(row.file.started_at)
                hasher = partial(_hasher, stack)
                content = prepare(file, row.name, route, scratch=scratch, now=claimed_at, hasher=hasher)
                refuse_empty(content, route)
                opened = OpenFile(path, folder, file, status, content, ExitStack(), work, status.st_ctime_ns)
                found = self._found(row, route, opened, keep_aside=act.moves)
                if not found.nothing_to_send and row.upload.sha256 is None:
                    first = cut(Cut(found, found.start, act.limit or route.chunk_bytes))
                    found = replace(found, first=first, place=self._place(act, first))
            except Unfit:
                # What was found may be half of what is being written.
                require_same_version(path, file, status, work=work)
                if changed_at(file) != status.st_ctime_ns:
                    raise _Touched from None
                raise
            opened.scratches.push(stack.pop_all())
            return found

    def _found(self, row: Row, route: Route, opened: OpenFile, *, keep_aside: bool) -> Found:
        content = opened.content
        if content.empty:
            opened.check()
            return Found(route, Receipt(0, "empty: nothing was sent"), nothing_to_send=True, opened=opened)
        if row.upload.sha256 not in (None, content.source_sha256):
            raise NotWhole
        place = destination(route, self._client.tenant, content)
        # First: what comes to its end from now on is told.
        waits = route.duplicates != "upload"
        self._contents.enter(row.id, (content.source_sha256, place), waits=waits)
        if same := left_out(self._journal.archive, row, route, content.source_sha256, place):
            opened.check()
            return Found(route, same, nothing_to_send=True, opened=opened)
        first, last = line_digests(content.file if is_compressed(row.name) else opened.file)
        if keep_aside:
            # Where a crash cannot take them, before the good records are sent.
            draft = filing.aside_draft(row.file.source)
            if content.aside is not None:
                files.write_private(draft, content.aside, like=opened.status)
            else:
                files.remove(draft)
        return Found(
            route,
            replace(receipt_of(content), first_line=first, last_line=last),
            nothing_to_send=False,
            opened=opened,
            sha256=content.source_sha256,
            destination=place,
            start=content.opening.start,
            size=content.size,
        )

    def _place(self, act: Inspect, first: Piece) -> Placement | None:
        """Choose the place in done of a file that is one chunk: as an act it takes a tenth of its time."""
        if not (act.moves and first.chunk.last):
            return None
        now = self._now()
        with suppress(Outside):  # there is another try, which is held
            return filing.choose(self._places, as_delivered(act.row, utc_text(now)), now)
        return None

    def _require_room(self, file: BinaryIO, name: str, route: Route) -> None:
        """Raise `Outside` for a file that says by itself that it expands to more than there is room for."""
        if is_compressed(name):
            size = told_size(file, name, max_bytes=route.max_expanded, max_ratio=route.max_ratio)
            require_room(self._places.state, name, size)

    def _scratch(self, stack: ExitStack, name: str) -> BinaryIO:
        return stack.enter_context(scratch_file(self._places.state, name))

    # -- while it is sent --------------------------------------------------------------------------

    def _pushed(self, act: Push) -> Reply:
        check = None if act.guard is None else opened_of(act.guard).check
        if check is not None:
            self._require_alone()
            check()  # where it has to read the whole file, no server waits for that
        guard = check if self._peers is None else partial(self._guard, act.number, check)
        return self._client.push(act.talk.request(act.chunk), guard)

    def _guard(self, number: int, check: Callable[[], None] | None) -> None:
        """Raise what forbids that a chunk of this row goes out now, whichever chunk it is."""
        assert self._peers is not None, "who is alone needs no lease"
        self._peers.require_lease(number)
        if check is not None:
            check()


class _Touched(Exception):
    """Found unfit, and its attributes changed meanwhile: its content, too? Another look tells."""


def _hasher(stack: ExitStack) -> BesideSha256:
    hasher = BesideSha256()
    stack.callback(hasher.close)
    return hasher


def _route(row: Row, route: Route | None, file: BinaryIO) -> Route:
    if row.route is None:
        if is_zip(row.name):
            member_name(file)  # a damaged one says so, rather than that nothing matches
        raise Unfit(
            "no route matches the file's name",
            what_to_do="rename it, or add a route for it to the settings; `watcher explain` shows them",
        )
    if route is None and row.upload.in_doubt:
        words = f"its last chunk had no answer, and its route {shown(row.route)} is gone from the settings"
        raise Outside(Target("file", row.name), words, check="bring it back; or `watcher withdraw`")
    if route is None:
        raise NotWhole  # the settings changed while it was under way: it is routed anew
    return replace(route, acd_type=row.file.acd_type)


@contextmanager
def _opened(row: Row, folder: Path, drop: Path | None) -> Iterator[BinaryIO]:
    path, fingerprint = Path(row.file.source), row.file.fingerprint
    try:
        # Before anything was sent it must be the very file. Later its content is compared, by sha256, for a
        # remounted share may give it another device and inode.
        file = open_claimed(path, fingerprint, same_inode=row.upload.sha256 is None, work=drop and folder)
    except FileNotFoundError:
        if not is_gone(path, folder, drop=drop, device=fingerprint.device):
            raise  # it was away for a moment: a hold, not a loss
        raise Gone from None
    with file:
        yield file
