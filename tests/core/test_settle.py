"""When a file counts as whole, and for how long a network share's looks may be stale."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.model import Fingerprint
from watcher.core.openness import Openness
from watcher.core.settle import (
    EMPTY_PATIENCE,
    OPEN_FOR_WRITING,
    Ready,
    Settling,
    Wait,
    judge,
    observe,
    remedy,
    restart,
)
from watcher.disk.mounts import cache_seconds

deterministic = settings(derandomize=True, deadline=None)
LOOK = Fingerprint(device=1, inode=2, size=3, mtime_ns=4)


def test_a_file_is_ready_once_it_stayed_the_same_for_the_quiet_time() -> None:
    first = observe(None, LOOK, 100.0)
    later = observe(first, LOOK, 101.5)

    assert judge(later, 101.9, quiet=2.0) == Wait("still being written", 102.0)
    assert judge(later, 102.0, quiet=2.0) == Ready()


@pytest.mark.parametrize(
    "other",
    [
        Fingerprint(9, 2, 3, 4),
        Fingerprint(1, 9, 3, 4),
        Fingerprint(1, 2, 9, 4),
        Fingerprint(1, 2, 3, 9),
        Fingerprint(1, 2, 3, 0),
        Fingerprint(1, 2, 0, 4),
    ],
    ids=["device", "inode", "larger", "newer", "older", "truncated"],
)
def test_any_difference_between_two_looks_starts_the_quiet_time_anew(other: Fingerprint) -> None:
    assert observe(Settling(LOOK, 100.0), other, 150.0) == Settling(other, 150.0)


def test_a_file_with_an_old_modification_time_waits_like_any_other() -> None:
    copied = Fingerprint(1, 2, 3, mtime_ns=0)

    assert judge(observe(None, copied, 1e6), 1e6 + 1, quiet=2.0) == Wait("still being written", 1e6 + 2)


def test_an_empty_file_waits_several_quiet_times() -> None:
    empty = observe(None, Fingerprint(1, 2, 0, 4), 0.0)

    assert judge(empty, 2.0 * EMPTY_PATIENCE - 0.1, quiet=2.0) == Wait("empty so far", 2.0 * EMPTY_PATIENCE)
    assert judge(empty, 2.0 * EMPTY_PATIENCE, quiet=2.0) == Ready()


def test_a_file_whose_marker_is_missing_waits_without_an_end() -> None:
    verdict = judge(Settling(LOOK, 0.0), 1e9, quiet=2.0, marker="a.csv.ok")

    assert verdict == Wait("waits for its marker a.csv.ok")


def test_an_open_file_waits_without_an_end_and_its_quiet_time_is_told_first() -> None:
    known = Settling(LOOK, 0.0)

    assert judge(known, 1.0, quiet=2.0, openness=Openness.OPEN) == Wait("still being written", 2.0)
    assert judge(known, 1e9, quiet=2.0, openness=Openness.OPEN, unsure=30.0) == Wait(OPEN_FOR_WRITING)


@pytest.mark.parametrize("size", [0, 3])
def test_where_nothing_tells_whether_it_is_open_a_file_is_still_for_the_longer_time(
    size: int,
) -> None:
    known = Settling(Fingerprint(1, 2, size, 4), 0.0)

    verdict = judge(known, 29.9, quiet=2.0, openness=Openness.UNKNOWN, unsure=30.0)
    assert verdict == Wait("still, but nothing tells whether a program has it open", 30.0)
    assert judge(known, 30.0, quiet=2.0, openness=Openness.UNKNOWN, unsure=30.0) == Ready()
    late = judge(known, 30.0, quiet=60.0, openness=Openness.UNKNOWN, unsure=30.0)
    assert isinstance(late, Wait)
    assert late.until == 60.0 * (EMPTY_PATIENCE if size == 0 else 1)


def test_a_file_that_nothing_tells_of_has_no_remedy_for_an_open_one() -> None:
    known = Settling(LOOK, 0.0)
    verdict = judge(known, 3.0, quiet=2.0, openness=Openness.UNKNOWN, unsure=30.0)

    assert isinstance(verdict, Wait)
    assert "fuser" not in remedy(verdict.why)
    assert "settle.unsure" in remedy(verdict.why)


def test_a_file_that_is_in_use_starts_its_quiet_time_anew() -> None:
    assert restart(Settling(LOOK, 1.0), 50.0) == Settling(LOOK, 50.0)


@deterministic
@given(since=st.floats(0, 1e8), quiet=st.floats(0.001, 3600))
def test_looking_again_when_told_to_finds_the_file_ready(since: float, quiet: float) -> None:
    """Otherwise the look that was due is in vain, and another one must follow at once."""
    verdict = judge(Settling(LOOK, since), since, quiet=quiet)

    assert isinstance(verdict, Wait)
    assert verdict.until is not None
    assert judge(Settling(LOOK, since), verdict.until, quiet=quiet) == Ready()


MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
40 22 0:40 / /mnt/acd rw - cifs //acd/exports rw,vers=3.1.1,actimeo=30
41 22 0:41 / /mnt/nfs rw shared:9 - nfs4 host:/e rw,acregmin=3,acregmax=120,hard
42 22 0:42 / /mnt/plain\040nfs rw - nfs host:/e rw
43 41 0:43 / /mnt/nfs/local rw - xfs /dev/sdb1 rw
44 22 0:44 / /mnt/ssh rw - fuse.sshfs me@host: rw
45 22 0:45 / /mnt/wsl rw - 9p C: rw
46 22 0:46 / /mnt/samba rw - smb3 //acd/x rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "seconds"),
    [
        ("/var/drop", None),
        ("/mnt/acd", 30.0),
        ("/mnt/acd/in", 30.0),
        ("/mnt/acd2", None),
        ("/mnt/nfs/in", 120.0),
        ("/mnt/nfs/local/in", None),
        ("/mnt/plain nfs/in", 60.0),
        ("/mnt/ssh", 5.0),
        ("/mnt/wsl/drop", 5.0),
        ("/mnt/samba", 5.0),
    ],
)
def test_the_longest_mount_point_tells_how_stale_a_look_may_be(folder: str, seconds: float | None) -> None:
    assert cache_seconds(MOUNTS, folder) == seconds
