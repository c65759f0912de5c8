"""Requests to take files that are under way out of the queue: a small file each, in the state folder.

`watcher withdraw` writes one beside a running agent; the agent honours it as soon as the file's script would
have to wait, and removes it when the file came to its end, whichever that is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from watcher.core.model import FINAL
from watcher.disk import files
from watcher.journal.protocol import Journal

POLL_SECONDS = 5.0  # while files are under way
_REQUEST = re.compile(r"withdraw\.(\d{1,18})")
_MOST_BYTES = 4_096


def ask(state: Path, number: int, user: str) -> None:
    """Ask the running agent to withdraw the file of this row. Raises `Outside`."""
    with files.blame(state):
        files.replace_private(state / f"withdraw.{number}", json.dumps({"user": user}).encode())


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

    def read(self) -> list[tuple[int, str]]:
        """Return the rows that are to be withdrawn, and by whom; those that ended are forgotten. Called in a
        worker's thread; raises `Outside`."""
        found = []
        with files.blame(self._state):
            for path in self._state.iterdir():
                if not (match := _REQUEST.fullmatch(path.name)):
                    continue
                number = int(match[1])
                if self._is_over(number):
                    files.remove(path)
                else:
                    found.append((number, _user(path)))
        return found

    def begun(self, requests: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return those that are new. Called in the control thread."""
        self.due_at = self._clock() + POLL_SECONDS
        fresh = [request for request in requests if request[0] not in self._begun]
        self._begun.update(number for number, _user in fresh)
        return fresh

    def _is_over(self, number: int) -> bool:
        try:
            return self._journal.row(number).state in FINAL
        except LookupError:
            return True


def _user(path: Path) -> str:
    with suppress(OSError, ValueError):
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        if isinstance(told, dict) and isinstance(told.get("user"), str):
            return str(told["user"])
    return "somebody"
