"""One process per state folder: operating-system locks, which die with their process.

`flock` and not POSIX locks: those are lost when *any* descriptor of the file is closed in the process.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Self

from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.disk.files import blame

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows makes locked bytes unreadable for others: the lock is far behind the process id in the file.
_WINDOWS_OFFSET = 1 << 20

PATIENCE_SECONDS = 1.0


class Lock:
    """An exclusive lock on `folder/name`, held until `release` or the end of the process."""

    def __init__(self, folder: Path, name: str, *, holder: str) -> None:
        """Take the lock. `holder` says who has it, for the error.

        Raises `ConfigError` where another process has it, `Outside` where the folder is away.
        """
        with blame(folder):
            self._descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with blame(folder):
                if not self._taken_within(PATIENCE_SECONDS):
                    raise ConfigError(
                        f"{holder} (process {self._owner()}) is running with the state folder"
                        f" {shown(str(folder))}; stop it first, or use another state folder"
                    )
                os.truncate(self._descriptor, 0)
                os.write(self._descriptor, f"{os.getpid()}\n".encode())
        except BaseException:
            os.close(self._descriptor)
            raise

    def _owner(self) -> str:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return shown(os.read(self._descriptor, 32).decode("ascii", "replace").strip()) or "unknown"

    def _taken_within(self, seconds: float) -> bool:
        """Try for a while: `watcher status` looks at the lock for an instant."""
        pause = threading.Event()
        until = time.monotonic() + seconds
        while not _try(self._descriptor, shared=False):
            if time.monotonic() > until:
                return False
            pause.wait(0.05)
        return True

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def is_held(folder: Path, name: str) -> bool:
    """Say whether a process has the lock, without ever taking it exclusively. Raises `Outside`."""
    with blame(folder):
        try:
            descriptor = os.open(folder / name, os.O_RDONLY)
        except FileNotFoundError:
            return False  # nobody ever ran here
    try:
        return not _try(descriptor, shared=True)
    finally:
        os.close(descriptor)


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
    return True
