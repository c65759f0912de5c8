"""Is the agent alive? Answered from memory alone: a disk that hangs must not hide a loop that hangs.

What is held is told, and is no illness: a hold is the agent doing its work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watcher.agent.engine.workers import LONGEST_WAIT_SECONDS
from watcher.agent.signs import Signs

# The loop waits 5 s at most. A look at a huge folder on a slow share, or a claim there, takes its time.
STUCK_SECONDS = 60.0
# The main loop collects a finished thread, and watches anew, at its next turn or look.
LOST_SECONDS = 2 * STUCK_SECONDS


@dataclass(frozen=True, slots=True)
class Verdict:
    """Healthy without reasons; each reason is a sentence."""

    reasons: tuple[str, ...]
    heartbeat_age: float  # seconds
    held: tuple[str, ...]  # targets

    @property
    def healthy(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons


class Health:
    """Looks at the signs of life; remembers since when a thread is missing."""

    def __init__(
        self,
        signs: Signs,
        held: Callable[[], Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signs = signs
        self._held = held
        self._clock = clock
        self._lost_since: dict[str, float] = {}  # names of threads; used by the server's thread alone

    def judge(self) -> Verdict:
        """Return the verdict of this moment."""
        age = self._signs.heartbeat_age()
        reasons = [f"{name} has died" for name in self._lost_for_good()]
        if self._signs.ending:
            reasons = ["the agent is stopping"]
        elif age > STUCK_SECONDS:
            reasons.insert(0, f"the main loop is stuck: it did not turn for {age:.0f} s")
        return Verdict(tuple(reasons), age, tuple(self._held()))

    def _lost_for_good(self) -> list[str]:
        now = self._clock()
        self._lost_since = {name: self._lost_since.get(name, now) for name in self._signs.lost()}
        return [
            f"the thread {name}"
            for name, since in self._lost_since.items()
            if now - since > LOST_SECONDS + LONGEST_WAIT_SECONDS
        ]
