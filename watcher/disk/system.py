"""System calls with the flags that make them safe in a folder that others may write.

Nothing is opened through a link, nothing that is there is written over, and no pipe is waited for.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
import sys
import time
from contextlib import suppress
from dataclasses import replace
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import BinaryIO

from watcher.core.model import Fingerprint
from watcher.disk.windows import is_in_use, may_be_in_use

# Not on Windows: O_NOFOLLOW, O_NONBLOCK. Only there: O_BINARY.
_SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # renameat2(2)
_renameat2 = (
    getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
)


def rename_new(source: Path, target: Path) -> None:
    """Rename in one step that never overwrites: FileExistsError where the name is taken.

    Raises OSError with ENOSYS where the system has no such call, EINVAL where the file system has not.
    """
    if os.name == "nt":
        os.rename(source, target)
        return
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(source))
    names = os.fsencode(source), os.fsencode(target)
    if _renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


def open_to_read(path: Path | str) -> int:
    """Open a file to be read and return its descriptor. On Windows `os.open` says of a file that others have
    open for themselves alone that there is no permission: Windows is asked once more, for its own number."""
    try:
        return os.open(path, os.O_RDONLY | _SAFE)
    except PermissionError:
        _ask_windows(path)
        raise


def _ask_windows(path: Path | str) -> None:
    """Raise what Windows says of opening a file, shared with all who read and write."""
    if sys.platform == "win32":
        import _winapi

        shared = 0x1 | 0x2  # FILE_SHARE_READ, FILE_SHARE_WRITE
        _winapi.CloseHandle(
            _winapi.CreateFile(
                str(path), _winapi.GENERIC_READ, shared, _winapi.NULL, _winapi.OPEN_EXISTING, 0, _winapi.NULL
            )
        )


def create_new(path: Path) -> BufferedRandom:
    """Create a file for us alone (0600) and open it to write and read; FileExistsError where the name is
    taken, by a link too."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, 0o600), "w+b")


def give_to_owner(descriptor: int, folder: Path) -> None:
    """What root makes in a folder of the agent's is for its owner, who could not open it else; SQLite does so
    with its files, too."""
    if sys.platform != "win32" and os.geteuid() == 0:
        owner = folder.stat()
        with suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def open_plain(path: Path) -> BufferedReader:
    """Open a file to be read. Raises OSError (ELOOP, EINVAL) where it is a link, or no regular file."""
    descriptor = open_to_read(path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def set_mode(file: BinaryIO, like: os.stat_result) -> None:
    """Let those read, and write, a new file of ours (0600) who may do so with the one that it is made from.

    Nobody else: where it cannot have that one's group, its group may do what everybody may.
    """
    if sys.platform == "win32":
        return  # there the folder decides
    descriptor = file.fileno()
    for owner in (like.st_uid, -1):  # only root gives files away
        with suppress(OSError):
            os.chown(descriptor, owner, like.st_gid)
            break
    mode = like.st_mode & 0o777
    if os.fstat(descriptor).st_gid != like.st_gid:
        mode &= 0o707 | (mode & 0o007) << 3
    with suppress(OSError):  # a share without modes
        os.chmod(descriptor, mode)


def set_times(file: BinaryIO | None, path: Path, accessed: int, modified: int) -> None:
    """Set the times of a file, in ns since 1970: by the handle that it is open with, where there is one and
    the system can, for `path` may be a link by now."""
    by_handle = file is not None and os.utime in os.supports_fd
    os.utime(file.fileno() if file is not None and by_handle else path, ns=(accessed, modified))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file's bytes, in hex."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(
    opened: os.stat_result, by_name: os.stat_result, *, on_windows: bool = os.name == "nt"
) -> Fingerprint:
    """Return the fingerprint of an open file, which is to be compared with those of names.

    On Windows name and handle may tell other devices and inodes of one file (Python 3.12 asks by another call
    for each): those are the name's there, which nobody gives to another file while this one is open.
    """
    found = Fingerprint.of(opened)
    return replace(found, device=by_name.st_dev, inode=by_name.st_ino) if on_windows else found


def remove_plain(path: Path) -> None:
    """Remove a file; one that is gone is fine. Windows removes none that is read-only: that is taken off."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        if not may_be_in_use(error) or is_in_use(error):
            raise
        mode = os.lstat(path).st_mode
        os.chmod(path, stat.S_IWRITE)
        try:
            path.unlink(missing_ok=True)
        except OSError:
            with suppress(OSError):
                os.chmod(path, mode)  # it was something else
            raise


def is_at(path: Path, file: BinaryIO) -> bool:
    """Say whether `path` is a name of the open file, and no link to it."""
    if os.name == "nt":
        return True  # nobody swaps an open file there, and the two may tell different inodes
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except (FileNotFoundError, NotADirectoryError):
        return False


def sync_folder(path: Path) -> None:
    """Make the names in `path` durable. Windows cannot open folders, and needs no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no fsync for folders
            raise
    finally:
        os.close(descriptor)


def seconds_awake_or_not() -> float:
    """Return seconds of a clock that goes on while the machine sleeps, if any: clock_gettime(2)."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def processor_seconds(thread: int) -> float:
    """Return the processor seconds that a thread of this process has had, by its number; 0: not known."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError, IndexError):
            # proc_pid_stat(5): utime and stime are its 14th and 15th fields; the second may hold anything.
            found = Path(f"/proc/self/task/{thread}/stat").read_bytes().rpartition(b")")[2].split()
            return (int(found[11]) + int(found[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
