"""Pure: how fast a server that refuses requests as too many (HTTP 429) lets us go; learned as we go.

Each refusal doubles the gap between two requests, each accepted one makes it a little smaller: about one in
thirty is refused then, whatever the limit is. Times are monotonic seconds.
"""

from __future__ import annotations

FIRST_GAP_SECONDS = 0.05
SHRINK = 0.97
LONGEST_GAP_SECONDS = 60.0


class Tempo:
    """Of the requests to one server."""

    def __init__(self) -> None:
        self.gap = 0.0
        self._sent_at = float("-inf")
        self._was_taken = True  # something, since the gap last grew

    @property
    def due_at(self) -> float:
        """When the next request may go out."""
        return self._sent_at + self.gap

    def sent(self, now: float) -> None:
        """A request goes out."""
        self._sent_at = now

    def refused(self) -> None:
        """It was one too many; where all are refused, more of that say nothing of the gap."""
        if self._was_taken:
            self.gap = min(LONGEST_GAP_SECONDS, max(FIRST_GAP_SECONDS, 2 * self.gap))
            self._was_taken = False

    def passed(self) -> None:
        """It was taken."""
        self._was_taken = True
        self.gap = self.gap * SHRINK if self.gap > FIRST_GAP_SECONDS / 2 else 0.0
