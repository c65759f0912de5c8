"""Asks the system whether a program has a file open for writing."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from watcher.core.settle import OPEN_FOR_WRITING
from watcher.disk.system import open_to_read
from watcher.disk.windows import is_in_use

if sys.platform == "linux":
    import fcntl

IN_USE = "a program has it open, and lets nobody else read it"

_CAP_LEASE = 28  # capabilities(7): its bit


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial with a lease said."""

    why: str = ""  # why the file cannot be taken
    told: bool = False  # the kernel answered: with `why`, or that no process has it open for writing


def trial(path: Path) -> Trial:
    """Ask whether a local process has a file open for writing.

    Linux: a read lease is refused with EAGAIN while any process has the file open for writing (fcntl(2)).
    It takes the file's owner or CAP_LEASE; where it cannot be asked, nothing is told.
    """
    try:
        descriptor = open_to_read(path)
    except PermissionError as error:
        return Trial(IN_USE if is_in_use(error) else "no permission to read it")
    except OSError:
        return Trial()  # gone, or replaced: the claim looks again
    try:
        if sys.platform == "linux":
            # Whoever opens the file for writing in this instant makes the kernel signal us. By default
            # that is SIGIO, which would end the process; SIGURG is ignored unless asked for.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return Trial(told=True)
    except BlockingIOError:
        return Trial(OPEN_FOR_WRITING, told=True)
    except OSError:
        return Trial()  # not the owner, or the file system knows no leases
    finally:
        os.close(descriptor)
    return Trial()


def may_try_others() -> bool:
    """Say whether we may ask about the files of other users: whether we have CAP_LEASE, and not merely in a
    container's own world of users."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        users = Path("/proc/self/uid_map").read_text(encoding="utf-8").split()
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_LEASE & 1) and users == ["0", "0", "4294967295"]
