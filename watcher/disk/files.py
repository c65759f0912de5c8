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
from pathlib import Path
from typing import BinaryIO

from watcher.disk.faults import blame as blame
from watcher.disk.faults import folder_target as folder_target
from watcher.disk.moving import COPY_BYTES as COPY_BYTES
from watcher.disk.moving import is_blind as is_blind
from watcher.disk.moving import is_moved as is_moved
from watcher.disk.moving import move_new as move_new
from watcher.disk.moving import next_serial as next_serial
from watcher.disk.system import create_new, set_mode, set_times
from watcher.disk.system import sha256 as sha256
from watcher.disk.system import sync_folder as sync_folder


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
    """Create a folder in one that others use as well; one that is there is fine. Not its parents."""
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
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
        file.write(data)
    os.replace(fresh, path)


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
    path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Remove an empty folder of our own; one that is gone, or in use, is fine."""
    try:
        path.rmdir()
    except OSError as error:
        # POSIX lets rmdir say EEXIST for a folder that is not empty.
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
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
                set_times(file, path, _TRIAL_TIME * 10**9, _TRIAL_TIME * 10**9)
                kept = abs(os.fstat(file.fileno()).st_mtime - _TRIAL_TIME) <= _COARSEST_SECONDS
            finally:
                if os.name != "nt":
                    path.unlink()
        if os.name == "nt":
            path.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return "" if kept else "it was set, and is another one"


_TRIAL_TIME = 1_000_000_000  # in 2001
_COARSEST_SECONDS = 2  # FAT
