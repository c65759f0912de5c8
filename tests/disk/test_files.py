"""Moving files without ever overwriting one, and going on after a crash at any point; claims."""

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from watcher.core.errors import NotWhole, Outside
from watcher.core.model import Fingerprint
from watcher.disk import system
from watcher.disk.claim import Wanted, claim, open_claimed
from watcher.disk.files import make_folder, move_new, remove_folder, replace_private, write_private
from watcher.disk.received import Received

OLD = 1_600_000_000_123_456_700  # a modification time, in nanoseconds
PART = ".token.part"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with an old modification time."""
    path = tmp_path / "from" / "a.csv"
    path.parent.mkdir()
    path.write_bytes(b"1,2\n")
    os.utime(path, ns=(OLD, OLD))
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here: /dev/shm is missing, or the same as tmp_path's")
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture(params=["same file system", "another file system", "no renameat2", "no hard links"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file goes, on each kind of file system."""
    folder = tmp_path / "to"
    folder.mkdir()
    if request.param == "another file system":
        folder = request.getfixturevalue("elsewhere")
    if request.param in ("no renameat2", "no hard links"):
        refuse_rename(monkeypatch)
    if request.param == "no hard links":
        refuse_links(monkeypatch)
    return folder / "b.csv"


def refuse_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the operating system say what it says on NFS, and on an old kernel."""

    def rename_new(source: Path, _target: Path) -> None:
        number = errno.EXDEV if source.parent.stat().st_dev != _target.parent.stat().st_dev else errno.EINVAL
        raise OSError(number, os.strerror(number), str(source))

    monkeypatch.setattr(system, "rename_new", rename_new)


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the operating system say what it says on FAT, exFAT and many SMB mounts."""

    def link(source: Path, target: Path, **_options: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(source))

    monkeypatch.setattr(os, "link", link)


def is_moved(source: Path, target: Path, data: bytes = b"1,2\n") -> bool:
    """Say whether the file is at its target alone, with its bytes and its time, and nothing else is there."""
    return (
        not source.exists()
        and target.read_bytes() == data
        and target.stat().st_mtime_ns == OLD
        and [path.name for path in target.parent.iterdir()] == [target.name]
    )


def test_a_file_is_moved_with_its_bytes_and_its_time(source: Path, target: Path) -> None:
    move_new(source, target, part=PART)

    assert is_moved(source, target)


def test_a_name_that_is_taken_is_not_overwritten(source: Path, target: Path) -> None:
    target.write_bytes(b"3,4\n")

    with pytest.raises(FileExistsError):
        move_new(source, target, part=PART)
    assert (source.read_bytes(), target.read_bytes()) == (b"1,2\n", b"3,4\n")
    assert [path.name for path in target.parent.iterdir()] == ["b.csv"]


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_name_that_is_taken_by_no_file_is_not_overwritten_either(
    kind: str, source: Path, target: Path
) -> None:
    if kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(source)

    with pytest.raises(FileExistsError):
        move_new(source, target, part=PART)
    assert source.read_bytes() == b"1,2\n"


def test_a_move_that_crashed_between_link_and_unlink_is_finished(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.csv"
    os.link(source, target)

    move_new(source, target, part=PART)
    assert not source.exists()
    assert target.stat().st_mtime_ns == OLD


def test_a_move_that_crashed_after_its_reservation_is_finished(source: Path, target: Path) -> None:
    """Where there are no hard links, the name is reserved by a small file that names its owner."""
    target.write_bytes(f"reserved for {PART}\n".encode())

    move_new(source, target, part=PART)
    assert is_moved(source, target)


def test_the_reservation_of_another_agent_is_respected(source: Path, target: Path) -> None:
    target.write_bytes(b"reserved for .other.part\n")

    with pytest.raises(FileExistsError):
        move_new(source, target, part=PART)


def test_a_copy_that_crashed_halfway_is_begun_anew(source: Path, elsewhere: Path) -> None:
    (elsewhere / PART).write_bytes(b"1")

    move_new(source, elsewhere / "b.csv", part=PART)
    assert is_moved(source, elsewhere / "b.csv")


def test_a_copy_that_crashed_before_the_original_was_removed_is_finished(
    source: Path, elsewhere: Path
) -> None:
    (elsewhere / "b.csv").write_bytes(b"1,2\n")
    os.utime(elsewhere / "b.csv", ns=(OLD, OLD))
    os.link(elsewhere / "b.csv", elsewhere / PART)

    move_new(source, elsewhere / "b.csv", part=PART)
    assert is_moved(source, elsewhere / "b.csv")


def test_another_file_with_the_same_bytes_is_not_taken_for_the_one_that_was_moved(
    source: Path, target: Path
) -> None:
    """Not where a rename leads there, and not where it is known to be the copy of another one."""
    shutil.copy2(source, target)

    with pytest.raises(FileExistsError):
        move_new(source, target, part=PART, is_anothers=lambda: True)

    assert source.exists()
    assert target.exists()
    if source.stat().st_dev == target.stat().st_dev:
        with pytest.raises(FileExistsError):
            move_new(source, target, part=PART)


def test_a_full_disk_leaves_the_original_and_no_half_copy(
    source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        move_new(source, elsewhere / "b.csv", part=PART)
    assert source.read_bytes() == b"1,2\n"
    assert list(elsewhere.iterdir()) == []


def test_a_folder_of_our_own_is_for_us_alone_and_is_never_made_on_a_share_that_is_away(
    tmp_path: Path,
) -> None:
    make_folder(tmp_path / "own")
    make_folder(tmp_path / "own")  # one that is there is fine
    assert oct((tmp_path / "own").stat().st_mode & 0o777) == "0o700"

    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path / "share" / "own")
    assert not (tmp_path / "share").exists()


def test_a_folder_that_is_in_use_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a").touch()
    remove_folder(folder)
    assert folder.is_dir()

    (folder / "a").unlink()
    remove_folder(folder)
    remove_folder(folder)  # one that is gone is fine
    assert not folder.exists()


def test_files_of_our_own_are_replaced_whole(tmp_path: Path) -> None:
    for write in (lambda path, data: write_private(path, io.BytesIO(data)), replace_private):
        write(tmp_path / "x", b"a long text")
        write(tmp_path / "x", b"short")
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"short")]


# -- the claim ----------------------------------------------------------------------------------------


def look(path: Path) -> Fingerprint:
    return Fingerprint.of(path.stat())


def claim_one(source: Path, target: Path, seen: Fingerprint, *, marker: str | None = None) -> None:
    """Claim a batch of one; raises why it was not claimed."""
    (error,) = claim([Wanted(source, target, seen, marker)])
    if error is not None:
        raise error


def test_in_a_batch_each_file_is_claimed_or_refused_for_itself(tmp_path: Path) -> None:
    drop, work = tmp_path / "drop", tmp_path / "work"
    drop.mkdir()
    work.mkdir()
    wanted = []
    for name in ("a.csv", "b.csv", "c.csv"):
        (drop / name).write_text(name)
        wanted.append(Wanted(drop / name, work / name[0] / name, look(drop / name)))
    (drop / "b.csv").write_text("it grew")

    first, second, third = claim(wanted)

    assert (first, third) == (None, None)
    assert isinstance(second, NotWhole)
    assert [path.name for path in drop.iterdir()] == ["b.csv"]
    assert sorted(str(path.relative_to(work)) for path in work.rglob("*.csv")) == ["a/a.csv", "c/c.csv"]


def test_after_a_fault_of_the_folders_no_later_file_of_a_batch_is_touched(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    wanted = []
    for name in ("a.csv", "b.csv"):
        (drop / name).write_text(name)
        wanted.append(Wanted(drop / name, tmp_path / "away" / name[0] / name, look(drop / name)))

    first, second = claim(wanted)

    assert isinstance(first, Outside)
    assert first is second
    assert sorted(path.name for path in drop.iterdir()) == ["a.csv", "b.csv"]


def test_a_claim_moves_the_file_and_its_marker_into_a_folder_of_its_own(source: Path, tmp_path: Path) -> None:
    marker = source.with_name("a.csv.ok")
    marker.touch()
    target = tmp_path / "work" / "token" / "a.csv"

    target.parent.parent.mkdir()

    claim_one(source, target, look(source), marker="a.csv.ok")
    assert sorted(path.name for path in target.parent.iterdir()) == ["a.csv", "a.csv.ok"]
    assert list(source.parent.iterdir()) == []
    assert target.stat().st_mtime_ns == OLD


@pytest.mark.parametrize("change", ["grew", "touched", "replaced", "gone", "now a link"])
def test_a_file_that_is_not_what_was_looked_at_is_not_claimed(
    change: str, source: Path, tmp_path: Path
) -> None:
    seen, target = look(source), tmp_path / "work" / "token" / "a.csv"
    match change:
        case "grew":
            source.write_bytes(b"1,2\n3,4\n")
        case "touched":
            os.utime(source)
        case "replaced":
            fresh = source.with_name("fresh")
            fresh.write_bytes(b"1,2\n")
            os.utime(fresh, ns=(OLD, OLD))
            fresh.replace(source)
        case "gone":
            source.unlink()
        case "now a link":
            source.rename(source.with_name("real"))
            source.symlink_to("real")
    before = sorted(path.name for path in source.parent.iterdir())

    with pytest.raises(NotWhole):
        claim_one(source, target, seen)
    assert sorted(path.name for path in source.parent.iterdir()) == before
    assert not target.parent.exists()


def test_a_link_in_the_place_of_a_marker_is_left_where_it_is(source: Path, tmp_path: Path) -> None:
    target, marker = tmp_path / "work" / "token" / "a.csv", source.with_name("a.csv.ok")
    marker.symlink_to(tmp_path / "source")
    (tmp_path / "source").touch()
    target.parent.parent.mkdir()

    claim_one(source, target, look(source), marker="a.csv.ok")

    assert [path.name for path in target.parent.iterdir()] == ["a.csv"]
    assert marker.is_symlink()


def test_a_link_in_the_place_of_a_marker_is_told_to_whoever_sends_a_file(tmp_path: Path) -> None:
    received = Received(tmp_path)
    (tmp_path / "a.csv.ok").symlink_to("nowhere")

    with pytest.raises(Outside, match="no file, and is no marker"):
        received.mark("a.csv.ok")

    (tmp_path / "a.csv.ok").unlink()
    for _ in "ab":
        received.mark("a.csv.ok")
    assert (tmp_path / "a.csv.ok").is_file()


def test_a_claim_from_a_drop_folder_that_is_away_makes_no_folder(source: Path, tmp_path: Path) -> None:
    with pytest.raises(NotWhole):
        claim_one(tmp_path / "away" / "a.csv", tmp_path / "work" / "t" / "a.csv", look(source))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from"]


def test_a_claimed_file_is_opened_while_it_is_the_same(source: Path) -> None:
    with open_claimed(source, look(source), same_inode=True) as file:
        assert file.read() == b"1,2\n"


@pytest.mark.timeout(5)
@pytest.mark.parametrize("instead", ["other bytes", "link", "pipe", "folder"])
def test_what_stands_in_the_place_of_a_claimed_file_is_not_opened(instead: str, source: Path) -> None:
    seen = look(source)
    source.rename(source.with_name("real"))
    match instead:
        case "other bytes":
            source.write_bytes(b"5,6\n")
        case "link":
            source.symlink_to("real")
        case "pipe":
            os.mkfifo(source)
        case "folder":
            source.mkdir()

    with pytest.raises(NotWhole):
        open_claimed(source, seen, same_inode=True)


def test_a_claimed_file_that_is_gone_is_told_as_such(source: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_claimed(tmp_path / "gone", look(source), same_inode=True)
