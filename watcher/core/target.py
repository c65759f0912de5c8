"""Pure: what can be held, as a value: what kind of thing it is, and which one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from watcher.core.names import shown

Kind = Literal["login", "proxy", "server", "endpoint", "folder", "file", "route"]
# A URL speaks for itself; a path and a name do not.
_SAID_WITH_KIND = frozenset({"proxy", "folder", "route", "file"})


@dataclass(frozen=True, slots=True)
class Target:
    """Something outside a file that is in the way, or one file that is; `str` gives the words for people."""

    kind: Kind
    name: str  # as the settings or the disk have it, unchanged: a path, a URL, a route's or a file's name
    number: int = 0  # of a file, its row: two may have one name; 0: whoever tells of it knows the name alone

    def __str__(self) -> str:
        return f"{self.kind} {shown(self.name)}" if self.kind in _SAID_WITH_KIND else self.name
