"""Pure: what can be held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["login", "server", "endpoint", "folder", "file"]
KINDS: tuple[Kind, ...] = ("login", "server", "endpoint", "folder", "file")


@dataclass(frozen=True, slots=True)
class Target:
    """One thing outside a file that it needs; or one file, by a fault of ours."""

    kind: Kind
    name: str  # a URL, a path, or a file's name, fit to be shown

    def __str__(self) -> str:
        """For people: a URL says by itself what it is."""
        return f"{self.kind} {self.name}" if self.kind in ("folder", "file") else self.name
