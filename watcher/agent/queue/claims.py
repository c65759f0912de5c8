"""Takes files out of the drop folder, many at a time: their rows in one transaction, then the renames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from watcher.agent.engine.runs import Attempt
from watcher.agent.queue.doubts import Doubts
from watcher.agent.queue.shared_queue import Line, SharedQueue
from watcher.agent.queue.time_of_day import TimeOfDay
from watcher.core.errors import NotWhole, Outside
from watcher.core.model import Claim, Fingerprint, Route, Row
from watcher.core.order import Waiting
from watcher.core.settle import OPEN_FOR_WRITING, in_doubt
from watcher.core.units import utc_text
from watcher.disk import files, filing
from watcher.disk.claim import Wanted, claim, was_removed
from watcher.disk.leases import trial
from watcher.disk.owner import Owner
from watcher.disk.places import Places
from watcher.journal.protocol import Journal


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a batch."""

    rows: tuple[Row, ...]  # in the order in which the files were asked for
    refused: tuple[tuple[Waiting, str], ...]  # in use, or not what they were: look again
    behind: tuple[tuple[Waiting, str], ...] = ()  # of which a file of another agent goes first
    fault: Outside | None = None  # of the folders; no other file has moved


class Claiming(Attempt[Claimed]):
    """A batch of claims; a fault may come after some of them."""

    at_stop = "waits"

    def digested(self, result: object) -> tuple[object, Outside | None]:
        """Return what became of the batch, and the fault that ended it."""
        return result, result.fault if isinstance(result, Claimed) else super().digested(result)[1]


class Claims:
    """Claims files for one agent; called in a worker's thread, one batch at a time."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        owner: Owner,
        times: TimeOfDay,
        doubts: Doubts,
        queue: SharedQueue,
        is_open: Callable[[str], bool],
        *,
        new_token: Callable[[], str],
    ) -> None:
        """`is_open` says of a name in the drop folder whether events tell that a program has it open for
        writing."""
        self._journal = journal
        self._places = places
        self._owner = owner
        self._times = times
        self._doubts = doubts
        self.queue = queue
        self._new_token = new_token
        self._is_open = is_open
        self._unclaimed: list[Row] = []  # rows of files that never left the drop folder, to be taken back

    def needs_time(self, wanted: Sequence[Waiting]) -> bool:
        """Whether the time of these claims decides what becomes of a file, and `ask_time` must come first."""
        return self._times.is_needed(file.route for file in wanted)

    def ask_time(self) -> None:
        """Hear what the login server says that it is. Raises `Outside`."""
        self._times.ask()

    def take(self, wanted: Sequence[Waiting], line: Line, *, under_way: bool) -> Claimed:
        """Claim these files; `under_way`: others are already. Raises `Outside` where nothing was tried."""
        self._take_back([])
        self._make_work_folder(under_way=under_way)
        refused: list[tuple[Waiting, str]] = []
        free: list[Waiting] = []
        for file in wanted:
            if why := self._in_use(file.name) or self._doubt(file):
                refused.append((file, why))
            else:
                free.append(file)
        answers = self.queue.claim([self._claim(file) for file in free], line)
        behind = [(file, why) for file, why in zip(free, answers, strict=True) if isinstance(why, str)]
        free = [file for file, row in zip(free, answers, strict=True) if not isinstance(row, str)]
        rows = [row for row in answers if not isinstance(row, str)]
        results = claim([self._wanted(file, row) for file, row in zip(free, rows, strict=True)])
        with suppress(Outside):  # they are taken back before the next claim
            self._take_back([row for row, error in zip(rows, results, strict=True) if error is not None])
        for file, error in zip(free, results, strict=True):
            if isinstance(error, NotWhole):
                refused.append((file, str(error) or "it changed while it was looked at"))
        taken = tuple(row for row, error in zip(rows, results, strict=True) if error is None)
        fault = next((error for error in results if isinstance(error, Outside)), None)
        return Claimed(taken, tuple(refused), tuple(behind), fault)

    def _in_use(self, name: str) -> str:
        """Say why a file cannot be taken, or ""; by events only where the kernel cannot be asked itself."""
        answer = trial(self._places.drop / name)
        return answer.why or (OPEN_FOR_WRITING if not answer.told and self._is_open(name) else "")

    def _doubt(self, file: Waiting) -> str:
        """Say why a file was perhaps not written to its end, or "": it has been waited for, or its marker
        says that it was."""
        if file.doubt is not None or file.marker is not None:
            return ""
        why = self._doubts.ask(self._places.drop / file.name, file.look, file.route)
        return "" if why is None else in_doubt(why)

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
        self._owner.check()

    def _was_removed(self) -> bool:
        """Say whether the work folder was removed, with the files under way: each says so of itself then."""
        devices = {row.file.fingerprint.device for row in self._journal.under_way("drop")}
        return all(was_removed(self._places.work, self._places.drop, device) for device in devices)

    def _claim(self, file: Waiting) -> Claim:
        token, now = self._new_token(), self._times.now()
        return claim_of(self._places, file.name, file.look, file.route, token, now)

    def _wanted(self, file: Waiting, row: Row) -> Wanted:
        target = self._places.work / row.push_token / file.name
        return Wanted(self._places.drop / file.name, target, file.look, file.marker)


def claim_of(
    places: Places,
    name: str,
    look: Fingerprint,
    route: Route | None,
    token: str,
    at: datetime,
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
    )
