"""A file that a person takes out of the queue: where it goes then, and what its report says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from watcher.core.acts import Act, Load
from watcher.core.errors import Unfit
from watcher.core.model import UNDECIDED, Row
from watcher.core.names import counted
from watcher.core.policy import Policy
from watcher.core.steps import Reject

_AGAIN = "to have it sent after all, copy it into the drop folder, or use `watcher retry`"


async def withdrawn(
    number: int, user: str, policy: Policy, go_on: Callable[[Row], Coroutine[Act[Any], Any, Row]]
) -> Row:
    """End a file that is under way without sending any more of it; one that has its verdict keeps it."""
    row = await Load(number, targets=(policy.state,))
    if row.state in UNDECIDED:
        row = await policy.commit(Reject(row, of_ours(row, user), policy.at))
    return await go_on(row)


def of_waiting(user: str) -> Unfit:
    """Return why a file from the drop folder is in the failed folder."""
    return Unfit(f"withdrawn by {user} from the drop folder; nothing of it was sent", what_to_do=_AGAIN)


def of_ours(row: Row, user: str) -> Unfit:
    """Return why a file that was under way is in the failed folder."""
    upload = row.upload
    if upload.in_doubt:
        return Unfit(
            f"withdrawn by {user} while the answer to its last chunk was not known",
            what_to_do=f"it may be complete at the server: look into the import history first; {_AGAIN}",
        )
    if upload.chunks or upload.sending_to is not None or upload.earlier_tokens:
        sent = f"{counted(upload.chunks, 'chunk')} of it delivered, and its upload not completed"
    else:
        sent = "nothing of it sent"
    return Unfit(f"withdrawn by {user} with {sent}", what_to_do=_AGAIN)


def of_stranded(agent: str, user: str) -> Unfit:
    """Return why a file from the work folder of another agent is in the failed folder."""
    return Unfit(
        f"withdrawn by {user} from the work folder of {agent}, which had begun with it",
        what_to_do=f"it may be complete at the server: look into the import history first; {_AGAIN}",
    )
