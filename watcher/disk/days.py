"""The folders of days in done, `done/2026-11-23`: one is used where it is a folder, and never by a link.

Whoever drops files may write in done, put a link there under such a name, and swap what is there at any
moment. So such a folder is opened without following links, and on Linux all that is done in it is done by
that descriptor: it happens there, whatever has its name by then. Elsewhere (macOS, Windows, no /proc) it is
looked at right before it is used. Whose it is does not matter: what lies in it others may replace anyway, as
they may in done itself.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from watcher.core.errors import Outside
from watcher.core.model import Row
from watcher.core.names import shown
from watcher.disk import files
from watcher.disk.places import Places

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DESCRIPTORS = Path("/proc/self/fd")  # where a descriptor is the beginning of a path: Linux
# What leads elsewhere on Windows: symbolic links, and junctions, which anybody may make.
_LEAD_AWAY = {getattr(stat, f"IO_REPARSE_TAG_{kind}", None) for kind in ("SYMLINK", "MOUNT_POINT")} - {None}
CHECK = "look at what stands there and move it away: the agent makes a folder in its place"


def is_day(name: str) -> bool:
    """Say whether a folder of this name is that of a day: `2026-11-23`."""
    return _DAY.fullmatch(name) is not None


def day_for(places: Places, entry: Row) -> Path | None:
    """Return the folder of its day for a delivered file; None: done has none."""
    if not places.by_day or entry.outcome.finished_at is None:
        return None
    return places.done / entry.outcome.finished_at[:10]  # UTC


def is_in_done(places: Places, folder: Path) -> bool:
    """Say whether `folder` is that of a day, in done, or in what was done by earlier settings."""
    return is_day(folder.name) and folder not in (places.drop, places.done, places.failed)


@contextmanager
def made(folder: Path) -> Iterator[Path]:
    """Make a day's folder, if need be, and hold on to it; yields what leads into that very one.

    Raises `Outside` for the folder above, also for what the block says of this one: it is made again, so what
    is wrong with it is wrong there.
    """
    with ExitStack() as stack:
        with files.blame(folder.parent):
            files.make_subfolder(folder)
            path = stack.enter_context(held(folder))
        try:
            yield path
        except Outside as fault:
            if fault.target != files.folder_target(path):
                raise
            above = files.folder_target(folder.parent)
            raise Outside(above, fault.reason, check=fault.check) from fault


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold on to a day's folder that is there; yields what leads into that very one.

    Raises `Outside` for the folder above where it is a link, or no folder, and OSError.
    """
    if why := why_not(folder):
        raise _refused(folder, why)
    if sys.platform == "win32":
        yield folder
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        if why := why_not(folder):  # by now
            raise _refused(folder, why) from None
        raise
    try:
        by_descriptor = _DESCRIPTORS / str(descriptor)
        yield by_descriptor if _leads_to(by_descriptor, descriptor) else folder
    finally:
        os.close(descriptor)


def why_not(folder: Path) -> str:
    """Say why what stands there is not used as a day's folder, or "". Raises OSError where nothing does."""
    status = os.lstat(folder)
    if stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _LEAD_AWAY:
        return "it is a symbolic link, and none is followed there"
    return "" if stat.S_ISDIR(status.st_mode) else "it is no folder"


def _refused(folder: Path, why: str) -> Outside:
    return Outside(files.folder_target(folder.parent), f"{shown(str(folder))}: {why}", check=CHECK)


def _leads_to(path: Path, descriptor: int) -> bool:
    with suppress(OSError):  # no /proc
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False
