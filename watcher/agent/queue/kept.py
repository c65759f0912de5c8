"""What an agent leaves to the next one of its process, which goes on under other settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from watcher.agent.queue.openings import Openings
from watcher.agent.queue.patience import Case
from watcher.core.model import Row


@dataclass(slots=True)
class Kept:
    """What is known of the drop folder, and what else is to be done."""

    cases: dict[str, Case] = field(default_factory=dict)  # files that wait for a reason of their own
    taken_over: dict[int, Row] = field(default_factory=dict)  # of dead agents, and still in their folders
    quiet_until: dict[int, float] = field(default_factory=dict)  # by the clock, by row: it goes on then
    openings: Openings | None = None  # files that a program has open: nobody tells that once more

    def openings_of(self, folder: Path, *, shared: bool) -> Openings:
        """Return what is known of who writes in this folder; `shared` as `Openings` has it."""
        if self.openings is None or not self.openings.are_of(folder, shared=shared):
            if self.openings is not None:
                self.openings.stop()
            self.openings = Openings(folder, shared=shared)
        return self.openings
