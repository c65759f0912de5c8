"""Who has a file open for writing, as the kernel tells it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.left_over import nothing_left_over
from watcher.core.openness import Openness
from watcher.disk import writers
from watcher.disk.leases import may_try_others, trial
from watcher.disk.writers import Writers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux")
LONG = 10.0  # seconds to wait for what must happen
QUEUED = 16_384  # events that the kernel keeps for a reader, as long as nobody sets another number


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


Listen = Callable[[Path], Writers]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start to listen to a folder; ended after the test."""
    started: list[Writers] = []

    def start(folder: Path) -> Writers:
        started.append(Writers(folder, lambda: None))
        return started[-1]

    yield start
    for heard in started:
        heard.stop()


def known(heard: Writers) -> Openness:
    """What is known of a.csv by now."""
    heard.hear()
    return heard.openness("a.csv")


def test_a_file_is_open_from_its_creation_to_its_end_whatever_a_reader_does(
    drop: Path, listen: Listen
) -> None:
    heard, path = listen(drop), drop / "a.csv"

    with path.open("wb", buffering=0) as file:
        assert known(heard) is Openness.OPEN
        file.write(b"a,1\n")
        path.read_bytes()
        trial(path)
        assert known(heard) is Openness.OPEN

    assert known(heard) is Openness.CLOSED
    with path.open("rb"):
        assert known(heard) is Openness.CLOSED
    assert known(heard) is Openness.CLOSED


@pytest.mark.parametrize("mode", ["wb", "r+b", "ab"])
def test_a_file_that_is_opened_again_is_open_when_it_is_written(
    drop: Path, listen: Listen, mode: str
) -> None:
    path = drop / "a.csv"
    path.write_bytes(b"a,1\n")
    heard = listen(drop)
    assert known(heard) is Openness.UNKNOWN  # it was there before

    with path.open(mode, buffering=0) as file:
        file.write(b"b,2\n")
        assert known(heard) is Openness.OPEN

    assert known(heard) is Openness.CLOSED


def test_of_two_writers_the_last_one_counts(drop: Path, listen: Listen) -> None:
    heard, path = listen(drop), drop / "a.csv"

    with path.open("ab", buffering=0) as one:
        one.write(b"a,1\n")
        with path.open("ab", buffering=0) as other:
            other.write(b"b,2\n")
        assert known(heard) is Openness.UNKNOWN
        one.write(b"c,3\n")
        assert known(heard) is Openness.OPEN

    assert known(heard) is Openness.CLOSED


def test_a_file_that_is_renamed_while_it_is_written_stays_open(drop: Path, listen: Listen) -> None:
    heard, part, path = listen(drop), drop / "a.csv.part", drop / "a.csv"
    path.write_bytes(b"yesterday\n")

    with part.open("wb", buffering=0) as file:
        file.write(b"a,1\n")
        part.rename(path)
        assert known(heard) is Openness.OPEN

    assert known(heard) is Openness.CLOSED


def test_what_has_no_name_any_more_says_nothing_of_its_successor(drop: Path, listen: Listen) -> None:
    heard, path = listen(drop), drop / "a.csv"

    with path.open("wb", buffering=0) as old:
        old.write(b"a,1\n")
        path.unlink()
        with path.open("wb", buffering=0) as new:
            new.write(b"b,2\n")
            old.close()
            assert known(heard) is Openness.OPEN


@pytest.mark.parametrize("come", [os.rename, os.link], ids=["renamed", "linked"])
def test_of_a_file_from_another_folder_nothing_is_known(
    tmp_path: Path, drop: Path, listen: Listen, come: Callable[[Path, Path], None]
) -> None:
    heard = listen(drop)
    (tmp_path / "outside.csv").write_bytes(b"a,1\n")

    come(tmp_path / "outside.csv", drop / "a.csv")
    (drop / "a.csv").read_bytes()

    assert known(heard) is Openness.UNKNOWN


def test_when_events_were_lost_nothing_is_known_any_more(
    drop: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_GATHER_SECONDS", 3 * LONG)  # the thread that would read them is late
    heard = listen(drop)
    (drop / "a.csv").write_bytes(b"a,1\n")
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > QUEUED:
        pytest.skip("the kernel keeps more events than are made here")

    for _ in range(QUEUED // 4 + 1):
        for name in ("b.csv", "c.csv"):
            (drop / name).open("ab").close()  # two events each

    assert known(heard) is Openness.UNKNOWN
    (drop / "a.csv").write_bytes(b"a,2\n")
    assert known(heard) is Openness.CLOSED
    assert heard.alive()


def test_whoever_waits_for_the_end_of_a_writer_is_called(drop: Path) -> None:
    ended = threading.Event()
    heard = Writers(drop, ended.set)
    try:
        with (drop / "a.csv").open("ab", buffering=0) as writer:
            writer.write(b"a,1\n")
            reader = (drop / "a.csv").open("rb")
        assert known(heard) is Openness.UNKNOWN
        reader.close()  # it is the last one to go, and no hint of watchdog's tells of it
        assert ended.wait(LONG)
    finally:
        heard.stop()


def test_another_folder_of_that_name_and_one_that_is_gone_are_noticed(drop: Path, listen: Listen) -> None:
    moved, removed = listen(drop), listen(drop)
    assert moved.alive()

    drop.rename(drop.with_name("old"))
    drop.mkdir()
    assert not moved.alive()

    shutil.rmtree(drop.with_name("old"))
    assert known(removed) is Openness.UNKNOWN
    assert not removed.alive()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts")
def test_nothing_is_known_once_the_folder_was_unmounted(drop: Path, listen: Listen) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(drop)], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        heard = listen(drop)
        (drop / "a.csv").write_bytes(b"a,1\n")
        assert known(heard) is Openness.CLOSED
    finally:
        subprocess.run(["umount", str(drop)], check=True)

    assert known(heard) is Openness.UNKNOWN
    assert not heard.alive()


def test_a_folder_that_is_away_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with nothing_left_over():
        with pytest.raises(FileNotFoundError):
            Writers(tmp_path / "drop", lambda: None)
        Writers(tmp_path, lambda: None).stop()


def test_whoever_may_ask_for_a_lease_on_all_files_knows_it(tmp_path: Path) -> None:
    """Another user's file, for whoever has no CAP_LEASE: the kernel says which of the two we are."""
    if os.geteuid() != 0:
        assert not may_try_others()
        return
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,1\n")
    os.chown(path, 12345, -1)

    assert trial(path).told is may_try_others()
