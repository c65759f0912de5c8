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


# What a person should do about a file that waits for a reason of its own, by a part of that reason.
_KEEPS_CHANGING = "it is never still: write under a name that is ignored, and rename it when it is whole"
_REMEDIES = (
    ("open for writing", "end the program that has it open (`fuser` or `lsof` names it)"),
    ("permission", "let the agent's user read it: chmod, chown, or an ACL"),
    ("cannot be moved", "it may be immutable (`lsattr`), or somebody else's in a sticky folder"),
    ("its marker", "let the export write its marker, or take `marker` out of the route"),
    ("empty so far", "let its writer finish, or delete it"),
    ("being written", _KEEPS_CHANGING),
    ("it changed", _KEEPS_CHANGING),
    ("cannot be", "look at its rights, and at the disk that it is on"),
    ("symbolic link", "copy the file itself into the drop folder"),
    ("not a regular file", "remove it"),
    ("a folder", "move its files, or put its name on `settle.ignore`"),
)
_NO_FILE = ("a symbolic link", "not a regular file", "a folder")


def remedy(why: str) -> str:
    """Return what a person should do about a file that waits because of `why`, as `Wait` has it."""
    what = next((words for part, words in _REMEDIES if part in why), "look at the file")
    return what if why.startswith(_NO_FILE) else what + "; `watcher withdraw` takes it out of the queue"
