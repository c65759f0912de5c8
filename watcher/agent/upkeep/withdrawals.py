"""Requests to take files that are under way out of the queue: a small file each, in the state folder.

`watcher withdraw` writes one beside a running agent; the agent honours it as soon as the file's script would
have to wait, and removes it when the file came to its end, whichever that is. A file that waited, and that
the command could not move to the failed folder, has its verdict: it is left to the agent by a request, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watcher.core.model import FINAL, Row
from watcher.disk import files
from watcher.journal.protocol import Journal

POLL_SECONDS = 5.0
_REQUEST = re.compile(r"withdraw\.(\d{1,18})")
_MOST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Request:
    """What the agent is asked for."""

    row: Row  # as it was a moment ago
    user: str  # who asks
    is_left: bool  # it is withdrawn already, and is nobody's to move but the agent's


def ask(state: Path, number: int, user: str, *, is_left: bool = False) -> None:
    """Ask the running agent to withdraw the file of this row; `is_left`: to move it, for it is withdrawn.
    Raises `Outside`."""
    with files.blame(state):
        asked = json.dumps({"user": user, "left": is_left})
        files.replace_private(state / f"withdraw.{number}", asked.encode())


def forget(state: Path, number: int) -> None:
    """The file of this row came to its end: nothing is asked for any more. Raises `Outside`."""
    with files.blame(state):
        files.remove(state / f"withdraw.{number}")


class Withdrawals:
    """The requests to one agent."""

    def __init__(self, state: Path, journal: Journal, *, clock: Callable[[], float]) -> None:
        self.due_at = clock()  # when to look for requests
        self._state, self._journal, self._clock = state, journal, clock
        self._begun: set[int] = set()  # honoured, or about to be

    def read(self) -> list[Request]:
        """Return what is asked for; requests for what came to its end are forgotten. Called in a worker's
        thread; raises `Outside`."""
        found = []
        with files.blame(self._state):
            for path in self._state.iterdir():
                if not (match := _REQUEST.fullmatch(path.name)):
                    continue
                if (row := self._under_way(int(match[1]))) is None:
                    files.remove(path)
                else:
                    told = _told(path)
                    user = told.get("user")
                    found.append(
                        Request(row, user if isinstance(user, str) else "somebody", told.get("left") is True)
                    )
        return found

    def fresh(self, requests: list[Request]) -> list[Request]:
        """Return those that were not begun with. Called in the control thread."""
        self.due_at = self._clock() + POLL_SECONDS
        return [request for request in requests if request.row.id not in self._begun]

    def begin(self, request: Request) -> None:
        """It is being honoured. Called in the control thread."""
        self._begun.add(request.row.id)

    def _under_way(self, number: int) -> Row | None:
        try:
            row = self._journal.row(number)
        except LookupError:
            return None
        return None if row.state in FINAL else row


def _told(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        if isinstance(told, dict):
            return told
    return {}
