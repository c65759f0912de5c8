"""Is the work folder ours alone? Asked each time before it is used, for it stands where others may write.

They may rename it, and put a link or a folder of their own in its place: what we would write there could
be any file of the agent's user, and what we would put back from there, too.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path

from watcher.core.errors import Outside
from watcher.core.names import shown
from watcher.disk.faults import blame, folder_target

if sys.platform != "win32":
    import pwd

_OTHERS = 0o077
_CHECK = (
    "look at what stands there and move it away: bring ours back, or the agent makes a new one;"
    " `chmod +t` on the folder that it lies in keeps others from renaming it"
)


def require_ours(work: Path, own: str | None = None, *, mend: bool = True, user: int | None = None) -> None:
    """Raise `Outside` unless our part of the work folder, what it lies in, and `own` in it are ours alone.

    Each is a folder and no link, of our user (or `user`), for nobody else (0700).

    `mend`: one of ours that others may use is closed to them. One that is not there is for others to tell.
    On Windows nothing is asked: the rights are those of the folder above.
    """
    if sys.platform == "win32":
        return
    wanted = os.geteuid() if user is None else user
    above: int | None = None
    with blame(work), ExitStack() as stack:
        for folder in (work.parent, work, work / own if own else None):
            if folder is None:
                return
            try:
                above = _opened(folder, above)
            except FileNotFoundError:
                return
            except OSError as error:
                if why := _stands_there(folder, error, wanted):
                    raise _not_ours(work, folder, why) from error
                raise
            stack.callback(os.close, above)
            if why := _why_not(above, wanted, mend=mend):
                raise _not_ours(work, folder, why)


def _opened(folder: Path, above: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(folder if above is None else folder.name, flags, dir_fd=above)


def _not_ours(work: Path, folder: Path, why: str) -> Outside:
    return Outside(folder_target(work), f"{shown(str(folder))} is not ours alone: {why}", check=_CHECK)


def _stands_there(folder: Path, error: OSError, wanted: int) -> str:
    """Say what cannot be opened as a folder, or may not be looked into; "" where it is none of those."""
    status = os.lstat(folder)
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if error.errno == errno.EACCES and status.st_uid != wanted:
        return f"it belongs to {user_name(status.st_uid)}"
    return ""


def _why_not(descriptor: int, wanted: int, *, mend: bool) -> str:
    status = os.fstat(descriptor)
    if status.st_uid == wanted and not status.st_mode & _OTHERS:
        return ""
    if status.st_uid == wanted and mend:
        with suppress(OSError):
            os.chmod(descriptor, stat.S_IMODE(status.st_mode) & ~_OTHERS)
        status = os.fstat(descriptor)
    elif status.st_uid == wanted:
        return ""  # it will be mended
    if status.st_uid == wanted and not status.st_mode & _OTHERS:
        return ""
    # Some shares give all that is made there one owner and one mode: those tell nothing then.
    made = _made_in(descriptor)
    if made is not None and made.st_uid == status.st_uid and not status.st_mode & ~made.st_mode & _OTHERS:
        return ""
    if status.st_uid != wanted:
        return f"it belongs to {user_name(status.st_uid)}"
    return f"others may use it (mode {stat.S_IMODE(status.st_mode):04o})"


def _made_in(descriptor: int) -> os.stat_result | None:
    """Return what a folder for us alone is like that is made in there; None where none can be made."""
    name = f".watcher-probe-{uuid.uuid4().hex}"
    try:
        os.mkdir(name, 0o700, dir_fd=descriptor)
    except OSError:
        return None
    try:
        return os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None
    finally:
        with suppress(OSError):
            os.rmdir(name, dir_fd=descriptor)


def user_name(number: int) -> str:
    """Return a user's name, or the number where there is none."""
    if sys.platform == "win32":
        return str(number)
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
