"""Equal files under way at the same time: the first goes on, the others wait to see what becomes of it.

What was delivered before is in the journal, but not what is about to be. So each file that was inspected is
entered here *before* it is compared with the journal; when one comes to its end, what the others with that
content found out about it is out of date, and they are inspected anew.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

Key = tuple[str, str]  # SHA-256 of a dropped file in hex, and the digest of where it goes


@dataclass(slots=True)
class _Entry:
    key: Key
    waits: bool  # for others with this content; not where its route sends it in any case
    has_gone: bool = False
    is_stale: bool = False


class Contents:
    """The contents of the files under way; any thread may call it."""

    def __init__(self) -> None:
        self.has_moved = False  # somebody need not wait any more, since somebody last asked
        self._lock = threading.Lock()
        self._alive: dict[int, _Entry | None] = {}  # by number of a file's row
        self._lines: dict[Key, list[int]] = {}  # those with this content, the first one first

    def begin(self, number: int) -> None:
        """A file is under way; its content is not known yet."""
        with self._lock:
            self._alive[number] = None

    def enter(self, number: int, key: Key, *, waits: bool) -> None:
        """This is the content of a file under way: it is behind others that have it. May be repeated."""
        with self._lock:
            if number not in self._alive:
                return  # it came to its end, and nobody would take it out again
            entry = self._alive[number]
            if entry is not None and entry.key == key:
                entry.waits, entry.is_stale = waits, False
                return
            self._take_out(number, entry)
            self._alive[number] = _Entry(key, waits)
            self._lines.setdefault(key, []).append(number)

    def end(self, number: int) -> None:
        """A file came to its end."""
        with self._lock:
            self._take_out(number, self._alive.pop(number, None))

    def _take_out(self, number: int, entry: _Entry | None) -> None:
        if entry is None:
            return
        line = self._lines[entry.key]
        line.remove(number)
        if not line:
            del self._lines[entry.key]
        for other in line:
            behind = self._alive[other]
            if behind is not None and behind.waits and not behind.has_gone:
                behind.is_stale = self.has_moved = True

    def go(self, number: int) -> bool:
        """Say whether a file may be sent as far as others with its content go; if so, it is under way."""
        with self._lock:
            entry = self._alive.get(number)
            if entry is None or entry.has_gone:
                return True
            entry.has_gone = not entry.is_stale and (not entry.waits or self._lines[entry.key][0] == number)
            return entry.has_gone

    def is_stale(self, number: int) -> bool:
        """Say whether it must be inspected anew: another one with its content came to its end meanwhile."""
        with self._lock:
            entry = self._alive.get(number)
            return entry is not None and entry.is_stale
