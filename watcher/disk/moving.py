"""Moves one file to a name that is free: nothing is ever overwritten, and it may be repeated after a crash.

The one rename that never overwrites first (`system.rename_new`), then a second name (a hard link) and the
end of the first, then, where a file system knows neither, a reservation of the name. To another file system
it is copied, under a hidden name until it is whole. Whoever may write in the target's folder may swap what
is there at any moment: only what is known by its open handle is ours.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import uuid
from collections.abc import Callable
from contextlib import suppress
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from watcher.core.model import Fingerprint
from watcher.core.names import is_unguessable
from watcher.disk import system
from watcher.disk.faults import looking_at
from watcher.disk.system import (
    create_new,
    is_at,
    open_plain,
    remove_plain,
    set_mode,
    set_times,
    sha256,
    sync_folder,
)

COPY_BYTES = 1 << 20
# What `rename_new` says where the system, or the file system (NFS, many FUSE), has no such call.
_NO_RENAME = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
# What `link` says on file systems without hard links (FAT, exFAT, many SMB mounts, FUSE), and of a file of
# somebody else (fs.protected_hardlinks).
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

_blind: set[Path] = set()  # folders that know neither, where no name may be reserved


def move_new(
    source: Path,
    target: Path,
    *,
    part: str,
    reserve: bool = True,
    is_anothers: Callable[[], bool] = lambda: False,
    rewritten: bool = False,
) -> None:
    """Move `source` to `target` and keep its time and mode, where the file system lets us; never overwrite.

    `part` is a name for the half-written copy in the target's folder, needed only across file systems;
    `reserve`: a name may be reserved by a small file for a moment, which is never so in the drop folder.
    May be repeated after a crash: a target that is the same file counts as ours, and on another file system,
    where it would be a copy, one that has the same bytes, unless `is_anothers` says that it is the copy of
    another file. `rewritten`: the source may have been made anew since, so the bytes count everywhere.
    Raises FileExistsError where another file has the name, or where only `next_serial` makes one that is
    safe.
    """
    try:
        placed = _place(source, target, part, reserve=reserve)
    except FileExistsError as error:
        if _is_reservation(target, part):  # of a crash
            target.unlink()
            placed = _place(source, target, part, reserve=reserve)
        elif is_moved(source, target, copied=rewritten or type(error) is _CopyTaken) and not is_anothers():
            placed = os.lstat(source)
            target.with_name(part).unlink(missing_ok=True)  # the crash may have left it behind
        else:
            raise
    sync_folder(target.parent)
    with looking_at(source.parent):
        # Another file may have got the old name meanwhile, where others may write.
        if placed is not None and _is_same(source, placed):
            remove_plain(source)
        sync_folder(source.parent)


def part_name() -> str:
    """Return a name for a copy that is not whole yet: always ignored (`names`), and nobody else's."""
    return f".{uuid.uuid4()}.part"


class _CopyTaken(FileExistsError):
    """The name is taken that a copy was to have."""


def is_moved(source: Path, target: Path, *, copied: bool = False) -> bool:
    """After a crash: is what has the target's name the file that we were moving?

    Within a file system it is the very same one: another one with its bytes was dropped, too. `copied`: it
    may be a copy all the same (of a bind mount, say).
    """
    try:
        found, wanted = os.lstat(target), os.lstat(source)
    except FileNotFoundError:
        return False
    if os.path.samestat(found, wanted):
        return True
    if not (stat.S_ISREG(found.st_mode) and stat.S_ISREG(wanted.st_mode)):
        return False
    if found.st_dev == wanted.st_dev and not copied:
        return False
    return found.st_size == wanted.st_size and sha256(source) == sha256(target)


def is_blind(folder: Path) -> bool:
    """Say whether a move into `folder` was found to need a name that nobody else can come upon."""
    return folder in _blind


def next_serial(folder: Path, serial: int) -> int:
    """Return the number for the next name to be tried in `folder`: the next one, or a random one of 20 digits
    where nothing but that keeps us from overwriting."""
    return secrets.randbelow(9 * 10**19) + 10**19 if is_blind(folder) else serial + 1


def _place(source: Path, target: Path, part: str, *, reserve: bool) -> os.stat_result | None:
    """Give `source` the name `target`; returns what still has the old name, None: nothing of ours.

    Raises FileExistsError where the name is taken.
    """
    try:
        system.rename_new(source, target)
        return None
    except OSError as error:
        if error.errno == errno.EXDEV:
            return _copy_new(source, target, part, reserve=reserve)
        if error.errno not in _NO_RENAME or os.name == "nt":  # there it is a fault of the network, say
            raise
    status = os.lstat(source)
    if stat.S_ISDIR(status.st_mode):  # folders have no hard links
        _refuse_taken(target)
        os.rename(source, target)
        return None
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return _copy_new(source, target, part, reserve=reserve)
        if error.errno not in _NO_LINKS:
            raise
        _rename_last(source, target, part, reserve=reserve)
        return None
    return status


def _rename_last(source: Path, target: Path, part: str, *, reserve: bool) -> None:
    """Rename where nothing refuses to overwrite: over a reservation, or to a name that is nobody's."""
    if reserve:
        _rename_reserved(source, target, part)
        return
    if not is_unguessable(target.name):
        _blind.add(target.parent)
        raise _taken(target)
    _refuse_taken(target)
    os.rename(source, target)


def _rename_reserved(source: Path, target: Path, part: str) -> None:
    with _reserve(target, part) as reservation:
        if not is_at(target, reservation):
            raise _taken(target)  # somebody put a file in its place already
    try:
        os.replace(source, target)
    except OSError:
        if _is_reservation(target, part):
            target.unlink()
        raise


def _reserve(target: Path, part: str) -> BufferedRandom:
    """Take the name `target` for us: the one way not to overwrite where there are no hard links."""
    file = create_new(target)
    try:
        file.write(_reservation(part))
        file.flush()
    except OSError:
        if is_at(target, file):
            target.unlink()  # a full disk: nothing of ours may stay there
        with suppress(OSError):
            file.close()
        raise
    return file


def _reservation(part: str) -> bytes:
    return f"reserved for {part}\n".encode()


def _is_reservation(target: Path, part: str) -> bool:
    """Is what has the target's name our own reservation of it?"""
    wanted = _reservation(part)
    try:
        with open_plain(target) as file:
            return file.read(len(wanted) + 1) == wanted and is_at(target, file)
    except OSError:
        return False


def _refuse_taken(target: Path) -> None:
    """Raise FileExistsError where the name is taken; an OSError where the disk cannot have such a name."""
    with suppress(FileNotFoundError):
        os.lstat(target)
        raise _taken(target)


def _taken(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def _is_same(path: Path, status: os.stat_result) -> bool:
    """Say whether `path` is that very file. Windows may tell another inode by the handle than by the name."""
    try:
        return os.path.samestat(os.lstat(path), status) or os.name == "nt"
    except FileNotFoundError:
        return False


def _copy_new(source: Path, target: Path, part: str, *, reserve: bool) -> os.stat_result:
    """Copy to another file system: under `part` first, compared with the source, then named."""
    try:
        _refuse_taken(target)
    except FileExistsError as error:
        raise _CopyTaken(*error.args, str(target)) from None
    with open_plain(source) as reader:
        status = os.fstat(reader.fileno())
        half, writer = _begin_copy(target, part)
        try:
            with writer:
                digest = hashlib.sha256()
                while block := _read(reader, source):
                    digest.update(block)
                    writer.write(block)
                writer.flush()
                _keep(writer, half, status)
                os.fsync(writer.fileno())
                writer.seek(0)
                if hashlib.file_digest(writer, "sha256").hexdigest() != digest.hexdigest():
                    raise OSError(errno.EIO, "the copy differs from the original")
                if os.name != "nt":
                    _name(half, writer, source, status, target, part, reserve=reserve)
            if os.name == "nt":  # where no open file can be renamed, and closing it may set its time
                if Fingerprint.of(os.fstat(reader.fileno())) != Fingerprint.of(status):
                    raise OSError(errno.EAGAIN, "it changed while it was copied")
                _keep_times(None, half, status)
                _place(half, target, part, reserve=reserve)
        finally:
            with suppress(OSError):  # somebody's folder by now, say
                half.unlink(missing_ok=True)
    return status


def _read(reader: BinaryIO, source: Path) -> bytes:
    with looking_at(source.parent):
        return reader.read(COPY_BYTES)


def _begin_copy(target: Path, part: str) -> tuple[Path, BufferedRandom]:
    half = target.with_name(part)
    try:
        half.unlink(missing_ok=True)  # of a crash
        return half, create_new(half)
    except (FileExistsError, IsADirectoryError, PermissionError):  # somebody holds the name: another will do
        half = target.with_name(part_name())
        return half, create_new(half)


def _keep(writer: BufferedRandom, half: Path, status: os.stat_result) -> None:
    """Give the copy the mode and the times of the original."""
    set_mode(writer, status)
    if os.name != "nt":
        _keep_times(writer, half, status)


def _keep_times(writer: BufferedRandom | None, half: Path, status: os.stat_result) -> None:
    with suppress(OSError):  # a share where times may not be set: its bytes are what counts
        set_times(writer, half, status.st_atime_ns, status.st_mtime_ns)


def _name(
    half: Path, writer: BufferedRandom, source: Path, status: os.stat_result, target: Path, part: str, *,
    reserve: bool,
) -> None:  # fmt: skip
    """Name the copy, if it is still ours, and the original still what was copied."""
    if Fingerprint.of(os.lstat(source)) != Fingerprint.of(status):
        raise OSError(errno.EAGAIN, "it changed while it was copied")
    if not is_at(half, writer):
        raise OSError(errno.EAGAIN, "somebody replaced the copy")
    _place(half, target, part, reserve=reserve)
    if not is_at(target, writer):
        raise OSError(errno.EAGAIN, "somebody replaced the copy")
