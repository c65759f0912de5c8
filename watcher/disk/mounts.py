"""What the mount table says: is a folder on a network share, and was anything mounted or unmounted?"""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

# Others may change what is in these, and no event tells of it: shares, those of a virtual machine's host, and
# what a program serves (FUSE: bindfs, sshfs, s3fs, rclone, ...).
_NETWORK_TYPES = re.compile(r"cifs|smb3?|smbfs|nfs4?|afs|ceph|9p|virtiofs|vboxsf|vmhgfs|prl_fs|fuse(\..+)?")
# ... but for those FUSE file systems that are the only way to a local disk.
_LOCAL_TYPES = re.compile(r"fuse\.(ntfs|ntfs-3g|exfat|fuse-overlayfs|mergerfs|gocryptfs|encfs|cryfs)")
# nfs(5): acregmax, the longest that a client believes its copy of a file's size and time.
NFS_CACHE_SECONDS = 60.0
OTHER_CACHE_SECONDS = 5.0
_MOST_LINKS = 40  # that Linux follows in one path (path_resolution(7))


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


def network_cache_seconds(folder: Path) -> float | None:
    """Return how long this machine may believe old sizes and times in `folder`; None: it is a local disk."""
    if sys.platform == "win32":
        return OTHER_CACHE_SECONDS if _windows_remote(folder) else None
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None  # macOS: `observe: polling` can be set
    return cache_seconds(mounts, os.path.abspath(folder))


def cache_seconds(mountinfo: str, folder: str) -> float | None:
    """The same for the text of `/proc/self/mountinfo` (proc(5)); the longest mount point wins.

    No share is asked for anything: one that is away would not answer.
    """
    mounts = list(_mounts(mountinfo))
    folder = _real_path(folder, {point for point, kind, _ in mounts if _is_network(kind)})
    best, answer = -1, None
    for point, kind, options in mounts:
        if len(point) >= best and (folder + "/").startswith(point.rstrip("/") + "/"):
            best = len(point)
            answer = _cache(kind, options) if _is_network(kind) else None
    return answer


def _mounts(mountinfo: str) -> Iterator[tuple[str, str, str]]:
    """Yield the mount point, the type and the options of each."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), left.split()[4])
        kind, _, options = right.partition(" ")
        yield point, kind, options


def _real_path(path: str, shares: Collection[str]) -> str:
    """Follow links as `os.path.realpath` does, as far as none of these mount points is in the way."""
    real, left, links = "/", path.split("/")[::-1], 0
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            real = os.path.dirname(real)
            continue
        here = os.path.join(real, part)
        if here in shares:
            return os.path.normpath(os.path.join(here, *left[::-1]))
        try:
            target = os.readlink(here)
        except OSError:  # no link
            real = here
            continue
        links += 1
        if links > _MOST_LINKS:
            break
        real = "/" if target.startswith("/") else real
        left += target.split("/")[::-1]
    return real


def _is_network(kind: str) -> bool:
    return bool(_NETWORK_TYPES.fullmatch(kind)) and not _LOCAL_TYPES.fullmatch(kind)


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
