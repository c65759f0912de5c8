"""Takes files out of the drop folder, many at a time: their rows in one transaction, then the renames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from watcher.agent.time_of_day import TimeOfDay
from watcher.core.errors import NotWhole, Outside
from watcher.core.model import Claim, FileState, Fingerprint, Route, Row
from watcher.core.names import shown
from watcher.core.order import Waiting, route_name
from watcher.core.units import utc_text
from watcher.disk import files, filing
from watcher.disk.claim import Wanted, claim, was_removed
from watcher.disk.leases import trial_open
from watcher.disk.others import Owner
from watcher.disk.places import Places
from watcher.journal.protocol import Journal


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a batch."""

    rows: tuple[Row, ...]  # in the order in which the files were asked for
    refused: tuple[tuple[Waiting, str], ...]  # in use, or not what they were: look again
    fault: Outside | None = None  # of the folders; no other file has moved


class Claims:
    """Claims files for one agent; called in a worker's thread, one batch at a time."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        owner: Owner,
        times: TimeOfDay,
        *,
        new_token: Callable[[], str],
    ) -> None:
        self._journal = journal
        self._places = places
        self._owner = owner
        self._times = times
        self._new_token = new_token
        self._unclaimed: list[Row] = []  # rows of files that never left the drop folder, to be taken back

    def needs_time(self, wanted: Sequence[Waiting]) -> bool:
        """Whether the time of these claims decides what becomes of a file, and `ask_time` must come first."""
        return self._times.is_needed(file.route for file in wanted)

    def ask_time(self) -> None:
        """Hear what the login server says that it is. Raises `Outside`."""
        self._times.ask()

    def take(self, wanted: Sequence[Waiting], *, under_way: bool) -> Claimed:
        """Claim these files; `under_way`: others are already. Raises `Outside` where nothing was tried."""
        self._take_back([])
        self._make_work_folder(under_way=under_way)
        refused: list[tuple[Waiting, str]] = []
        free: list[Waiting] = []
        for file in wanted:
            if (why := trial_open(self._places.drop / file.name)) is None:
                free.append(file)
            else:
                refused.append((file, why))
        routes = {route_name(file): file.route for file in free}
        notes = {name: self._missing_before(route) for name, route in routes.items()}
        rows = self._journal.claim([self._claim(file, notes[route_name(file)]) for file in free])
        results = claim([self._wanted(file, row) for file, row in zip(free, rows, strict=True)])
        with suppress(Outside):  # they are taken back before the next claim
            self._take_back([row for row, error in zip(rows, results, strict=True) if error is not None])
        for file, error in zip(free, results, strict=True):
            if isinstance(error, NotWhole):
                refused.append((file, str(error) or "it changed while it was looked at"))
        taken = tuple(row for row, error in zip(rows, results, strict=True) if error is None)
        fault = next((error for error in results if isinstance(error, Outside)), None)
        return Claimed(taken, tuple(refused), fault)

    def _take_back(self, rows: Sequence[Row]) -> None:
        self._unclaimed += rows
        self._journal.forget(self._unclaimed)
        self._unclaimed = []

    def _make_work_folder(self, *, under_way: bool) -> None:
        work = self._places.work
        with files.blame(work):
            fresh = not work.is_dir()
            if under_way and fresh and not self._was_removed():
                # Made anew, it would look as if somebody had taken the files under way out of it.
                raise Outside(
                    files.folder_target(work),
                    "it is gone, with files under way in it",
                    check="mount it again, or bring it back",
                )
            # Before the rows: a row without this folder means a share that is away, and nothing else.
            filing.make_work_folder(work)
        if fresh:
            self._owner.beat()

    def _was_removed(self) -> bool:
        """Say whether the work folder was removed, with the files under way: each says so of itself then."""
        devices = {row.file.fingerprint.device for row in self._journal.under_way("drop")}
        return all(was_removed(self._places.work, self._places.drop, device) for device in devices)

    def _claim(self, file: Waiting, note: str | None) -> Claim:
        token, now = self._new_token(), self._times.now()
        return claim_of(self._places, file.name, file.look, file.route, token, now, note=note)

    def _wanted(self, file: Waiting, row: Row) -> Wanted:
        target = self._places.work / row.push_token / file.name
        return Wanted(self._places.drop / file.name, target, file.look, file.marker)

    def _missing_before(self, route: Route | None) -> str | None:
        """Say which file that those of this route build on has failed: the receipt names it."""
        notes = []
        for name in route.after if route else ():
            last = self._journal.last_of(name)
            if last is not None and last.state is FileState.FAILED:
                notes.append(f"before it, {shown(last.name)} of {name} failed at {last.outcome.finished_at}")
        return "; ".join(notes) or None


def claim_of(
    places: Places,
    name: str,
    look: Fingerprint,
    route: Route | None,
    token: str,
    at: datetime,
    *,
    note: str | None = None,
) -> Claim:
    """Return the claim of a file that goes into our part of the work folder, under this push token."""
    return Claim(
        name=name,
        fingerprint=look,
        source=str(places.work / token / name),
        push_token=token,
        route=route.name if route else None,
        acd_type=route.acd_type if route else None,
        origin="drop",
        at=utc_text(at),
        note=note,
    )
