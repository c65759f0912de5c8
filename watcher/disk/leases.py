"""Asks the system whether a program has a file open for writing."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if sys.platform == "linux":
    import fcntl

# No link is followed, no pipe waited for. Windows has neither flag.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def trial_open(path: Path) -> str | None:
    """Say why a file that is still cannot be taken: a local process has it open for writing; or None.

    Linux: a read lease is refused with EAGAIN while any process has the file open for writing (fcntl(2)).
    It takes the file's owner or CAP_LEASE; where it cannot be asked, None.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except PermissionError:
        return "no permission to read it"
    except OSError:
        return None  # gone, or replaced: the claim looks again
    try:
        if sys.platform == "linux":
            # Whoever opens the file for writing in this instant makes the kernel signal us. By default
            # that is SIGIO, which would end the process; SIGURG is ignored unless asked for.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return "a program has it open for writing"
    except OSError:
        return None  # not the owner, or the file system knows no leases
    finally:
        os.close(descriptor)
    return None
