"""Pure: every step of a file's life, as data, and the row that it makes of the stored one.

A backend of the journal stores what `applied` returns and knows no step by name. All of them raise
`IllegalStep` where `model.TRANSITIONS` does not list the step, or the row is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from watcher.core.errors import IllegalStep, Unfit
from watcher.core.model import TRANSITIONS, FileState, Outcome, Placement, Receipt, Row, Upload

_FINISHED: Mapping[FileState, FileState] = {
    FileState.DELIVERED: FileState.DONE,
    FileState.REJECTED: FileState.FAILED,
    FileState.CHANGED: FileState.RETURNED,
}


@dataclass(frozen=True, slots=True)
class Ready:
    """The file is claimed."""

    row: Row  # here and below: as the caller knows it
    to: ClassVar[FileState] = FileState.READY

    def applied(self, stored: Row) -> Row:
        """Return the row that follows `stored`. Raises `IllegalStep`, as all the others do."""
        return _next(self.row, stored, self.to)


@dataclass(frozen=True, slots=True)
class Sending:
    """A chunk is about to go out: bytes `position` to `end` of `total`, behind `chunks` others."""

    row: Row
    position: int  # byte offset behind the last acknowledged chunk
    chunks: int  # acknowledged
    end: int  # byte offset behind the chunk that goes out
    sha256: str  # of the dropped file
    destination: str  # digest of where it goes
    total: int | None = None  # bytes of the content that is sent
    to: ClassVar[FileState] = FileState.SENDING

    def applied(self, stored: Row) -> Row:
        """Return the row with the chunk on its way."""
        upload = replace(
            stored.upload,
            position=self.position, chunks=self.chunks, sending_to=self.end, total=self.total,
            sha256=self.sha256, destination=self.destination,
            sends=stored.upload.sends + 1 if self._again(stored.upload) else 1,
        )  # fmt: skip
        return _next(self.row, stored, self.to, upload=upload)

    def _again(self, upload: Upload) -> bool:
        if upload.sending_to is not None:
            return upload.sending_to == self.end
        # An answer came in between, and its end was let go of: where nothing more was acknowledged, what
        # goes out is the same chunk, or a smaller one in its place.
        return upload.sends > 0 and upload.position == self.position


@dataclass(frozen=True, slots=True)
class Retrying:
    """No answer is open: `chunks` are acknowledged, up to byte `position`; the next goes out later."""

    row: Row
    position: int
    chunks: int
    to: ClassVar[FileState] = FileState.RETRYING

    def applied(self, stored: Row) -> Row:
        """Return the row without an open answer; what was acknowledged begins a new count of sends."""
        was = stored.upload
        sends = was.sends if was.position == self.position else 0
        upload = replace(was, position=self.position, chunks=self.chunks, sending_to=None, sends=sends)
        return _next(self.row, stored, self.to, upload=upload)


@dataclass(frozen=True, slots=True)
class StartOver:
    """Begin again from the first chunk under a new push token; the old operation stays open."""

    row: Row
    push_token: str
    to: ClassVar[FileState] = FileState.READY

    def applied(self, stored: Row) -> Row:
        """Return the row with nothing sent, and the old token among the earlier ones."""
        was = stored.upload
        upload = replace(
            was, push_token=self.push_token, earlier_tokens=(*was.earlier_tokens, was.push_token),
            destination=None, position=0, chunks=0, sending_to=None, sends=0,
        )  # fmt: skip
        return _next(self.row, stored, self.to, upload=upload)


@dataclass(frozen=True, slots=True)
class Deliver:
    """The server has the file, but for the records that the receipt tells of."""

    row: Row
    receipt: Receipt
    at: str  # UTC, ISO 8601
    target: str | None = None  # absolute paths, as in `Placement`: where the file is moved to
    aside: str | None = None
    to: ClassVar[FileState] = FileState.DELIVERED

    def applied(self, stored: Row) -> Row:
        """Return the row with the receipt; notes are added to and not replaced."""
        receipt, size = self.receipt, stored.file.fingerprint.size
        upload = replace(
            stored.upload,
            chunks=receipt.chunks,
            position=size,
            total=size,
            sending_to=None,
            sha256=receipt.sha256 or stored.upload.sha256,
        )
        outcome = replace(
            stored.outcome,
            finished_at=self.at,
            records=receipt.records,
            first_line=receipt.first_line,
            last_line=receipt.last_line,
            reason=receipt.reason,
            what_to_do=receipt.what_to_do,
            lines=receipt.lines,
            problems=receipt.problems,
            note="; ".join(filter(None, (stored.outcome.note, receipt.changes, receipt.note))) or None,
        )
        place = replace(stored.place, target=self.target, aside=self.aside)
        return _next(self.row, stored, self.to, upload=upload, outcome=outcome, place=place)


@dataclass(frozen=True, slots=True)
class Reject:
    """The fault lies in the file."""

    row: Row
    fault: Unfit
    at: str  # UTC, ISO 8601
    in_doubt: bool = False  # another agent had begun with it, and may have sent it whole
    to: ClassVar[FileState] = FileState.REJECTED

    def applied(self, stored: Row) -> Row:
        """Return the row with the fault; that it may be complete at the server stays known."""
        upload, size = stored.upload, stored.file.fingerprint.size
        if self.in_doubt:
            upload = replace(upload, sending_to=size, total=size)
        elif not upload.in_doubt:
            upload = _silent(stored)
        outcome = replace(
            stored.outcome,
            finished_at=self.at,
            reason=self.fault.reason,
            what_to_do=self.fault.what_to_do,
            lines=self.fault.lines,
            status=self.fault.status,
            server_said=self.fault.said,
            problems=self.fault.problems,
        )
        return _next(self.row, stored, self.to, upload=upload, outcome=outcome, place=Placement())


@dataclass(frozen=True, slots=True)
class Change:
    """The file changed after the claim: it goes back into the drop folder."""

    row: Row
    reason: str
    at: str  # UTC, ISO 8601
    to: ClassVar[FileState] = FileState.CHANGED

    def applied(self, stored: Row) -> Row:
        """Return the row with the reason."""
        outcome = replace(stored.outcome, reason=self.reason, finished_at=self.at)
        return _next(self.row, stored, self.to, upload=_silent(stored), outcome=outcome, place=Placement())


@dataclass(frozen=True, slots=True)
class Plan:
    """The file is about to be moved to `target`, and its bad records to `aside`."""

    row: Row
    target: str  # absolute paths
    aside: str | None = None

    @property
    def to(self) -> FileState:
        """The state stays."""
        return self.row.state

    def applied(self, stored: Row) -> Row:
        """Return the row with the paths; only a file with a verdict that was not moved yet goes anywhere."""
        if stored.state not in _FINISHED:
            raise IllegalStep(f"file {stored.id}: {stored.state} is no verdict")
        place = replace(stored.place, target=self.target, aside=self.aside)
        return _next(self.row, stored, stored.state, place=place)


@dataclass(frozen=True, slots=True)
class Finish:
    """The file is where its row says: done, failed, or back in the drop folder."""

    row: Row

    @property
    def to(self) -> FileState:
        """The end of the verdict that the caller knows. Raises `IllegalStep` where that is none."""
        return _end_of(self.row)

    def applied(self, stored: Row) -> Row:
        """Return the row at its end: by the stored verdict, which may be of the same batch."""
        return _next(self.row, stored, _end_of(stored))


@dataclass(frozen=True, slots=True)
class Vanish:
    """Somebody took the claimed file away."""

    row: Row
    reason: str
    at: str  # UTC, ISO 8601
    to: ClassVar[FileState] = FileState.VANISHED

    def applied(self, stored: Row) -> Row:
        """Return the row at its end; the time of a verdict stays, and that an answer never came."""
        finished_at = stored.outcome.finished_at or self.at
        outcome = replace(stored.outcome, reason=self.reason, finished_at=finished_at)
        return _next(self.row, stored, self.to, outcome=outcome)


@dataclass(frozen=True, slots=True)
class Relocate:
    """The folders of the settings are others now: this is where the file is, and where it goes."""

    row: Row
    source: str  # absolute paths
    target: str | None
    aside: str | None

    @property
    def to(self) -> FileState:
        """The state stays."""
        return self.row.state

    def applied(self, stored: Row) -> Row:
        """Return the row with the paths, whatever its state."""
        _refuse_others(self.row, stored)
        place = replace(stored.place, target=self.target, aside=self.aside)
        return replace(stored, file=replace(stored.file, source=self.source), place=place)


Step: TypeAlias = (
    Ready | Sending | Retrying | StartOver | Deliver | Reject | Change | Plan | Finish | Vanish | Relocate
)


def _next(
    known: Row,
    stored: Row,
    to: FileState,
    *,
    upload: Upload | None = None,
    outcome: Outcome | None = None,
    place: Placement | None = None,
) -> Row:
    _refuse_others(known, stored)
    if to not in TRANSITIONS[stored.state]:
        raise IllegalStep(f"file {stored.id}: {stored.state} to {to}")
    return replace(
        stored,
        state=to,
        upload=upload or stored.upload,
        outcome=outcome or stored.outcome,
        place=place or stored.place,
    )


def _refuse_others(known: Row, stored: Row) -> None:
    if (known.id, known.owner) != (stored.id, stored.owner):
        raise IllegalStep(f"file {known.id} of {known.owner}: the row is {stored.id} of {stored.owner}")


def _end_of(row: Row) -> FileState:
    if row.state not in _FINISHED:
        raise IllegalStep(f"file {row.id}: {row.state} is no verdict")
    return _FINISHED[row.state]


def _silent(row: Row) -> Upload:
    return replace(row.upload, sending_to=None)
