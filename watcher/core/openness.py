"""Pure: which files does a program have open for writing? Events of inotify(7) go in, an answer comes out.

For whoever may not ask the kernel itself: a lease takes the file's owner, events only a folder to watch.
What nobody saw is `UNKNOWN`, never guessed. Two facts decide what may be believed:

- Equal events that follow each other are one, so a count of opens may be too low or too high. It makes an
  answer unknown, but never "open": that takes a write, or a creation, with no end of a writer behind it.
- A name can come to be without an open (a second name, a rename from elsewhere), and a file can be cut to a
  length without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

# inotify(7); the numbers are part of the kernel's interface.
MODIFY, CLOSE_WRITE, CLOSE_NOWRITE, OPEN = 0x2, 0x8, 0x10, 0x20
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
UNMOUNT, Q_OVERFLOW, IGNORED, ISDIR = 0x2000, 0x4000, 0x8000, 0x40000000
MASK = MODIFY | CLOSE_WRITE | CLOSE_NOWRITE | OPEN | MOVED_FROM | MOVED_TO | CREATE | DELETE

_MOST_ON_THE_WAY = 64  # renames whose other half has not come; those out of the folder have none


class Openness(Enum):
    """Whether a program has a file open for writing."""

    OPEN = auto()
    CLOSED = auto()
    UNKNOWN = auto()


class _Phase(Enum):
    UNKNOWN = auto()
    CREATED = auto()  # a new name; an open that follows is its writer's
    CUT = auto()  # modified with nobody in it: by truncate(2), or by an open that is about to be told
    BEGUN = auto()  # open, and nothing written so far
    OPEN = auto()  # ... and written
    LEFT = auto()  # a writer closed it, while somebody else, perhaps a reader, had it open
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class _File:
    phase: _Phase = _Phase.UNKNOWN
    opens: int = 0  # that were seen and did not end; by readers, too


_NEW = _File()
_ANSWERS = {
    _Phase.BEGUN: Openness.OPEN,
    _Phase.OPEN: Openness.OPEN,
    _Phase.CLOSED: Openness.CLOSED,
}


class OpenFiles:
    """What the events of one folder tell of its files, since they began."""

    def __init__(self) -> None:
        self.ended = False  # the folder is gone, or no longer watched: no event comes any more
        self._files: dict[str, _File] = {}
        self._on_the_way: dict[int, _File] = {}  # by the cookie of the rename

    def openness(self, name: str) -> Openness:
        """Return what is known of the file of this name."""
        return _ANSWERS.get(self._files.get(name, _NEW).phase, Openness.UNKNOWN)

    def hear(self, events: Iterable[tuple[int, int, str]]) -> bool:
        """Take (mask, cookie, name) in the order they came; returns whether a file is closed by now that was
        not before."""
        closed = False
        for mask, cookie, name in events:
            if mask & (Q_OVERFLOW | IGNORED | UNMOUNT):
                self.ended = self.ended or not mask & Q_OVERFLOW
                self._files, self._on_the_way = {}, {}
            elif name and not mask & ISDIR:
                closed = self._hear(mask, cookie, name) or closed
        return closed

    def _hear(self, mask: int, cookie: int, name: str) -> bool:
        if mask & (DELETE | MOVED_FROM):
            was = self._files.pop(name, _NEW)
            if mask & MOVED_FROM:
                self._on_the_way[cookie] = was
                if len(self._on_the_way) > _MOST_ON_THE_WAY:
                    del self._on_the_way[next(iter(self._on_the_way))]
            return False
        if mask & MOVED_TO:
            self._files[name] = self._on_the_way.pop(cookie, _NEW)
            return False
        was = self._files.get(name, _NEW)
        now = self._files[name] = _after(mask, was)
        return now.phase is _Phase.CLOSED and was.phase is not _Phase.CLOSED


def _after(mask: int, was: _File) -> _File:
    """Return what is known of a file behind an event of its own."""
    if mask & CREATE:
        return _File(_Phase.CREATED)
    if mask & MODIFY:
        cut = was.phase is _Phase.CLOSED and was.opens == 0
        return replace(was, phase=_Phase.CUT if cut else _Phase.OPEN)
    if mask & OPEN:
        begins = was.phase in (_Phase.CREATED, _Phase.CUT)
        return _File(_Phase.BEGUN if begins else was.phase, was.opens + 1)
    opens = max(0, was.opens - 1)
    if mask & CLOSE_WRITE:
        return _File(_Phase.LEFT if opens else _Phase.CLOSED, opens)
    # A reader: the last one behind a writer leaves a closed file. Where nothing was written so far, it may be
    # the one who opened the new name, and ends that follow each other are told as one.
    if was.phase is _Phase.BEGUN:
        return _File(_Phase.CREATED, opens)
    return _File(_Phase.CLOSED if was.phase is _Phase.LEFT and not opens else was.phase, opens)
