"""Whose fault an `OSError` is: a folder's, where a plain name meets it too, else that of the one file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watcher.core.errors import Outside
from watcher.core.target import Target
from watcher.disk import faults
from watcher.disk.faults import Tried, blame, folder_target

NAME = "agent:events.csv"
every_try = pytest.mark.parametrize("tried", ["read", "moved"])


def blamed(folder: Path, number: int, tried: Tried = "moved", name: str | None = NAME) -> Outside:
    with pytest.raises(Outside) as caught, blame(folder, name, tried=tried):
        raise OSError(number, os.strerror(number))
    return caught.value


@every_try
@pytest.mark.parametrize(
    "number", [errno.EIO, errno.EINVAL, errno.ENAMETOOLONG, errno.EPERM, errno.EACCES, errno.EFBIG]
)
def test_what_a_plain_name_does_not_meet_is_the_files_and_says_what_was_tried(
    tmp_path: Path, number: int, tried: Tried
) -> None:
    fault = blamed(tmp_path, number, tried)

    assert fault.target == Target("file", NAME)
    assert os.strerror(number) in fault.reason
    assert ("read" if tried == "read" else str(tmp_path)) in fault.reason
    assert fault.check
    assert list(tmp_path.iterdir()) == []  # the probe


@every_try
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT])
def test_what_is_plainly_the_folders_needs_no_probe(tmp_path: Path, number: int, tried: Tried) -> None:
    assert blamed(tmp_path, number, tried).target == folder_target(tmp_path)


@every_try
def test_where_the_folder_is_away_or_no_file_is_named_it_is_the_folders(tmp_path: Path, tried: Tried) -> None:
    assert blamed(tmp_path / "away", errno.EIO, tried).target == folder_target(tmp_path / "away")
    assert blamed(tmp_path, errno.EIO, tried, None).target == folder_target(tmp_path)


def test_a_folder_that_takes_no_file_is_to_blame_for_what_was_to_be_moved_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: object, flags: int, *_args: object) -> int:
        assert flags & os.O_EXCL
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(faults.os, "open", refuse)

    assert blamed(tmp_path, errno.EIO, "read").target == Target("file", NAME)
    assert blamed(tmp_path, errno.EIO, "put back").target == Target("file", NAME)
    assert blamed(tmp_path, errno.EIO, "moved").target == folder_target(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room, and few inodes."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=8", "tmpfs", str(path)]
    if sys.platform != "linux" or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_disk_whose_inodes_are_used_up_is_told_as_that(disk: Path) -> None:
    def use_up() -> None:
        with blame(disk):
            for number in range(20):
                (disk / str(number)).touch()

    with pytest.raises(Outside) as caught:
        use_up()

    assert caught.value.target == folder_target(disk)
    assert caught.value.reason == "no inodes are left on the disk, though there is room"
    assert "df -i" in caught.value.check
