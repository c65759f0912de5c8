"""Listens to which files in a folder are opened, written and closed, by whichever user; Linux alone.

Not through watchdog, which is good for hints: it holds events back for half a second behind each rename out
of the folder, as every claim is one; does not say that events were lost; tells a rename from elsewhere and a
creation alike; and needs a hundred times as long for each of the many events of a write. Here whoever asks
first hears all that happened before.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from watcher.core.openness import MASK, OpenFiles, Openness
from watcher.disk.hints import identity

_ONLYDIR = 0x01000000  # inotify(7)
_EXCL_UNLINK = 0x04000000  # nothing of what has no name any more
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_READ_BYTES = 1 << 16
# Events are read in heaps: a program that writes small blocks would wake us for each. The kernel keeps
# 16,384 of them.
_GATHER_SECONDS = 0.05


class Writers:
    """Who has files of one folder open for writing, as far as events tell."""

    def __init__(self, folder: Path, closed: Callable[[], None]) -> None:
        """Begin to listen; `closed` is called, from a thread, when a writer was seen to close a file. Raises
        OSError where the folder is away, or the kernel has no more watches or threads."""
        self._closed = closed
        self._folder, self._identity = folder, identity(folder)
        self._files = OpenFiles()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._libc = ctypes.CDLL(None, use_errno=True)
        with ExitStack() as stack:
            self._queue = _checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            stack.callback(os.close, self._queue)
            self._bell = os.eventfd(0)  # wakes the thread, when it is to end
            stack.callback(os.close, self._bell)
            mask = ctypes.c_uint32(MASK | _ONLYDIR | _EXCL_UNLINK)
            _checked(self._libc.inotify_add_watch(self._queue, os.fsencode(folder), mask))
            self._thread = threading.Thread(target=self._listen, name="writers", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, "no thread can be started") from error
            self._handles = stack.pop_all()

    def hear(self) -> None:
        """Take in all that happened until now. Any thread may."""
        with self._lock:
            self._hear()

    def openness(self, name: str) -> Openness:
        """Return what is known of a file, by what was heard so far."""
        return self._files.openness(name)

    def alive(self) -> bool:
        """Say whether events can still come, and are those of the folder that has the name now. That it is
        unmounted is an event."""
        heard = self._thread.is_alive() and not self._files.ended
        return heard and self._identity == identity(self._folder)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        os.eventfd_write(self._bell, 1)
        self._thread.join()
        with self._lock:
            self._files.ended = True
            self._handles.close()

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._queue, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        while not self._files.ended:
            poll.poll()
            if self._stopping.wait(_GATHER_SECONDS):
                return
            with self._lock:
                closed = self._hear()
            if closed:
                self._closed()

    def _hear(self) -> bool:
        """Take in what the kernel has for us; returns whether a file was closed."""
        closed = False
        while not self._files.ended:
            try:
                heap = os.read(self._queue, _READ_BYTES)
            except BlockingIOError:
                break
            closed = self._files.hear(_events(heap)) or closed
        return closed


def writers(folder: Path, closed: Callable[[], None]) -> Writers | None:
    """Listen to a folder; None where the system has no inotify. Raises OSError, as `Writers` does."""
    return Writers(folder, closed) if sys.platform == "linux" else None


def _events(heap: bytes) -> Iterator[tuple[int, int, str]]:
    at = 0
    while at < len(heap):
        _, mask, cookie, length = _EVENT.unpack_from(heap, at)
        at += _EVENT.size
        yield mask, cookie, os.fsdecode(heap[at : at + length].rstrip(b"\0"))
        at += length


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
