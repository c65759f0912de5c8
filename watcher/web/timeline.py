"""Pure: what happened to one file, in the order of time, from its row and the holds of that time.

The journal keeps no time of a single chunk, nor of the move at the end: chunks are told as a sum at the time
of the verdict, and the move, which follows at once, with that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.core.model import FINAL, FileState, Fingerprint, Row
from watcher.core.names import counted, shown
from watcher.core.units import utc_text

MOST_HOLDS = 20  # of one file; the newest
_FILED = {
    FileState.DONE: "filed under",
    FileState.FAILED: "filed under",
    FileState.RETURNED: "put back into the drop folder: it settles anew",
    FileState.VANISHED: "somebody took it out of the work folder",
}


@dataclass(frozen=True, slots=True)
class Held:
    """A hold that concerned a file; `until` None: it lasts."""

    target: str
    reason: str
    since: str  # UTC, ISO 8601
    until: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened; `at` is UTC, ISO 8601, None where nobody wrote the time down."""

    at: str | None
    what: str
    more: str = ""
    kind: str = ""  # good, bad or warn
    until: str | None = None
    token: str | None = None  # of another row that has a page of its own
    is_now: bool = False  # it is how things stand, and nothing that happened


def written_at(row: Row) -> str:
    """Return the file's own time: when it was written last, as far as whoever wrote it says."""
    return time_of(row.file.fingerprint) or row.file.started_at


def time_of(look: Fingerprint) -> str | None:
    """Return when a file was written last; None where that is a time that no calendar has."""
    try:
        return utc_text(datetime.fromtimestamp(look.mtime_ns / 1e9, UTC))
    except (OverflowError, OSError, ValueError):
        return None


def moments(row: Row, holds: Iterable[Held], others: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the story of a row as plain data. `holds` are those that concern it; `others` other rows of a
    file of this name, of which later ones are told: a replay."""
    told = [*_taken(row), *_held(row, holds), *_sent(row), *_ended(row), *_later(row, others)]
    return [asdict(one) for one in _in_order(told)]


def _in_order(told: Sequence[Moment]) -> list[Moment]:
    """Sort by time; what has none keeps its place behind what was told before it."""
    keyed, last = [], ""
    for one in told:
        last = one.at or last
        keyed.append((last, one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]


def _taken(row: Row) -> Iterator[Moment]:
    size = counted(row.file.fingerprint.size, "byte")
    yield Moment(written_at(row), "written", f"{size}; the file's own time")
    if row.file.origin == "hand":
        yield Moment(row.file.started_at, "sent by hand", "`watcher upload`; the file stays where it is")
    else:
        yield Moment(row.file.started_at, "settled and claimed", f"route {shown(row.route or 'none')}")


def _held(row: Row, holds: Iterable[Held]) -> Iterator[Moment]:
    for hold in sorted(holds, key=lambda one: one.since)[-MOST_HOLDS:]:
        before = hold.until is not None and hold.until < row.file.started_at
        what = f"held: {hold.target}" + (", while it waited" if before else "")
        yield Moment(hold.since, what, hold.reason, "warn", hold.until)


def _sent(row: Row) -> Iterator[Moment]:
    upload = row.upload
    for token in upload.earlier_tokens:
        yield Moment(None, "begun anew under another push token", f"before: {token}")
    total = upload.total or row.file.fingerprint.size
    if upload.chunks or upload.sending_to is not None:
        words = counted(upload.chunks, "chunk") + " taken by the server"
        more = f"{upload.position:,} of {counted(total, 'byte')}"
        yield Moment(row.outcome.finished_at, words, more, is_now=row.outcome.finished_at is None)
    if upload.sends > 1 and row.outcome.finished_at is None:
        yield Moment(
            None, f"the chunk under way went out {upload.sends} times", "so far", "warn", is_now=True
        )
    elif upload.sends > 1:
        yield Moment(row.outcome.finished_at, f"its last chunk went out {upload.sends} times")


def _ended(row: Row) -> Iterator[Moment]:
    outcome, state, at = row.outcome, row.state, row.outcome.finished_at
    if outcome.status is not None or outcome.server_said:
        number = f"HTTP {outcome.status}" if outcome.status is not None else "something"
        yield Moment(at, f"the server answered {number}", shown(outcome.server_said or ""), "bad")
    if state in (FileState.DELIVERED, FileState.DONE):
        kind = "warn" if row.place.aside else "good"
        records = "" if outcome.records is None else counted(outcome.records, "record")
        yield Moment(at, "delivered: the server has it whole", records, kind)
        if row.place.aside:
            yield Moment(at, "records set aside", outcome.reason or "", "warn")
    elif state in (FileState.REJECTED, FileState.FAILED):
        yield Moment(at, "failed", outcome.reason or "", "bad")
    elif state is FileState.CHANGED:
        yield Moment(at, "it changed after it was claimed", outcome.reason or "", "warn")
    if state in FINAL and row.file.origin == "drop":
        place = shown(row.place.target) if row.place.target else outcome.reason or ""
        yield Moment(at, _FILED[state], place)
    if row.place.removed_at:
        yield Moment(row.place.removed_at, "removed", "it was kept for as long as `retention` says")


def _later(row: Row, others: Sequence[Row]) -> Iterator[Moment]:
    for other in others:
        if other.id > row.id:
            yield Moment(
                other.file.started_at,
                "dropped again",
                f"a file of this name was claimed once more: {other.state}",
                token=other.push_token,
            )
