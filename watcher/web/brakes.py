"""Pure: how often somebody may guess a password or a token."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

FREE_GUESSES = 3  # whoever mistypes it is not made to wait
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 900.0
MOST_KNOWN = 1024  # addresses; of more, those that guessed longest ago are forgotten


@dataclass(slots=True)
class _Guesses:
    wrong: int
    last_at: float
    free_at: float  # when the next one is looked at


class Brakes:
    """Who guessed wrong, and how often: after the first few each takes twice as long as the one before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, _Guesses] = {}  # the one that guessed last stands last

    def wait(self, who: str) -> float:
        """Return the seconds before which a guess of theirs is not even looked at."""
        known = self._known.get(who)
        return 0.0 if known is None else max(0.0, known.free_at - self._clock())

    def wrong(self, who: str) -> None:
        """They guessed wrong."""
        now = self._clock()
        known = self._known.pop(who, None)
        if known is None or now - known.last_at > FORGOTTEN_SECONDS:
            known = _Guesses(0, now, now)
        known.wrong += 1
        delay = 0.0 if known.wrong < FREE_GUESSES else 2.0 ** min(known.wrong - FREE_GUESSES, 16)
        known.last_at, known.free_at = now, now + min(delay, LONGEST_SECONDS)
        self._known[who] = known
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def right(self, who: str) -> None:
        """They know it."""
        self._known.pop(who, None)


def origin(client: tuple[str, int] | None) -> str:
    """Return who is at the other end: an address, or the network of one that has addresses without end."""
    if client is None:
        return ""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
