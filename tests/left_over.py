"""What a piece of code leaves open: told by who is new, for what earlier tests left may end at any time."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LONG = 5.0  # seconds: what only was about to end is gone by then
DESCRIPTORS = "/proc/self/fd"


@contextmanager
def nothing_left_over() -> Iterator[None]:
    """Fail where the code within leaves a thread or, on Linux, a descriptor that was not there before."""
    before = _open_now()
    yield
    by = time.monotonic() + LONG
    while (left := _open_now() - before) and time.monotonic() < by:
        time.sleep(0.01)
    assert not left


def _open_now() -> set[object]:
    found: set[object] = set(threading.enumerate())
    if sys.platform == "linux":
        for number in os.listdir(DESCRIPTORS):
            with suppress(FileNotFoundError):  # the listing's own, or one that was just closed
                found.add((number, os.readlink(f"{DESCRIPTORS}/{number}")))
    return found
