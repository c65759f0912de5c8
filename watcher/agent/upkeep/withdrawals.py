"""Requests to take files that are under way out of the queue: a small file each, in the state folder.

`watcher withdraw` writes one beside a running agent; the agent honours it as soon as the file's script would
have to wait, and removes it when the file came to its end, whichever that is. A file that waits is moved by
the command itself, past the agent: what it asks for is for the agent only if the command is not at work any
more, because the failed folder was in the way, or because somebody ended it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watcher.core.errors import ConfigError, Outside
from watcher.core.model import Row
from watcher.disk import files
from watcher.journal.lock import PASSING_LOCK, Lock, is_held
from watcher.journal.protocol import Journal

POLL_SECONDS = 5.0
_REQUEST = re.compile(r"withdraw\.[0-9a-f-]{1,36}")
_MOST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Request:
    """What the agent is asked for."""

    row: Row  # as it was a moment ago
    user: str  # who asks
    is_left: bool  # it is withdrawn already, and is nobody's to move but the agent's


def passing(state: Path, *, patience: float) -> Lock:
    """Return the lock of who moves a file of the drop folder past the agent's scripts, or finds at a start
    what was under way: what the one is at is none of the other's. Raises `Outside` where another process has
    it for so many seconds."""
    try:
        return Lock(state, PASSING_LOCK, holder="another process", patience=patience)
    except ConfigError as error:
        todo = "nothing, if it goes on by itself; is a `watcher withdraw` stopped, or does it hang?"
        words = "another process is at the files that are under way"
        raise Outside(files.folder_target(state), words, check=todo) from error


def ask(state: Path, push_token: str, user: str, *, is_left: bool = False) -> None:
    """Ask the running agent to withdraw the file with this push token; `is_left`: to move it, for it is
    withdrawn, once nobody is `passing` any more. Raises `Outside`."""
    with files.blame(state):
        asked = json.dumps({"user": user, "left": is_left})
        files.replace_private(state / f"withdraw.{push_token}", asked.encode())


def forget(state: Path, push_token: str) -> None:
    """The file came to its end: nothing is asked for any more. Raises `Outside`."""
    with files.blame(state):
        files.remove(state / f"withdraw.{push_token}")


class Withdrawals:
    """The requests to one agent."""

    def __init__(self, state: Path, journal: Journal, *, clock: Callable[[], float]) -> None:
        self.due_at = clock()  # when to look for requests
        self._state, self._journal, self._clock = state, journal, clock
        self._begun: set[int] = set()  # honoured, or about to be

    def read(self) -> list[Request]:
        """Return what is asked for, but for files that a command moves itself just now; requests for what
        came to its end are forgotten. Called in a worker's thread; raises `Outside`."""
        found = []
        with files.blame(self._state):
            asked = [path for path in self._state.iterdir() if _REQUEST.fullmatch(path.name)]
            told_by = {path: _told(path) for path in asked}
            # Asked behind the look: whoever wrote one of these, and has the lock no more, is at work no more.
            moves = bool(asked) and is_held(self._state, PASSING_LOCK)
            rows = self._journal.under_way("drop") if asked else []
            for path, told in told_by.items():
                is_left, user = told.get("left") is True, told.get("user")
                if is_left and moves:
                    continue
                key = path.suffix[1:]
                if (row := next((row for row in rows if _is_meant(row, key)), None)) is None:
                    files.remove(path)
                else:
                    found.append(Request(row, user if isinstance(user, str) else "somebody", is_left))
        return found

    def fresh(self, requests: list[Request]) -> list[Request]:
        """Return those that were not begun with. Called in the control thread."""
        self.due_at = self._clock() + POLL_SECONDS
        return [request for request in requests if request.row.id not in self._begun]

    def begin(self, request: Request) -> None:
        """It is being honoured. Called in the control thread."""
        self._begun.add(request.row.id)


def _is_meant(row: Row, key: str) -> bool:
    # Older versions asked by the number of the row.
    return key in (row.push_token, *row.upload.earlier_tokens, str(row.id))


def _told(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        if isinstance(told, dict):
            return told
    return {}
