"""Which files of the drop folder a program still has open for writing: by events, and by leases."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path

from watcher.core.model import Fingerprint
from watcher.core.openness import Openness
from watcher.disk.leases import trial
from watcher.disk.writers import Writers, writers


class Openings:
    """What is known of the files of one folder, by name."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        """`shared`: other machines write there, of which neither events nor leases tell."""
        self._folder, self._shared = folder, shared
        self._writers: Writers | None = None
        self._wake: Callable[[], None] = lambda: None
        self._trials: dict[str, tuple[Fingerprint, bool]] = {}  # can a lease tell who has it open?

    def listen(self, wake: Callable[[], None]) -> None:
        """See to it that events come; `wake` is called when a file was closed. Raises OSError."""
        self._wake = wake
        if self._writers is not None and not self._writers.alive():
            self.stop()
        self._writers = self._writers or writers(self._folder, lambda: self._wake())

    def are_of(self, folder: Path, *, shared: bool) -> bool:
        """Say whether these are of this folder."""
        return (self._folder, self._shared) == (folder, shared)

    def stop(self) -> None:
        """Listen no more."""
        if self._writers is not None:
            self._writers.stop()
            self._writers = None

    def hear(self) -> None:
        """Take in all that happened so far: behind a scan, what was seen open there is known to be."""
        if self._writers is not None:
            self._writers.hear()

    def is_open(self, name: str) -> bool:
        """Say whether events tell that a program has a file open for writing. Any thread may ask."""
        heard = self._writers
        if heard is None:
            return False
        heard.hear()
        return heard.openness(name) is Openness.OPEN

    def of(self, name: str, look: Fingerprint) -> Openness:
        """Return what is known of a file that is still. Where a lease can tell, the claim asks for one, and
        knows better than any event."""
        heard = self._writers
        openness = Openness.UNKNOWN if heard is None else heard.openness(name)
        if self._shared:
            return Openness.UNKNOWN if openness is Openness.CLOSED else openness
        if openness is Openness.CLOSED:
            return openness
        known = self._trials.get(name)
        if known is None or known[0] != look:
            answer = trial(self._folder / name)
            if answer.why and not answer.told:
                return Openness.CLOSED  # it may not be read: the claim says so
            known = self._trials[name] = (look, answer.told)
        return Openness.CLOSED if known[1] else openness

    def keep(self, names: Container[str]) -> None:
        """Forget all other files."""
        self._trials = {name: known for name, known in self._trials.items() if name in names}
