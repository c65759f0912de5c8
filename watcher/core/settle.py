"""Pure: when is a file in the drop folder whole? Looks go in, `Ready` or `Wait` comes out.

It never judges by age: a copied file keeps its old modification time (Explorer, `cp -p`), so only what
we saw ourselves, on our own monotonic clock, counts. It does not know the disk, nor what time it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from watcher.core.model import Fingerprint
from watcher.core.openness import Openness

# A file of zero bytes is often one whose writer has not flushed yet: it gets this many quiet times. So does
# one whose end looks cut off.
EMPTY_PATIENCE = 5
OPEN_FOR_WRITING = "a program has it open for writing"
# So many inodes of one file, of the same size and time, are none; nobody replaces it by its like so often.
MADE_UP_AFTER = 3


@dataclass(frozen=True, slots=True)
class Settling:
    """What is known of one name in the drop folder."""

    look: Fingerprint  # as last seen
    since: float  # monotonic seconds: when it was first seen as it is now
    # When it was first seen with this size and time, and how often its inode was another one since then.
    still_since: float | None = field(default=None, compare=False)
    renumbered: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing speaks against taking the file."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: `why` is for people; look again at `until` (monotonic seconds), or with the next scan."""

    why: str
    until: float | None = None


def observe(known: Settling | None, look: Fingerprint, now: float) -> Settling:
    """Take one more look at a name into account; any difference starts the quiet time anew.

    But for an inode that is another one again and again, with nothing else: some shares (SMB) make the
    numbers up as they are asked. It is 0 then, which stands for any, and the file may settle.
    """
    if known is None:
        return Settling(look, now)
    if known.look.is_same(look):
        return known
    if not known.look.is_same(replace(look, inode=0)):
        return Settling(look, now)
    still_since = known.since if known.still_since is None else known.still_since
    if known.renumbered + 1 < MADE_UP_AFTER:
        return Settling(look, now, still_since, known.renumbered + 1)
    return Settling(replace(look, inode=0), still_since)


def judge(
    settling: Settling,
    now: float,
    *,
    quiet: float,
    marker: str | None = None,
    doubt: str | None = None,
    openness: Openness = Openness.CLOSED,
    unsure: float = 0.0,
) -> Ready | Wait:
    """Say whether the file is whole. `quiet` in seconds, as `unsure`: how long a file must be still at least
    where nothing tells whether a program has it open.

    `marker` is the name of a marker file that is asked for and not there; `doubt` says why the file was
    perhaps not written to its end.
    """
    empty = settling.look.size == 0
    wait = quiet * EMPTY_PATIENCE if empty or doubt is not None else quiet
    if now < settling.since + wait:
        why = "empty so far" if empty else in_doubt(doubt) if doubt is not None else "still being written"
        return Wait(why, settling.since + wait)
    if openness is Openness.OPEN:
        return Wait(OPEN_FOR_WRITING)  # however long it is still; its end is an event
    if openness is Openness.UNKNOWN and now < settling.since + unsure:
        return Wait("still, but nothing tells whether a program has it open", settling.since + unsure)
    if marker is not None:
        return Wait(f"waits for its marker {marker}")
    return Ready()


def in_doubt(doubt: str) -> str:
    """Return why a file waits that `doubt` speaks against."""
    return f"perhaps not written to its end: {doubt}"


def restart(settling: Settling, now: float) -> Settling:
    """Start the quiet time anew, for a file that turned out to be in use."""
    return Settling(settling.look, now)


# What a person should do about a file that waits for a reason of its own, by a part of that reason.
_KEEPS_CHANGING = "it is never still: write under a name that is ignored, and rename it when it is whole"
_REMEDIES = (
    (
        "too long for Windows",
        "give it a shorter name, or the folders of the settings shorter paths; or turn LongPathsEnabled on",
    ),
    ("a program has it open, and lets", "end the program that has it open: the export, a scanner, a backup"),
    ("open for writing", "end the program that has it open (`fuser` or `lsof` names it)"),
    ("takes too long", "make the expression simpler, or rename the file"),
    ("permission", "let the agent's user read it: chmod, chown, or an ACL"),
    ("nothing tells", "nothing: it goes when it was still for `settle.unsure`"),
    ("cannot be moved", "it may be immutable (`lsattr`), or somebody else's in a sticky folder"),
    ("its marker", "let the export write its marker, or take `marker` out of the route"),
    ("empty so far", "let its writer finish, or delete it"),
    ("not written to its end", "let its writer finish, or copy it again"),
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
