"""What Windows says of files that are open, read-only, too long or on a share that is away.

Nothing of this ran on Windows: its errors are made up here, as Python has them there.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watcher.core.errors import NotWhole, Outside
from watcher.core.model import Fingerprint
from watcher.core.settle import MADE_UP_AFTER, Ready, Settling, Wait, judge, observe, remedy
from watcher.core.target import Target
from watcher.disk import files
from watcher.disk.claim import Wanted, claim, open_claimed
from watcher.disk.drop import Drop, Found
from watcher.disk.faults import blame, folder_target
from watcher.disk.leases import IN_USE, trial
from watcher.disk.system import fingerprint, remove_plain
from watcher.disk.windows import LONGEST_PATH, TOO_LONG, number_of

SHORT, LONG = r"C:\drop\a.csv", "C:\\drop\\" + "a" * LONGEST_PATH
OPEN = 32  # ERROR_SHARING_VIOLATION
DENIED = 5


def windows_error(
    code: int | None, number: int = errno.EACCES, path: str = SHORT, target: str | None = None
) -> OSError:
    """An error as Python makes it on Windows; `code` None: by a call of the C library."""
    error: Any = OSError(number, "as Windows says it", path, None, target)
    error.winerror = code
    return error  # type: ignore[no-any-return]


def blamed(error: OSError, folder: Path, name: str | None = "a.csv", **how: Any) -> Outside:
    with pytest.raises(Outside) as caught, blame(folder, name, **how):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (windows_error(DENIED), errno.EACCES),
        (windows_error(19), errno.EROFS),
        (windows_error(39, errno.EINVAL), errno.ENOSPC),
        (windows_error(53, errno.ENOENT), errno.ENOTCONN),
        (windows_error(64, errno.EINVAL), errno.ENOTCONN),
        (windows_error(1295, errno.EINVAL), errno.EDQUOT),
        (windows_error(206, errno.ENOENT), errno.ENAMETOOLONG),
        (windows_error(3, errno.ENOENT), errno.ENOENT),
        (windows_error(3, errno.ENOENT, LONG), errno.ENAMETOOLONG),
        (windows_error(3, errno.ENOENT, SHORT, LONG), errno.ENAMETOOLONG),
        (windows_error(None, errno.ENOENT, LONG), errno.ENAMETOOLONG),
        (windows_error(DENIED, errno.EACCES, LONG), errno.EACCES),
        (OSError(errno.ENOENT, "no Windows", LONG), errno.ENOENT),
    ],
)
def test_what_windows_means_is_told_from_its_own_number(error: OSError, expected: int) -> None:
    assert number_of(error) == expected


def test_a_file_that_a_program_has_open_is_held_alone_and_told_as_that(tmp_path: Path) -> None:
    for tried in ("read", "moved"):
        fault = blamed(windows_error(OPEN), tmp_path, tried=tried)
        assert fault.target == Target("file", "a.csv")
        assert "a program has it open" in fault.reason
        assert "virus scanner" in fault.check
    assert blamed(windows_error(OPEN), tmp_path, None).reason == "a program has it open"


@pytest.mark.parametrize(("code", "number"), [(64, errno.EINVAL), (59, errno.EINVAL), (21, errno.EACCES)])
def test_a_share_that_is_away_is_the_folders_and_never_one_files(
    tmp_path: Path, code: int, number: int
) -> None:
    assert blamed(windows_error(code, number), tmp_path).target == folder_target(tmp_path)


def test_a_path_that_is_too_long_in_done_says_so(tmp_path: Path) -> None:
    fault = blamed(windows_error(3, errno.ENOENT, SHORT, LONG), tmp_path, tried="moved")

    assert fault.target == Target("file", "a.csv")
    assert "LongPathsEnabled" in fault.check


def test_a_file_that_is_open_for_its_writer_alone_is_not_told_as_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.touch()

    def refuse(*_args: object) -> int:
        raise windows_error(OPEN)

    monkeypatch.setattr(os, "open", refuse)

    assert trial(path).why == IN_USE
    [found] = Drop(tmp_path, [], network=True).scan()
    assert found.busy == f"cannot be opened: {IN_USE}"
    assert "end the program" in remedy(IN_USE)
    assert "end the program" in remedy(found.busy)


@pytest.mark.parametrize(
    ("error", "why", "what"),
    [
        (windows_error(OPEN), f"it cannot be moved: {IN_USE}", "end the program"),
        (windows_error(33), f"it cannot be moved: {IN_USE}", "end the program"),
        (windows_error(DENIED), "it cannot be moved: as Windows says it", "look at the file"),
        (windows_error(3, errno.ENOENT, SHORT, LONG), f"in the work folder {TOO_LONG}", "LongPathsEnabled"),
        (windows_error(2, errno.ENOENT), "", ""),
    ],
)
def test_a_file_that_cannot_be_claimed_waits_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, why: str, what: str
) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"a,1\n")
    (tmp_path / "work").mkdir()

    def refuse(*_args: object) -> None:
        raise error

    monkeypatch.setattr(os, "rename", refuse)
    look = Fingerprint.of(os.lstat(source))

    [result] = claim([Wanted(source, tmp_path / "work" / "token" / "a.csv", look)])

    assert isinstance(result, NotWhole)
    assert why in str(result)
    assert bool(str(result)) is bool(why)
    assert what == "look at the file" or what in remedy(str(result))
    assert list((tmp_path / "work").iterdir()) == []


def test_a_name_that_is_listed_and_too_long_to_be_looked_at_waits_and_is_not_overlooked(
    tmp_path: Path,
) -> None:
    class Listed(Drop):
        def _look(self, entry: os.DirEntry[str]) -> Found | None:
            raise windows_error(3, errno.ENOENT, LONG if entry.name == "long.csv" else SHORT)

    for name in ("long.csv", "gone.csv"):
        (tmp_path / name).touch()

    [found] = Listed(tmp_path, [], network=False).scan()

    assert (found.name, found.busy) == ("long.csv", f"cannot be looked at: {TOO_LONG}")
    assert "LongPathsEnabled" in remedy(found.busy)


def test_a_read_only_file_is_removed_and_one_that_is_open_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, code = tmp_path / "a.csv", DENIED
    path.touch()
    path.chmod(0o444)
    unlink = os.unlink

    def as_windows(name: Path, missing_ok: bool = False) -> None:
        if code != DENIED or not os.lstat(name).st_mode & stat.S_IWRITE:
            raise windows_error(code)
        unlink(name)

    monkeypatch.setattr(Path, "unlink", as_windows)
    code = OPEN
    with pytest.raises(PermissionError):
        remove_plain(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444

    code = DENIED
    files.remove(path)
    assert not path.exists()


@pytest.mark.parametrize("code", [OPEN, DENIED])
def test_an_empty_folder_that_a_scanner_has_open_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    error = windows_error(code)

    def refuse(*_args: object) -> None:
        raise error

    monkeypatch.setattr(Path, "rmdir", refuse)

    files.remove_folder(tmp_path)
    error = OSError(errno.EACCES, "no Windows")
    with pytest.raises(PermissionError):
        files.remove_folder(tmp_path)


def test_an_open_file_is_compared_with_names_by_what_names_say_on_windows(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"12")
    other.touch()

    found = fingerprint(os.lstat(one), os.lstat(other), on_windows=True)

    assert (found.inode, found.size) == (os.lstat(other).st_ino, 2)
    assert fingerprint(os.lstat(one), os.lstat(other), on_windows=False) == Fingerprint.of(os.lstat(one))


LOOK = Fingerprint(device=1, inode=2, size=3, mtime_ns=4)


def test_a_file_whose_inode_is_another_one_at_each_look_settles() -> None:
    known: Settling | None = None
    for number in range(1, MADE_UP_AFTER + 2):
        known = observe(known, replace(LOOK, inode=number), 100.0 + number)
    assert known is not None

    assert known.look.inode == 0
    assert judge(known, 103.1, quiet=2.0) == Ready()
    assert observe(known, replace(LOOK, inode=99), 110.0) == known


def test_one_that_is_replaced_or_changed_meanwhile_is_quiet_anew() -> None:
    replaced = observe(Settling(LOOK, 100.0), replace(LOOK, inode=9), 110.0)
    assert isinstance(judge(replaced, 111.0, quiet=2.0), Wait)
    made_up = Settling(replace(LOOK, inode=0), 100.0)
    changed = observe(made_up, replace(LOOK, inode=9, size=7), 110.0)
    assert changed == Settling(replace(LOOK, inode=9, size=7), 110.0)


def test_a_file_without_an_inode_to_go_by_is_claimed_and_opened_by_its_size_and_time(tmp_path: Path) -> None:
    source, target = tmp_path / "a.csv", tmp_path / "work" / "token" / "a.csv"
    source.write_bytes(b"a,1\n")
    target.parent.parent.mkdir()
    look = replace(Fingerprint.of(os.lstat(source)), inode=0)

    assert claim([Wanted(source, target, look)]) == [None]
    open_claimed(target, look, same_inode=True).close()
    with pytest.raises(NotWhole):
        open_claimed(target, replace(look, size=9), same_inode=True)
