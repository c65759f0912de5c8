"""Whose fault is an `OSError`: that of a folder, which is held then, or that of one file, held alone?

Some errors are plainly the folder's (a full disk, a share that is away). Of any other one a probe tells:
where the folder takes, or shows, a file with a plain name, the fault is that file's, and all others go on.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

from watcher.core.errors import Outside
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.disk import windows

Tried = Literal["read", "moved", "put back"]

_RIGHTS = "the agent's user must be able to create, rename and delete there"
_SHORTER = "give the folders of the settings shorter paths; on Windows, or turn LongPathsEnabled on"
_IN_USE = ("a program has it open", "end that program: the export itself, a virus scanner, a backup")
_WORDS = {
    errno.ENOENT: ("it is not there", "create it, or mount it again"),
    errno.ENOTDIR: ("it is not a folder", "what stands in its place?"),
    errno.ENOSPC: ("the disk is full", "make room"),
    errno.EDQUOT: ("the quota is used up", "make room, or ask for a larger quota"),
    errno.EACCES: ("no permission", _RIGHTS),
    errno.EPERM: ("no permission", _RIGHTS),
    errno.EROFS: ("the file system is read-only", "mount it for writing"),
    errno.ESTALE: ("the network share was replaced", "mount it again"),
    errno.EXDEV: ("it is on another file system than the drop folder", "put folders.work beside the drop"),
    errno.ENOTCONN: ("the network share is not connected", "mount it again"),
    errno.ENAMETOOLONG: ("its path is too long", _SHORTER),
    errno.EMFILE: ("the agent has too many files open", "raise its limit of open files (ulimit -n)"),
}
# Some of these names are not known on Windows.
_PLAINLY_THE_FOLDERS = frozenset(
    getattr(errno, name, -1)
    for name in (
        "ENOSPC", "EDQUOT", "EROFS", "ESTALE", "EXDEV", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN",
        "ENETUNREACH", "ENETRESET", "ETIMEDOUT", "ECONNABORTED", "ECONNRESET", "ECONNREFUSED", "ESHUTDOWN",
        "ENODEV", "ENXIO", "ENOMEDIUM", "ENOMEM", "EMFILE", "ENFILE", "ENOTDIR", "ENOKEY", "EKEYEXPIRED",
        "EKEYREVOKED",
    )
)  # fmt: skip
_LOOK = "look at the disk: is it failing?"
_NAMES = "such names need another disk; or have the files named otherwise from now on"
_OF_A_FILE = {
    errno.EIO: _LOOK,
    errno.EACCES: "give the agent's user the right to read it, and to write there",
    errno.EPERM: "give the agent's user the right to read it, and to write there",
    errno.EFBIG: "it is larger than that file system allows: use another one, or smaller files",
    errno.ENAMETOOLONG: f"{_NAMES}; or {_SHORTER}",
    errno.EINVAL: _NAMES,
    errno.EILSEQ: _NAMES,
}


_at: ContextVar[list[object] | None] = ContextVar("at", default=None)


@contextmanager
def noting(folders: list[object]) -> Iterator[None]:
    """Note in `folders` which ones the block is at, in this thread: others can tell what does not answer.

    The last one is the innermost; when the block is over there is none.
    """
    before = _at.set(folders)
    try:
        yield
    finally:
        _at.reset(before)
        folders.clear()


class looking_at:  # no generator: some thirty times a file that would cost thrice as much
    """Say, to whoever is `noting`, that the block is at `folder`; an error in it is as it was."""

    __slots__ = ("_at", "_folder")

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._at = _at.get()
        if self._at is not None:
            self._at.append(self._folder)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._at:
            self._at.pop()


class blame(looking_at):
    """Turn an `OSError` in the block into `Outside`, for `folder` or for one file."""

    __slots__ = ("_blamed", "_file", "_named", "_tried")

    def __init__(
        self, folder: Path, file: str | None = None, *, tried: Tried = "read", named: Path | None = None,
        within: Path | None = None,
    ) -> None:  # fmt: skip
        """`file` is the name of the one that it is about, as the journal has it, where there is one; `tried`
        is what was to be done with it: read in `folder`, moved there, or put back there, into the drop
        folder, where no probe of ours may ever lie. `named`: what people know the folder by, where that is
        another path; `within`: the folder of the settings that it lies in, where it is none itself.
        """
        super().__init__(within or named or folder)
        self._blamed, self._file, self._tried, self._named = folder, file, tried, named

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, OSError):
            raise self._outside(error) from error

    def _outside(self, error: OSError) -> Outside:
        folder, file, tried = self._blamed, self._file, self._tried
        locked = tried == "put back" and not os.access(folder, os.W_OK | os.X_OK)
        if file is None or locked or is_the_folders(error, folder, writes=tried == "moved"):
            return _of_folder(error, folder)
        there = shown(str(self._named or folder))
        words = "it cannot be read" if tried == "read" else f"it cannot be moved to {there}"
        check = _OF_A_FILE.get(windows.number_of(error), "look at the file, and at the disk that it is on")
        why = error.strerror or str(error)
        if windows.is_in_use(error):
            why, check = _IN_USE
        return Outside(Target("file", file), f"{words}: {why}; others can be", check=check)


def folder_target(folder: Path) -> Target:
    """Return what is held where a folder is away."""
    return Target("folder", str(folder))


def is_the_folders(error: OSError, folder: Path, *, writes: bool) -> bool:
    """Say whether an error about one file would meet any other one in `folder`, too.

    `writes`: a file was to be put there, and so the probe puts one there.
    """
    if windows.number_of(error) in _PLAINLY_THE_FOLDERS:
        return True
    try:
        _probe_reading(folder)
        if writes:
            _probe_writing(folder)
    except OSError:
        return True
    return False


def _of_folder(error: OSError, folder: Path) -> Outside:
    number = windows.number_of(error)
    words, check = _WORDS.get(number, (error.strerror or str(error), "look at the folder"))
    if windows.is_in_use(error):
        words, check = _IN_USE
    if number == errno.ENOSPC and _has_no_inodes(folder):
        words = "no inodes are left on the disk, though there is room"
        check = "remove files there (`df -i` shows it): it is their number that counts, not their size"
    return Outside(folder_target(folder), words, check=check)


def _has_no_inodes(folder: Path) -> bool:
    """Say whether a file system has room, and no number for one more file; some (btrfs) count none."""
    if os.name == "nt":
        return False
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_files > 0 and found.f_favail == 0 and found.f_bavail > 0


def _probe_reading(folder: Path) -> None:
    """Raise OSError unless the folder can be listed, and searched."""
    os.stat(folder / ".")
    with os.scandir(folder) as entries:
        next(entries, None)


def _probe_writing(folder: Path) -> None:
    """Raise OSError unless the folder takes a file with a plain name, and a byte in it."""
    path, is_there = folder / f".watcher-probe-{uuid.uuid4().hex}", True
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        # A crash must not leave it behind. Windows removes no file that is open.
        if os.name != "nt":
            os.unlink(path)
            is_there = False
        os.write(descriptor, b"\n")
    finally:
        os.close(descriptor)
        if is_there:
            with suppress(OSError):
                os.unlink(path)
