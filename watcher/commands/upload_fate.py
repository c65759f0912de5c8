"""What became of a file that `watcher upload` does not wait for any more, and how its row comes to an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.core.errors import Outside, TakenOver, Unfit
from watcher.core.life import IN_DOUBT, LOOK_FIRST
from watcher.core.model import FINAL, FileState, Row
from watcher.core.names import counted
from watcher.core.steps import Finish, Reject, Step
from watcher.core.units import utc_text
from watcher.journal.protocol import Journal

# The first word of a file's line, for scripts.
DELIVERED, FAILED, NOT_SENT, IN_DOUBT_WORD = "delivered", "failed", "not sent", "in doubt"


@dataclass(frozen=True, slots=True)
class Fate:
    """The first word, and the rest of the line."""

    word: str
    more: str


def given_up(journal: Journal, known: Row, reason: str, *, arrived: bool) -> tuple[Fate, bool]:
    """Bring the row of a file to its end; returns what became of the file, and whether that is written down.

    `known`: the row as it was last known to be written; `arrived`: the server was heard to have the file.
    """
    try:
        row = journal.row(known.id)
        fault = give_up(journal, row, reason)
    except Outside as away:
        return _unwritten(known, reason, f"{away.reason}; {away.check}", arrived=arrived), False
    except (LookupError, TakenOver):
        why = "it has forgotten this upload; was it restored?"
        return _unwritten(known, reason, why, arrived=arrived), False
    if fault is not None and row.upload.in_doubt:
        return Fate(IN_DOUBT_WORD, f"{fault.reason}; {fault.what_to_do}; push token {row.push_token}"), True
    if fault is not None:
        return Fate(NOT_SENT, "; ".join(filter(None, (reason, _sent_of(row))))), True
    # The verdict came, and what comes after it did not.
    is_well = row.state in (FileState.DELIVERED, FileState.DONE)
    return Fate(DELIVERED if is_well else FAILED, f"push token {row.push_token}; {reason}"), True


def give_up(journal: Journal, entry: Row, reason: str) -> Unfit | None:
    """Bring the row of a file that is not sent any further to an end; one with a verdict keeps it.

    Returns what it failed with. Raises `Outside` where the journal is away.
    """
    steps: list[Step] = []
    fault = None
    if entry.state not in (*FINAL, FileState.DELIVERED, FileState.REJECTED):
        fault = Unfit(reason, what_to_do="send it again")
        if entry.upload.in_doubt:
            fault = Unfit(f"{reason}; {IN_DOUBT}", what_to_do=LOOK_FIRST + "send it again")
        steps.append(Reject(entry, fault, utc_text(datetime.now(UTC))))
    if entry.state not in FINAL:
        steps.append(Finish(entry))
    journal.apply(steps)
    return fault


def _unwritten(known: Row, reason: str, why: str, *, arrived: bool) -> Fate:
    """Return what is known of a file without the journal: nothing goes out before it is written there."""
    token = f"push token {known.push_token}"
    missing = f"this is not in the journal: {why}"
    verdict = known.state in (*FINAL, FileState.DELIVERED, FileState.REJECTED)
    if arrived or (verdict and known.state in (FileState.DELIVERED, FileState.DONE)):
        return Fate(DELIVERED, f"{token}; {missing}")
    if verdict:
        return Fate(FAILED, f"{known.outcome.reason}; {known.outcome.what_to_do}; {missing}")
    if known.upload.in_doubt:
        return Fate(IN_DOUBT_WORD, f"{IN_DOUBT}; {LOOK_FIRST}send it again; {token}; {missing}")
    return Fate(NOT_SENT, "; ".join(filter(None, (reason, _sent_of(known), missing))))


def _sent_of(row: Row) -> str:
    """Say how much of a file the server has that will never be whole."""
    if not row.upload.chunks:
        return ""
    sent = f"{counted(row.upload.chunks, 'chunk')}, {row.upload.position:,} bytes"
    return f"the server has {sent} of it, and leaves them, for the last chunk was not sent"
