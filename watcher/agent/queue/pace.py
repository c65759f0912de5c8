"""Pure: how many files of a route are claimed ahead of those that are being uploaded.

None at first, and none after a hold: what cannot be sent stays in the drop folder, where people see it. While
all goes well ever more, so that their rows, and the syncs of their renames, are one transaction each.
"""

from __future__ import annotations

MOST_AHEAD = 32


class Pace:
    """Of one route."""

    def __init__(self) -> None:
        self.most_ahead = 0

    @property
    def ahead(self) -> int:
        """Fewer than these: time for the next batch."""
        return (self.most_ahead + 1) // 2

    def faster(self) -> None:
        """A file was delivered."""
        self.most_ahead = min(MOST_AHEAD, 2 * self.most_ahead + 1)

    def halt(self) -> None:
        """A hold began."""
        self.most_ahead = 0
