"""One process per state folder: operating-system locks, which die with their process.

`flock` and not POSIX locks: those are lost when *any* descriptor of the file is closed in the process. The
agent has the folder itself locked as well, where the system can: a lock file may be removed by mistake, and a
new one of that name is another file. (Windows removes no file that is open.)
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.disk.files import blame
from watcher.disk.system import give_to_owner

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows makes locked bytes unreadable for others: the lock is far behind the process id in the file.
_WINDOWS_OFFSET = 1 << 20

AGENT_LOCK = "agent.lock"  # whoever has this one has the folder
UPLOAD_LOCK = "upload.lock"  # whoever has this one writes rows of files that are sent by hand
# Whoever has this one finds files under way that no script moves, or moves one itself: see `passing`.
PASSING_LOCK = "passing.lock"
PATIENCE_SECONDS = 1.0
_OTHERS_LOOK_SECONDS = 0.05
# What `flock` says of a folder where the file system locks files alone.
_NO_LOCKS = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})


class Lock:
    """An exclusive lock on `folder/name`, held until `release` or the end of the process."""

    def __init__(self, folder: Path, name: str, *, holder: str, patience: float = PATIENCE_SECONDS) -> None:
        """Take the lock, within `patience` seconds. `holder` says who has it, for the error.

        Raises `ConfigError` where another process has it, `Outside` where the folder is away.
        """
        with ExitStack() as stack:
            until = time.monotonic() + patience
            with blame(folder):
                whole = _opened_folder(folder, name)
                if whole is not None:
                    stack.callback(os.close, whole)
                    if not _taken(whole, until):
                        raise _in_use(folder, name, holder)
                descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
                stack.callback(os.close, descriptor)
                give_to_owner(descriptor, folder)
                if not _taken(descriptor, until):
                    raise _in_use(folder, name, holder)
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            self._close = stack.pop_all().close

    def release(self) -> None:
        """Give the lock back."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def is_held(folder: Path, name: str) -> bool:
    """Say whether a process has the lock, without ever taking it exclusively. Raises `Outside`."""
    with blame(folder), ExitStack() as stack:
        try:
            descriptors = [os.open(folder / name, os.O_RDONLY)]
        except FileNotFoundError:
            descriptors = []  # nobody ever ran here, or somebody removed it
        try:
            whole = _opened_folder(folder, name)
        except FileNotFoundError:
            whole = None
        descriptors += [] if whole is None else [whole]
        for descriptor in descriptors:
            stack.callback(os.close, descriptor)
        return not all(map(_is_free, descriptors))


def _is_free(descriptor: int) -> bool:
    if _try(descriptor, shared=True):
        return True
    if sys.platform == "win32":  # another look may have had it for this instant
        threading.Event().wait(_OTHERS_LOOK_SECONDS)
        return _try(descriptor, shared=True)
    return False


def _opened_folder(folder: Path, name: str) -> int | None:
    """Open the folder, where it is to be locked as well."""
    if sys.platform == "win32" or name != AGENT_LOCK:
        return None
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _in_use(folder: Path, name: str, holder: str) -> ConfigError:
    owner = "unknown"
    with suppress(OSError), (folder / name).open("rb") as file:
        owner = shown(file.read(32).decode("ascii", "replace").strip()) or owner
    return ConfigError(
        f"{holder} (process {owner}) is running with the state folder"
        f" {shown(str(folder))}; stop it first, or use another state folder"
    )


def _taken(descriptor: int, until: float) -> bool:
    """Try for a while: `watcher status` looks at the lock for an instant."""
    pause = threading.Event()
    while not _try(descriptor, shared=False):
        if time.monotonic() > until:
            return False
        pause.wait(0.05)
    return True


def _try(descriptor: int, *, shared: bool) -> bool:
    if sys.platform == "win32":
        os.lseek(descriptor, _WINDOWS_OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            if shared:  # Windows has no shared lock here: this was a look only
                os.lseek(descriptor, _WINDOWS_OFFSET, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        except OSError:
            return False
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise
    return True
