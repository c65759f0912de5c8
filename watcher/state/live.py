"""What the running agent tells `watcher status`: one small file in the state folder, replaced as a whole.

The journal knows the files under way; only the agent's memory knows why others wait and what is held.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watcher import disk
from watcher.errors import Outside
from watcher.holds import Hold, Holds
from watcher.names import shown
from watcher.units import utc_text

# A backlog of 100,000 names would be rewritten once a second; their number is always told.
SHOWN_WAITING = 500
PUBLISH_SECONDS = 0.25  # `status` is at most this far behind
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
) -> None:
    """Replace the file. `waiting` is (name, route, why) of files in the drop folder, of which there are
    `number`; no more than `SHOWN_WAITING` are told. Raises `Outside`."""
    content = {
        "started_at": started_at,
        "updated_at": utc_text(datetime.now(UTC)),
        "held": [
            {"target": shown(hold.target), "since": utc_text(hold.since), "reason": shown(hold.reason)}
            for hold in holds
        ],
        "waiting_count": number,
        "waiting": [
            {"name": shown(name), "route": route, "why": shown(why)}
            for name, route, why in waiting[:SHOWN_WAITING]
        ],
    }
    with disk.blame(state):
        try:
            disk.replace_private(path(state), _text(content).ljust(ROOM_BYTES))
        except OSError:
            # On a full disk of all things, what is held and why must be told.
            disk.overwrite_private(path(state), _text(content | {"waiting": []}))


class Publisher:
    """Tells `watcher status` what only this process knows, where it is new, and not too often."""

    def __init__(self, state: Path, holds: Holds, *, clock: Callable[[], float]) -> None:
        self.due_at = clock()  # not before, by the clock
        self.has_news = True  # written by any thread
        self._state = state
        self._holds = holds
        self._clock = clock
        self._started_at = utc_text(datetime.now(UTC))
        self._mute = False  # the last word met a fault

    @property
    def due(self) -> bool:
        """Whether there is something to tell now."""
        return self.has_news and self._clock() >= self.due_at

    def tell(self, waiting: Sequence[tuple[str, str | None, str]], *, number: int) -> None:
        """Write it down (as in `write`); a state folder that takes no word is held."""
        self.has_news = False
        try:
            held = self._holds.active()
            write(self._state, waiting=waiting, number=number, holds=held, started_at=self._started_at)
        except Outside as fault:
            # A hold that the journal began is not ours to end.
            self._mute = self._mute or not self._holds.held([fault.target])
            self._holds.failed(fault)
        else:
            if self._mute:
                self._holds.worked(disk.folder_target(self._state))
            self._mute = False
        self.due_at = self._clock() + PUBLISH_SECONDS


def _text(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()  # `indent` would be written in Python, ten times as slow


def read(state: Path) -> dict[str, Any]:
    """Return what the agent wrote last; empty where there is nothing to be read."""
    try:
        content = json.loads(path(state).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
