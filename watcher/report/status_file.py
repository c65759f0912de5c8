"""What the running agent tells `watcher status`: one small file in the state folder, replaced as a whole.

The journal knows the files under way; only the agent's memory knows why others wait and what is held.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.core.holds import Hold
from watcher.core.names import shown
from watcher.core.units import utc_text
from watcher.disk import files

if TYPE_CHECKING:  # who only reads it needs no events
    from watcher.core.events import Stuck

# A backlog of 100,000 names would be rewritten once a second; their number is always told.
SHOWN_WAITING = 500
# Of those that wait for a reason of their own; the ones that are stuck come first.
SHOWN_STUCK = 200
# The file is never smaller, so that holds can be told on a full disk too, in the room that it has.
ROOM_BYTES = 4_000


def path(state: Path) -> Path:
    """Return where the file is."""
    return state / "live.json"


def write(
    state: Path,
    *,
    waiting: Sequence[tuple[str, str | None, str]],
    number: int,
    holds: Sequence[Hold],
    started_at: str,
    stuck: Sequence[tuple[Stuck, bool]] = (),
) -> None:
    """Replace the file. `waiting` is (name, route, why) of files in the drop folder, of which there are
    `number`; no more than `SHOWN_WAITING` are told. `stuck`: those that wait for a reason of their own, and
    whether each does for too long. Raises `Outside`."""
    content = {
        "started_at": started_at,
        "updated_at": utc_text(datetime.now(UTC)),
        "held": [
            {
                "target": shown(str(hold.target)),
                "since": utc_text(hold.since),
                "reason": shown(hold.reason),
                "check": shown(hold.check),
            }
            for hold in holds
        ],
        "stuck": [_own_reason(event, is_stuck) for event, is_stuck in stuck],
        "waiting_count": number,
        "waiting": [
            {"name": shown(name), "route": route, "why": shown(why)}
            for name, route, why in waiting[:SHOWN_WAITING]
        ],
    }
    with files.blame(state):
        try:
            files.replace_private(path(state), _text(content).ljust(ROOM_BYTES))
        except OSError as error:
            # On a full disk of all things, what is held and why must be told.
            try:
                files.overwrite_private(path(state), _text(content | {"waiting": [], "stuck": []}))
            except FileNotFoundError:
                raise error from None  # it was never written: the disk is full, and not "it is not there"


def _own_reason(event: Stuck, is_stuck: bool) -> dict[str, Any]:
    return {
        "name": shown(event.name),
        "why": shown(event.why),
        "since": utc_text(event.since),
        "stuck": is_stuck,
        "check": event.check,
        "blocks": [shown(name) for name in event.blocks],
        "blocked": event.blocked,
    }


def _text(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()  # `indent` would be written in Python, ten times as slow


def read(state: Path) -> dict[str, Any]:
    """Return what the agent wrote last; empty where there is nothing to be read."""
    try:
        content = json.loads(path(state).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
