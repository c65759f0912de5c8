"""Pure: which refusals are worth a line in the log: who has no password must not be able to fill it."""

from __future__ import annotations

from collections.abc import Callable

EVERY_SECONDS = 60.0  # a line at most, of one address and one kind
MOST_KNOWN = 256  # addresses and kinds; of more, those of which a line was written longest ago are forgotten


class Refusals:
    """What was told of, by address and kind."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds."""
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}  # when, and how many since

    def worth_a_line(self, by: str, why: str) -> str | None:
        """Return what the line says of a refusal; None: one of that kind was written just now, and this one
        is counted for the next."""
        now, known = self._clock(), self._told.get((by, why))
        if known is not None and now - known[0] < EVERY_SECONDS:
            self._told[by, why] = (known[0], known[1] + 1)
            return None
        self._told.pop((by, why), None)
        self._told[by, why] = (now, 0)
        if len(self._told) > MOST_KNOWN:
            del self._told[next(iter(self._told))]
        return f"{why} ({known[1]:,} more like it since the last such line)" if known and known[1] else why
