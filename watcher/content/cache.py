"""Pure: results that are worked out once and looked up after that, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

MOST = 1 << 14  # entries: with short texts some 3 MB

_Key = TypeVar("_Key")
_Made = TypeVar("_Made")


class Cache(dict[_Key, _Made], Generic[_Key, _Made]):
    """What a function makes of each value; emptied when it is full. What raises is not kept."""

    def __init__(self, make: Callable[[_Key], _Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: _Key) -> _Made:
        made = self._make(key)
        if len(self) >= MOST:
            self.clear()
        self[key] = made
        return made
