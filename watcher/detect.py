"""Looks into the drop folder. Events are hints to look sooner; the look is a full `os.scandir`.

Knows folders and file systems; does not know routes, and does not judge whether a file is whole.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import re
import select
import signal
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher import disk
from watcher.model import Fingerprint
from watcher.names import folded, is_half_copied

if sys.platform == "linux":
    import fcntl
if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

_NETWORK_TYPES = re.compile(r"cifs|smb3?|smbfs|nfs4?|9p|fuse\.(sshfs|rclone|glusterfs)|afs|ceph|virtiofs")
# No link is followed, no pipe waited for. Windows has neither flag.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
# nfs(5): acregmax, the longest that a client believes its copy of a file's size and time.
NFS_CACHE_SECONDS = 60.0
OTHER_CACHE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """One name in the drop folder."""

    name: str
    look: Fingerprint | None  # None: nothing that may be opened
    odd: str = ""  # why not: a symbolic link, a pipe
    busy: str = ""  # why it cannot be opened now


class Drop:
    """The drop folder, one look at a time."""

    def __init__(self, folder: Path, ignore: Iterable[str], *, network: bool) -> None:
        """`network`: sizes and times are read from an opened handle, past the client's cache."""
        self.folder = folder
        self._ignored = re.compile("|".join(fnmatch.translate(folded(glob)) for glob in ignore) or r"(?!)")
        self._network = network

    def ignored(self, name: str) -> bool:
        """Say whether files of this name are none of ours."""
        # Half-copied files of our own have such names whatever the settings say.
        return is_half_copied(name) or bool(self._ignored.match(folded(name)))

    def scan(self) -> list[Found]:
        """Return everything in the folder that is not ignored; subfolders are. Raises `Outside`."""
        found = []
        with disk.blame(self.folder), os.scandir(self.folder) as entries:
            for entry in entries:
                if self.ignored(entry.name):
                    continue
                try:
                    item = self._look(entry)
                except FileNotFoundError:
                    continue  # gone between the listing and the look
                if item is not None:
                    found.append(item)
        return found

    def _look(self, entry: os.DirEntry[str]) -> Found | None:
        # On Windows an entry's own stat has no inode.
        status = os.lstat(entry.path) if os.name == "nt" else entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return None
        if stat.S_ISLNK(status.st_mode):
            return Found(entry.name, None, "a symbolic link is never followed")
        if not stat.S_ISREG(status.st_mode):
            return Found(entry.name, None, "not a regular file: never opened")
        if self._network:
            try:
                descriptor = os.open(entry.path, _OPEN_FLAGS)  # close-to-open consistency: nfs(5)
            except OSError as error:
                if isinstance(error, FileNotFoundError):
                    raise
                return Found(entry.name, Fingerprint.of(status), busy=f"cannot be opened: {error.strerror}")
            status = os.fstat(descriptor)
            os.close(descriptor)
        return Found(entry.name, Fingerprint.of(status))


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


class Hints:
    """watchdog as a source of hints: `wake` is called, from its thread, when something happened."""

    def __init__(self, folder: Path, wake: Callable[[], None]) -> None:
        """Start to watch. Raises OSError where the folder is away."""
        # Imported here: with `observe: polling` it is never needed.
        from watchdog.events import FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        class Handler(FileSystemEventHandler):
            """An exception in here would kill watchdog's thread, so it does one thing."""

            def on_any_event(self, event: FileSystemEvent) -> None:
                wake()

        folder.stat()  # here and not in watchdog, which would leave its threads behind
        self._folder = folder
        self._mounts = MountTable()
        self._identity = _identity(folder)
        # The filter goes down to the kernel: our own reading makes no events, and far fewer are lost.
        self._observer = Observer(timeout=0.1)
        self._observer.schedule(
            Handler(), str(folder), event_filter=[FileCreatedEvent, FileMovedEvent, FileClosedEvent]
        )
        try:
            self._observer.start()
        except OSError:
            self._observer.unschedule_all()
            self._mounts.close()
            raise

    def alive(self) -> bool:
        """Say whether events can still come. watchdog goes deaf without a word when the folder is renamed
        or unmounted, and when only its emitter thread dies."""
        return self.running() and self._identity == _identity(self._folder)

    def running(self) -> bool:
        """Say whether all threads live; this asks nothing of the folder, which may hang."""
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def doubtful(self) -> bool:
        """Say whether the folder may have been unmounted and mounted again: nothing else tells of that."""
        return self._mounts.changed()

    def stop(self) -> None:
        """End watchdog's threads."""
        self._mounts.close()
        # An event that comes while it ends is reported as an error, and is none.
        chatter = logging.getLogger("watchdog.observers.inotify")
        chatter.disabled = True
        self._observer.stop()
        self._observer.join(timeout=5)
        chatter.disabled = False


class MountTable:
    """Tells whether anything was mounted or unmounted: the kernel marks the open table then (proc(5)).

    A share that goes and comes back between two looks has the same device and inode, and no events.
    """

    def __init__(self) -> None:
        self._table: int | None = None
        if sys.platform == "linux":
            with suppress(OSError):  # no /proc: the identity of the folder has to do
                self._table = os.open("/proc/self/mountinfo", os.O_RDONLY)
                self._poll = select.poll()
                self._poll.register(self._table, select.POLLPRI | select.POLLERR)

    def changed(self) -> bool:
        """Say whether the table changed since it was opened."""
        return self._table is not None and bool(self._poll.poll(0))

    def close(self) -> None:
        """Close the table."""
        if self._table is not None:
            os.close(self._table)
            self._table = None


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def network_cache_seconds(folder: Path) -> float | None:
    """Return how long this machine may believe old sizes and times in `folder`; None: it is a local disk."""
    if sys.platform == "win32":
        return OTHER_CACHE_SECONDS if _windows_remote(folder) else None
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None  # macOS: `observe: polling` can be set
    return cache_seconds(mounts, os.path.realpath(folder))


def cache_seconds(mountinfo: str, folder: str) -> float | None:
    """The same for the text of `/proc/self/mountinfo` (proc(5)); the longest mount point wins."""
    best, answer = -1, None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), left.split()[4])
        if len(point) >= best and (folder + "/").startswith(point.rstrip("/") + "/"):
            best = len(point)
            kind, _, options = right.partition(" ")
            answer = _cache(kind, options) if _NETWORK_TYPES.fullmatch(kind) else None
    return answer


def _cache(kind: str, options: str) -> float:
    default = NFS_CACHE_SECONDS if kind.startswith("nfs") else OTHER_CACHE_SECONDS
    found = [float(value) for value in re.findall(r"\b(?:actimeo|acregmax)=(\d+)", options)]
    return max(found, default=default)


def _windows_remote(folder: Path) -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    anchor = folder.anchor
    return anchor.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(anchor) == 4  # DRIVE_REMOTE
