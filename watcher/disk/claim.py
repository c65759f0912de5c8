"""Takes a file out of the drop folder, and opens exactly that file again.

A claim is an atomic rename into `<work>/<agent id>/<push token>/`: from then on a write to the same name
in the drop folder is a new file, and of two agents only one gets it. The journal has the row before.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from watcher.content.compressed import name_within
from watcher.core.errors import NotWhole, Outside, Unfit
from watcher.core.model import Fingerprint, Route
from watcher.core.names import REPORT_SUFFIX, folded, inner_name, is_half_copied, is_usable, is_zip
from watcher.core.route import marker_for, markers_by_name
from watcher.disk import files, windows
from watcher.disk.faults import is_the_folders
from watcher.disk.leases import IN_USE
from watcher.disk.ours import require_ours
from watcher.disk.system import fingerprint as by_handle
from watcher.disk.system import is_at, open_to_read


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be claimed."""

    source: Path
    target: Path  # in a folder of its own, which is not there yet
    look: Fingerprint
    marker: str | None = None  # the name of its marker file, which goes along with it


def claim(files_wanted: Sequence[Wanted]) -> list[NotWhole | Outside | None]:
    """Rename each source to its target; returns for each why not, or None: it is ours.

    The folder above the targets' own is there already. A file may still have changed at the very last moment:
    whoever opens it looks again. `NotWhole`: it is not what was looked at any more, and was not touched;
    `Outside`: a fault of the folders, and no later file was touched either.
    """
    results: list[NotWhole | Outside | None] = []
    for wanted in files_wanted:
        if results and isinstance(results[-1], Outside):
            results.append(results[-1])
            continue
        try:
            _claim(wanted)
        except (NotWhole, Outside) as error:
            results.append(error)
        else:
            results.append(None)
    claimed = [wanted for wanted, error in zip(files_wanted, results, strict=True) if error is None]
    # The names are in place; where they cannot be made durable, the journal's row tells both ways.
    with suppress(OSError):
        _sync(claimed)
    return results


def _sync(claimed: Sequence[Wanted]) -> None:
    """Make the renames durable: the new names first, the old ones' end last; each folder once for all."""
    own = dict.fromkeys(wanted.target.parent for wanted in claimed)
    above = dict.fromkeys(folder.parent for folder in own)
    for folder in (*own, *above, *dict.fromkeys(wanted.source.parent for wanted in claimed)):
        files.sync_folder(folder)


def _claim(wanted: Wanted) -> None:
    source, target = wanted.source, wanted.target
    own = target.parent
    if not _is(source, wanted.look):
        raise NotWhole
    with files.blame(own.parent):
        files.make_folder(own, durable=False)
    try:
        with files.blame(source.parent):
            _rename(source, target)
            if wanted.marker is not None:
                take_marker(source.parent, own, wanted.marker)
    except (NotWhole, Outside):
        if os.path.lexists(target):
            return  # it is ours: only its marker failed
        with files.blame(own.parent):
            files.remove_folder(own)
        raise


def marker_beside(path: Path, route: Route, routes: Sequence[Route]) -> Path | None:
    """Return the marker of the file at `path`, or of one that lay there, if it is beside it. Raises
    `Outside`."""
    if route.marker is None:
        return None
    with files.blame(path.parent):
        lying = markers_by_name(os.listdir(path.parent), [route])
    marker = marker_for(path.name, route, lying, routes)
    return None if marker is None else path.with_name(marker)


def take_marker(folder: Path, own: Path, marker: str) -> None:
    """Take a claimed file's marker out of the drop folder too, if it is still there, and a file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISREG(os.lstat(folder / marker).st_mode):
            _rename(folder / marker, own / marker)


def _rename(source: Path, target: Path) -> None:
    try:
        files.rename_in(source, target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            with files.blame(target.parent.parent):
                raise
        if windows.number_of(error) == errno.ENOENT and source.parent.is_dir():
            raise NotWhole from error  # another agent was faster, or a person took it away
        if windows.number_of(error) == errno.ENAMETOOLONG and isinstance(error, FileNotFoundError):
            raise NotWhole(f"it cannot be moved: in the work folder {windows.TOO_LONG}") from error
        if windows.is_in_use(error):
            raise NotWhole(f"it cannot be moved: {IN_USE}") from error
        if windows.may_be_in_use(error) or not _is_the_folders(error, source.parent, target.parent):
            raise NotWhole(f"it cannot be moved: {error.strerror}") from error
        raise


def _is_the_folders(error: OSError, drop: Path, own: Path) -> bool:
    """Say whether no file could be moved.

    One that is immutable, or somebody else's in a sticky folder, is no reason to hold all others.

    Into the drop folder no probe is put: it would be one more event there, and one more look.
    """
    if not os.access(drop, os.W_OK | os.X_OK):
        return True
    return is_the_folders(error, drop, writes=False) or is_the_folders(error, own, writes=True)


def open_claimed(
    path: Path, fingerprint: Fingerprint, *, same_inode: bool, work: Path | None = None
) -> BinaryIO:
    """Open the file that was claimed, following no link and waiting for no pipe.

    `work`: our part of the work folder, where it lies there: `Outside` unless that is ours alone. Raises
    FileNotFoundError where it is gone, `NotWhole` where it changed: size and mtime, and with
    `same_inode` its device and inode too.
    """
    if work is not None:
        require_ours(work, path.parent.name)
    file = open_still(path)
    try:
        found = look_at(path, file)
    except OSError:
        file.close()
        raise
    if not same_inode:
        found = replace(found, device=fingerprint.device, inode=fingerprint.inode)
    if not found.is_same(fingerprint):
        file.close()
        raise NotWhole
    return file


def look_at(path: Path, file: BinaryIO) -> Fingerprint:
    """Return the fingerprint of an open file, which is at `path`. Raises OSError where nothing is."""
    opened = os.fstat(file.fileno())
    return by_handle(opened, os.lstat(path) if os.name == "nt" else opened)


def open_still(path: Path) -> BinaryIO:
    """Open a file, following no link and waiting for no pipe; `NotWhole` where it is no regular file."""
    try:
        descriptor = open_to_read(path)
    except OSError as error:
        if error.errno == errno.ELOOP:  # O_NOFOLLOW: it is a symbolic link
            raise NotWhole from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotWhole
    return os.fdopen(descriptor, "rb")


def name_inside(path: Path) -> str:
    """Return a name for what is in a compressed file: its own in there, if that is a name for a file of ours,
    else the one that the compressed file gives it."""
    with suppress(OSError, NotWhole, Unfit), open_still(path) as file:
        if is_zip(path.name) and is_usable(name := name_within(file, path.name)):
            return name
    name = inner_name(path.name)
    if folded(name).endswith(REPORT_SUFFIX):  # it would be taken for the report of another file
        name += ".csv"
    return name.lstrip(".") if is_half_copied(name) else name


def is_gone(path: Path, folder: Path, *, drop: Path | None = None, device: int = 0) -> bool:
    """Say whether a file is not there, though its folder is: the same before and after the look.

    A share that comes back in between would look as if somebody had taken the file. With `drop` and `device`
    a folder that was removed (see `was_removed`) took the file with it. Raises OSError where the folder is
    away, or another one by now.
    """
    try:
        before = folder.stat()
    except FileNotFoundError:
        if drop is None or not was_removed(folder, drop, device):
            raise
        return not os.path.lexists(path)
    if os.path.lexists(path):
        return False
    if not os.path.samestat(before, folder.stat()):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(folder))
    return True


def was_removed(work: Path, drop: Path, device: int) -> bool:
    """Say whether the work folder is not there because somebody removed it, and not because a share is away.

    The two are on one file system. Where the drop folder is there, on the `device` that a claimed file was
    on, nothing is unmounted: a mount point without its share is on another one. Raises OSError where the drop
    folder is away.
    """
    before = drop.stat()
    if before.st_dev != device or os.path.lexists(work):
        return False
    return os.path.samestat(before, drop.stat())


def require_same_version(
    path: Path, file: BinaryIO, opened: os.stat_result, *, work: Path | None = None
) -> None:
    """Raise `NotWhole` unless the open file has the fingerprint that it was opened with, and is still what is
    at `path`.

    `work`: our part of the work folder, where it lies there: `Outside` where something else stands in its
    place, for then nobody can tell what became of the file. Its change time (see `changed_at`) is another
    question: unlike the modification time, nobody can set it back, but a mere chmod moves it.
    """
    found = os.fstat(file.fileno())
    if Fingerprint.of(found) != Fingerprint.of(opened):
        raise NotWhole
    if is_at(path, file):
        return
    if work is not None:
        require_ours(work, path.parent.name)
    raise NotWhole


def changed_at(file: BinaryIO) -> int:
    """Return when an open file's content or attributes changed last, in ns since 1970."""
    return os.fstat(file.fileno()).st_ctime_ns


def digest_now(path: Path, file: BinaryIO) -> str:
    """Return the SHA-256 of what an open file has now, in hex, and leave its position as it is.

    Its buffer is passed by: that may hold what is not so any more. Where the system can, it is read by its
    handle: a chmod may have taken the right to open it anew.
    """
    if not hasattr(os, "pread"):
        return files.sha256(path)
    digest, at = hashlib.sha256(), 0
    while block := os.pread(file.fileno(), files.COPY_BYTES, at):
        digest.update(block)
        at += len(block)
    return digest.hexdigest()


def _is(path: Path, look: Fingerprint) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and look.is_same(Fingerprint.of(found))
