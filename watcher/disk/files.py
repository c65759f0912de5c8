"""Everything that changes a file or a folder, one small function each, with `moving` and `system`; nothing
else in the package does.

It never overwrites, and every step can be repeated after a crash at any point. It does not decide where
a file goes, and knows no journal. Errors come out as `OSError`; `blame` turns them into `Outside`
(`faults` says whose fault they are).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from watcher.disk.faults import blame as blame
from watcher.disk.faults import folder_target as folder_target
from watcher.disk.faults import looking_at as looking_at
from watcher.disk.moving import COPY_BYTES as COPY_BYTES
from watcher.disk.moving import is_blind as is_blind
from watcher.disk.moving import is_moved as is_moved
from watcher.disk.moving import move_new as move_new
from watcher.disk.moving import next_serial as next_serial
from watcher.disk.moving import part_name as part_name
from watcher.disk.system import create_new, give_to_owner, remove_plain, set_mode, set_times
from watcher.disk.system import sha256 as sha256
from watcher.disk.system import sync_folder as sync_folder
from watcher.disk.windows import may_be_in_use


def make_folder(path: Path, *, durable: bool = True) -> None:
    """Create a folder of our own, for us alone (0700); one that is there is fine.

    Not its parents: where they are missing, a share is not mounted. Without `durable` whoever calls syncs the
    folder above it.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        if durable:
            sync_folder(path.parent)


def make_subfolder(path: Path) -> None:
    """Create a folder in one that others use as well, where nothing has its name. Not its parents.

    What is there already is for the caller to look at: others may have put it there.
    """
    with suppress(FileExistsError):
        path.mkdir()
        sync_folder(path.parent)


def make_private(path: Path) -> None:
    """Let nobody else into a folder of our own; one that is not ours is left as it is."""
    if os.name != "nt" and path.stat().st_mode & 0o077 and path.stat().st_uid == os.geteuid():
        path.chmod(0o700)


def make_shared_folder(path: Path) -> None:
    """Create a folder that others use as well, with its parents and the permissions the system gives."""
    path.mkdir(parents=True, exist_ok=True)


def rename_in(source: Path, target: Path) -> None:
    """Rename `source` to `target`, which lies in a fresh folder of our own: atomic, or an `OSError`.

    Whoever calls syncs both folders.
    """
    os.rename(source, target)


def write_private(path: Path, content: BinaryIO, *, like: os.stat_result | None = None) -> None:
    """Write all of `content` to a file in a folder of our own, durable; what is there is replaced.

    `like`: the file that it comes from; those who may read that one, and only they, may read it once it is
    moved. By default it is for us alone.
    """
    content.seek(0)
    fresh = _fresh(path)
    with create_new(fresh) as file:
        if like is not None:
            set_mode(file, like)
        shutil.copyfileobj(content, file, COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    sync_folder(path.parent)


def replace_private(path: Path, data: bytes) -> None:
    """Put `data` at `path` in a folder of our own in one step; for what may be lost, so not synced."""
    fresh = _fresh(path)
    with create_new(fresh) as file:
        give_to_owner(file.fileno(), path.parent)
        file.write(data)
    os.replace(fresh, path)


def write_new(path: Path, data: bytes, *, private: bool) -> None:
    """Write a file whole or not at all, and never over another: FileExistsError where the name is taken.

    `private`: for us alone (0600), else with the permissions that the system gives.
    """
    half = path.with_name(trial_name(".new"))
    mode = 0o600 if private else 0o666
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            half.unlink()
            raise
    try:
        move_new(half, path, part=trial_name())
    finally:
        half.unlink(missing_ok=True)


def _fresh(path: Path) -> Path:
    """Return the name under which a file is until it is whole; what a crash left there is removed."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    return fresh


def is_half_written(name: str) -> bool:
    """Say whether a file of this name, in a folder of our own, is what a crash left of one being written."""
    return re.fullmatch(r"([0-9a-f]{32}|\..+)\.new", name) is not None


def overwrite_private(path: Path, data: bytes) -> None:
    """Put `data` over a file of our own that is as long at least: this needs no room on the disk."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        file.seek(0)
        file.write(data.ljust(size))


def remove(path: Path) -> None:
    """Remove a file of our own; one that is gone is fine."""
    remove_plain(path)


def remove_folder(path: Path) -> None:
    """Remove an empty folder of our own; one that is gone, or in use, is fine."""
    try:
        path.rmdir()
    except OSError as error:
        # POSIX lets rmdir say EEXIST for a folder that is not empty.
        # A scanner may have it open on Windows: an empty folder is no reason to hold anything.
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST) and not may_be_in_use(error):
            raise


def trial_name(stem: str = "") -> str:
    """Return a name for a trial: random, so that nobody can lay a file there first, and always ignored."""
    return f".watcher-check-{uuid.uuid4().hex}{stem}.part"


def probe(folder: Path) -> None:
    """Create, rename and delete a file in `folder`, to see whether that is allowed."""
    first, second = folder / trial_name(), folder / trial_name()
    create_new(first).close()
    try:
        os.replace(first, second)
    except OSError:
        first.unlink(missing_ok=True)
        raise
    second.unlink(missing_ok=True)


def time_in(folder: Path) -> float:
    """Return the time by which a folder of our own gives its files theirs, in seconds since 1970: a share has
    a clock of its own."""
    path = folder / f".{uuid.uuid4().hex}.new"  # should it stay, it goes with what is half written
    with create_new(path) as file:
        now = os.fstat(file.fileno()).st_mtime
    with suppress(OSError):
        path.unlink()
    return now


def probe_with(folder: Path, ask: Callable[[Path], bool]) -> bool:
    """Return what `ask` says of a new file of ours in `folder`, under a name that is always ignored; none is
    left. Raises OSError where none can be made."""
    path = folder / trial_name()
    create_new(path).close()
    try:
        return ask(path)
    finally:
        path.unlink(missing_ok=True)


def refused_name(folder: Path, name: str) -> str:
    """Return why no file of this name, one of `trial_name`, can be made in `folder`, or ""; none is left."""
    path = folder / name
    try:
        create_new(path).close()
        path.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def refused_time(folder: Path) -> str:
    """Return why a file in `folder` cannot get another time, or ""; none is left there."""
    path = folder / trial_name()
    try:
        with create_new(path) as file:
            try:
                if os.name != "nt":
                    set_times(file, path, _TRIAL_TIME * 10**9, _TRIAL_TIME * 10**9)
                    found = os.fstat(file.fileno())
            finally:
                if os.name != "nt":
                    path.unlink()
        if os.name == "nt":  # where closing it may set the time of the last write
            set_times(None, path, _TRIAL_TIME * 10**9, _TRIAL_TIME * 10**9)
            found = os.lstat(path)
            path.unlink()
        kept = abs(found.st_mtime - _TRIAL_TIME) <= _COARSEST_SECONDS
    except OSError as error:
        return error.strerror or str(error)
    return "" if kept else "it was set, and is another one"


_TRIAL_TIME = 1_000_000_000  # in 2001
_COARSEST_SECONDS = 2  # FAT
