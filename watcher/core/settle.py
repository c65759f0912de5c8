"""Pure: when is a file in the drop folder whole? Looks go in, `Ready` or `Wait` comes out.

It never judges by age: a copied file keeps its old modification time (Explorer, `cp -p`), so only what
we saw ourselves, on our own monotonic clock, counts. It does not know the disk, nor what time it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from watcher.core.model import Fingerprint

# A file of zero bytes is often one whose writer has not flushed yet: it gets this many quiet times.
EMPTY_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class Settling:
    """What is known of one name in the drop folder."""

    look: Fingerprint  # as last seen
    since: float  # monotonic seconds: when it was first seen as it is now


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing speaks against taking the file."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: `why` is for people; look again at `until` (monotonic seconds), or with the next scan."""

    why: str
    until: float | None = None


def observe(known: Settling | None, look: Fingerprint, now: float) -> Settling:
    """Take one more look at a name into account; any difference starts the quiet time anew."""
    if known is not None and known.look == look:
        return known
    return Settling(look, now)


def judge(settling: Settling, now: float, *, quiet: float, marker: str | None = None) -> Ready | Wait:
    """Say whether the file is whole. `quiet` in seconds.

    `marker` is the name of a marker file that is asked for and not there.
    """
    wait = quiet * EMPTY_PATIENCE if settling.look.size == 0 else quiet
    if now < settling.since + wait:
        why = "empty so far" if settling.look.size == 0 else "still being written"
        return Wait(why, settling.since + wait)
    if marker is not None:
        return Wait(f"waits for its marker {marker}")
    return Ready()


def restart(settling: Settling, now: float) -> Settling:
    """Start the quiet time anew, for a file that turned out to be in use."""
    return replace(settling, since=now)
