"""The life of one file, from its claim to its end. Reads like a script, and does nothing itself.

Each `await` is one act: held and repeated by the engine, and durable where it is a commit. After a crash the
row says where to go on: whatever a step announces may have happened, and may be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from watcher.core.acts import Act, Choose, Clear, Inspect, Load, Move, Release, Turn
from watcher.core.delivery import Delivery
from watcher.core.errors import Gone, NotWhole, Outside, Unfit
from watcher.core.model import FINAL, UNDECIDED, FileState, Placement, Receipt, Route, Row
from watcher.core.policy import Policy, plausible
from watcher.core.steps import Change, Deliver, Finish, Plan, Reject, Vanish
from watcher.core.target import Target


async def life(row: Row, policy: Policy) -> Row:
    """Bring a claimed file to its end, from wherever it is; returns its last row."""
    if row.state in UNDECIDED:
        row = await _decided(row, policy)
    while row.state not in FINAL:
        row = await _filed(row, policy)
    return row


async def from_the_journal(
    number: int, name: str, policy: Policy, go_on: Callable[[Row], Coroutine[Act[Any], Any, Row]]
) -> Row:
    """Go on with a file that something came in between: the journal says where."""
    await Clear(targets=(Target("file", name, number),))
    return await go_on(await Load(number, targets=(policy.state,)))


async def life_by_hand(row: Row, route: Route, policy: Policy) -> Row:
    """Bring a file that a person sends to its end; it stays where it is."""
    if row.state in UNDECIDED:
        row = await _decided_by_hand(row, route, policy)
    return row if row.state in FINAL else await policy.commit(Finish(row))


_CHANGED = "it changed after it was taken"
_TAKEN = "somebody took it out of the work folder"
_UNCOMPLETED = "its upload was not completed"
# Of a file whose `upload.in_doubt`: the reason, and what to do first.
IN_DOUBT = "its last chunk went out and had no answer: it may be complete at the server"
LOOK_FIRST = "look into the import history of the WFM first; only if it is not there, "


async def _decided(row: Row, policy: Policy) -> Row:
    """Inspect and deliver the file; returns its row with the verdict."""
    try:
        await Turn("front")
        row, receipt, place = await _sent(row, policy.routes.get(row.route or ""), policy, moves=True)
        at, chosen = policy.at, place or Placement()
        return await policy.commit(Deliver(row, receipt, at, chosen.target, chosen.aside))
    except (Unfit, NotWhole, Gone) as fault:
        return await policy.commit(await _undelivered(row, fault, policy))


async def _undelivered(row: Row, fault: Unfit | NotWhole | Gone, policy: Policy) -> Reject | Change | Vanish:
    """Return the step that says why it is not delivered: in doubt, it must not be sent again by itself."""
    row = await Load(row.id, targets=(policy.state,))  # as the last step left it
    in_doubt = row.upload.in_doubt
    if isinstance(fault, Gone):
        return Vanish(row, f"{_TAKEN}; {IN_DOUBT if in_doubt else _UNCOMPLETED}", policy.at)
    if isinstance(fault, NotWhole) and not in_doubt:
        return Change(row, f"{_CHANGED}; {_UNCOMPLETED}", policy.at)
    if isinstance(fault, NotWhole):
        todo = LOOK_FIRST + "copy it into the drop folder again"
        return Reject(row, Unfit(f"{_CHANGED}; {IN_DOUBT}", what_to_do=todo), policy.at)
    if in_doubt and fault.status is None:
        fault = Unfit(
            f"{fault.reason}; {IN_DOUBT}", what_to_do=LOOK_FIRST + fault.what_to_do, lines=fault.lines,
            problems=fault.problems,
        )  # fmt: skip
    return Reject(row, fault, policy.at)


async def _decided_by_hand(row: Row, route: Route, policy: Policy) -> Row:
    # Whoever sends it wants it sent, and is there to mend it.
    route = replace(route, duplicates="upload", bad_records="fail")
    try:
        row, receipt, _ = await _sent(row, route, policy, moves=False)
        return await policy.commit(Deliver(row, receipt, policy.at))
    except (Unfit, NotWhole, Gone) as fault:
        step = await _undelivered(row, fault, policy)
        if isinstance(step, Change):
            changed = Unfit(step.reason, what_to_do="send it when nothing writes to it")
            step = Reject(step.row, changed, policy.at)
        return await policy.commit(step)


async def _filed(row: Row, policy: Policy) -> Row:
    """Move the file to where its verdict puts it; where that name is taken by now, another is chosen."""
    folder = _FOLDERS[row.state](policy)
    if row.place.target is None:
        chosen = await Choose(row, targets=(folder, policy.file(row)))
        assert chosen.target is not None
        row = await policy.commit(Plan(row, chosen.target, chosen.aside))
    try:
        if await Move(row, targets=(policy.work, folder, policy.file(row)), seconds=plausible(row)):
            return await policy.commit(Finish(row), lazy=True)
    except Gone:
        reason = f"it was {row.state}, and somebody took it before it could be moved"
        if row.outcome.reason is not None:
            reason += f"; {row.outcome.reason}"
        return await policy.commit(Vanish(row, reason, policy.at))
    except NotWhole as now:
        return await policy.commit(_changed_since(row, now, policy))
    return replace(row, place=replace(row.place, target=None))


def _changed_since(row: Row, now: NotWhole, policy: Policy) -> Reject | Change:
    """Return the step of a delivered file that is not what was delivered any more, as `now` says."""
    if not row.upload.chunks:  # it was empty, say
        return Change(row, f"{_CHANGED}; nothing of it was sent", policy.at)
    return Reject(row, changed_since(row, now), policy.at)


def changed_since(row: Row, now: NotWhole) -> Unfit:
    """Return why a delivered file is in the failed folder: it is not what was delivered, as `now` says."""
    sent = row.file.fingerprint.size
    reason = f"it changed after it was delivered: the server has its first state ({sent:,} bytes); {now}"
    return Unfit(
        reason, what_to_do="copy what is new into the drop folder, alone: all of it would be a second import"
    )


_FOLDERS: Mapping[FileState, Callable[[Policy], Target]] = {
    FileState.DELIVERED: lambda policy: policy.done,
    FileState.REJECTED: lambda policy: policy.failed,
    FileState.CHANGED: lambda policy: policy.drop,
}


async def _sent(
    row: Row, route: Route | None, policy: Policy, *, moves: bool
) -> tuple[Row, Receipt, Placement | None]:
    """Inspect the file and send it; returns what the server has, and where the file may go.

    Raises `Unfit`, `NotWhole` or `Gone`: then its operation is never completed.
    """
    while True:
        inspect = Inspect(
            row,
            route,
            None if route is None else policy.limit(route),
            moves,
            targets=(policy.work, policy.state, policy.file(row)),
            seconds=plausible(row),
        )
        try:
            with await inspect as found:
                if found.nothing_to_send:
                    await Release()
                    return row, found.receipt, None
                return await Delivery(row, found, policy, moves=moves).run()
        except Outside:
            # The disk failed while it was read: it is opened anew when that is over.
            row = await Load(row.id, targets=(policy.state,))
