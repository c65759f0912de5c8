"""What a journal is, whatever keeps it: the durable state of every file that left the drop folder.

A row is written *before* the act it announces. Every call that changes something is one durable
transaction, all or nothing; all calls may come from any thread, and raise `Outside` where the store is away.
`tests/journal/contract.py` says what every backend must do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from watcher.core.model import Claim, FileState, Row
from watcher.journal.peers import Peers

if TYPE_CHECKING:  # who only reads a journal takes no steps
    from watcher.core.steps import Step

KEPT = timedelta(days=60)  # of holds that are over: twice what is shown


class Journal(Protocol):
    """The journal as one agent has it."""

    @property
    def agent_id(self) -> str:
        """The agent's own id: the owner of its rows, and the name of its part of the work folder."""

    @property
    def archive(self) -> Archive:
        """The long memory."""

    @property
    def peers(self) -> Peers | None:
        """The other agents; None: the journal is one agent's alone."""

    @property
    def timeline(self) -> Timeline:
        """What happened over time."""

    @property
    def first_start(self) -> bool:
        """Whether no agent has made its folders yet."""

    def folders_made(self) -> None:
        """From now on a missing folder is a share that is away."""

    def claim(self, claims: Sequence[Claim]) -> list[Row]:
        """Write the rows of files that are about to be claimed, as SEEN and one's own, in their order; as
        REJECTED where the claim says what is wrong with its file."""

    def forget(self, rows: Sequence[Row]) -> None:
        """Take back the rows of files that were not claimed after all: they never left the drop folder.

        Raises `IllegalStep` where one is not SEEN, or not one's own.
        """

    def apply(self, steps: Sequence[Step]) -> list[Row]:
        """Take the steps in their order and return the row after each; one row may take several.

        Each starts from the row as it is stored, not as the caller knew it. Raises `IllegalStep` where one
        is not in `model.TRANSITIONS`, `TakenOver` where the row is not one's own; then none was taken.
        """

    def row(self, id: int) -> Row:
        """Return the row as it is now. Raises `LookupError` where there is none."""

    def under_way(self, origin: Literal["drop", "hand"], *, of_all: bool = False) -> list[Row]:
        """Return one's own rows, or `of_all` agents, that did not come to their end, oldest first."""

    def agents(self) -> list[AgentSeen]:
        """Return the agents that share the journal, by their ids; none where it is one agent's alone."""

    def quiet_until(self) -> dict[int, str]:
        """Return the rows, of all agents, that were taken over and wait, and until when (UTC, ISO 8601) a
        request of the owner before may still be under way; none where it is one agent's alone."""

    def history(
        self, *, failed: bool = False, since: datetime | None = None, limit: int | None = None
    ) -> list[Row]:
        """Return rows, newest first; `failed`: only those; `since`: begun at that time or later."""

    def outcomes(self, limit: int) -> list[Row]:
        """Return the newest rows of files that came to their end, newest first."""

    def last_of(self, route: str) -> Row | None:
        """Return the newest finished row of a route, to say of a failed one that others go without it."""

    def last_answered(self, route: str) -> Row | None:
        """Return the newest row of a route that the server took whole, or refused."""

    def deliveries(self, route: str, limit: int) -> list[Row]:
        """Return the newest delivered rows of a route, newest first."""

    def close(self) -> None:
        """Let go of the store; the journal stays as it is."""


class Archive(Protocol):
    """The long memory: what was delivered before, and what has been kept long enough."""

    def delivered_before(self, row: Row, sha256: str, destination: str) -> Row | None:
        """Return the newest row of another file with this content that was sent to the same place by any
        route (`duplicates.destination`: another tenant is another place), and reached it; None: none was."""

    def of_token(self, push_token: str) -> Row | None:
        """Return the newest row, whatever became of its file, of one that was claimed or begun under this
        push token; None: there is none."""

    def failed_at(self, target: Path) -> Row | None:
        """Return the newest row of a file that was moved to `target` in the failed folder."""

    def failed_among(self, targets: Sequence[Path]) -> dict[Path, Row]:
        """Return that row of each of the `targets` for which there is one."""

    def ended(
        self,
        *,
        state: FileState | None,
        text: str,
        before: int | None,
        limit: int,
        between: tuple[str, str] | None = None,
    ) -> tuple[list[Row], int | None]:
        """Return the newest rows that came to their end, newest first, and the id from which to look on;
        None: there is nothing older.

        `state`: only those; `text`: only those whose name or push token has it, in any case; `before`: only
        rows of a smaller id; `between`: only those that ended from a time on and before another, as
        `units.utc_text` writes it. A search is bounded: fewer rows than `limit`, with an id, are not all."""

    def newest(self) -> Row | None:
        """Return one's own newest row, whatever became of its file; None: there is none."""

    def kept_since(
        self, state: FileState, *, before: datetime, after: tuple[str, int], limit: int
    ) -> list[Row]:
        """Return dropped files, of all agents, that came to `state` before a time and were not removed, in
        that order. `after` is where the last call ended: the `finished_at` and the id of its last row."""

    def is_latest_at(self, row: Row) -> bool:
        """Say whether no later file was put where this one was: a replay takes the name again."""

    def is_anothers(self, row: Row, place: Path) -> bool:
        """Say whether the file of another row, of the same size and not removed, was to go to this place, or
        its bad records were."""

    def removed(self, row: Row, now: datetime) -> None:
        """The file of this row has been kept long enough and was removed."""

    def forget(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` rows that came to their end before a time, but for those of other agents
        whose file was kept: it would stay for ever. Returns how many."""


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """An agent of a journal that several share, by the clock of the database."""

    id: str
    host: str
    pid: int
    version: str
    started_at: str  # UTC, ISO 8601
    seen_at: str  # UTC, ISO 8601: its last heartbeat
    ended_at: str | None  # UTC, ISO 8601; None: it did not say that it ended
    silent: bool  # it did not end, and its lease is over


@dataclass(frozen=True, slots=True)
class Ended:
    """Files of one outcome that came to their end within one hour."""

    hour: str  # UTC: 2026-11-23T19
    state: FileState
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PastHold:
    """A hold that is over."""

    target: str
    reason: str
    began_at: str  # UTC, ISO 8601
    ended_at: str


class Timeline(Protocol):
    """The questions about time, and the holds that are over: for people to look back at."""

    def hold_ended(self, target: str, reason: str, *, began: datetime, ended: datetime) -> None:
        """Write down a hold that is over, and let go of those that ended `KEPT` before it."""

    def holds(self, since: datetime) -> list[PastHold]:
        """Return the holds that lasted until `since` or later, oldest first."""

    def files_by_hour(self, since: datetime) -> list[Ended]:
        """Return how many files, of how many bytes, were done and failed in each hour since then."""
