"""Pure: how slowly an upload may come, so that whoever drips bytes keeps nobody else's place for hours."""

from __future__ import annotations

STALL_SECONDS = 60.0  # of nothing, or of too little
LEAST_BYTES_PER_SECOND = 20_000


class LeastPace:
    """One upload's credit in time: its bytes earn it, and no more of it is kept than a stall may last."""

    def __init__(self, began: float) -> None:
        """`began` in seconds, of the clock of all the calls."""
        self.until = began + STALL_SECONDS  # when it is ended unless more comes

    def came(self, now: float, size: int, *, ours: float) -> float:
        """Take note of so many bytes, and of the seconds that our own disk took for them; return `until`."""
        earned = size / LEAST_BYTES_PER_SECOND
        self.until = min(self.until + earned + ours, now + STALL_SECONDS)
        return self.until
