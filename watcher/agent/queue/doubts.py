"""Files that were perhaps not written to their end: looked at once, when they are about to be claimed."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from watcher.content.cut_off import doubt_of
from watcher.core.errors import NotWhole
from watcher.core.model import Fingerprint, Route
from watcher.disk.claim import open_still


class Doubts:
    """What is known of the ends of files in the drop folder. A claim and a look may call it at a time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Fingerprint, str]] = {}
        self._new: set[str] = set()  # found since the last look

    def ask(self, path: Path, look: Fingerprint, route: Route | None) -> str | None:
        """Look at the end of a file; say why it is in doubt, if it is."""
        try:
            with open_still(path) as file:
                why = doubt_of(file, path.name, route)
        except (OSError, NotWhole):  # whoever takes it says what is wrong with it
            return None
        if why is not None:
            self._known[path.name] = (look, why)
            self._new.add(path.name)
        return why

    def is_new(self, name: str) -> bool:
        """Say, once, whether a file is in doubt since it was asked about: it is as still as it was before."""
        was_new = name in self._new
        self._new.discard(name)
        return was_new

    def of(self, name: str, look: Fingerprint) -> str | None:
        """Return why a file is in doubt, by an earlier look at its end, where it is still the same."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == look else None

    def keep(self, names: Container[str]) -> None:
        """Forget all other files."""
        for name in [name for name in list(self._known) if name not in names]:
            self._known.pop(name, None)
            self._new.discard(name)
