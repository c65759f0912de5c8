"""watchdog as a source of hints: what wakes us, what does not, and how we notice that it went deaf."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.left_over import nothing_left_over
from watcher.disk.hints import Hints

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux")
LONG = 10.0  # seconds to wait for what must happen
SHORT = 0.3  # seconds to wait for what must not


class Woken(threading.Event):
    """Set by a hint."""

    def __call__(self) -> None:
        self.set()


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "old.csv").write_bytes(b"a,1\n")
    (tmp_path / "outside.csv").write_bytes(b"a,1\n")
    return folder


@pytest.fixture
def watch() -> Iterator[Callable[[Path], tuple[Hints, Woken]]]:
    """Start to watch a folder; ended after the test."""
    started: list[Hints] = []

    def start(folder: Path) -> tuple[Hints, Woken]:
        woken = Woken()
        started.append(Hints(folder, woken))
        return started[-1], woken

    yield start
    for hints in started:
        hints.stop()


Watch = Callable[[Path], tuple[Hints, Woken]]


def test_a_file_that_is_created_wakes_before_it_is_closed(drop: Path, watch: Watch) -> None:
    _, woken = watch(drop)

    with (drop / "new.csv").open("wb"):
        assert woken.wait(LONG)


def test_a_file_that_is_closed_after_writing_wakes(drop: Path, watch: Watch) -> None:
    with (drop / "old.csv").open("ab") as file:
        _, woken = watch(drop)
        file.write(b"b,2\n")
        file.flush()
    assert woken.wait(LONG)


@pytest.mark.parametrize("source", ["outside.csv", "drop/old.csv"])
def test_a_file_that_gets_its_name_by_a_rename_wakes(drop: Path, watch: Watch, source: str) -> None:
    _, woken = watch(drop)

    os.rename(drop.parent / source, drop / "new.csv")

    assert woken.wait(LONG)


def test_a_hard_link_wakes(drop: Path, watch: Watch) -> None:
    _, woken = watch(drop)

    os.link(drop.parent / "outside.csv", drop / "new.csv")

    assert woken.wait(LONG)


def test_a_file_in_a_folder_behind_a_link_wakes(drop: Path, watch: Watch) -> None:
    link = drop.with_name("link")
    link.symlink_to(drop)
    hints, woken = watch(link)

    (drop / "new.csv").touch()

    assert woken.wait(LONG)
    assert hints.alive()


def test_it_is_not_alive_when_the_link_leads_to_another_folder(drop: Path, watch: Watch) -> None:
    link, other = drop.with_name("link"), drop.with_name("other")
    other.mkdir()
    link.symlink_to(drop)
    hints, _ = watch(link)

    link.unlink()
    link.symlink_to(other)

    assert not hints.alive()


def test_our_own_looking_and_reading_does_not(drop: Path, watch: Watch) -> None:
    """Else the agent would wake itself for ever."""
    _, woken = watch(drop)

    for _ in range(10):
        (drop / "old.csv").read_bytes()
        os.listdir(drop)
        (drop / "old.csv").stat()

    assert not woken.wait(SHORT)
    (drop / "new.csv").touch()
    assert woken.wait(LONG)


def test_it_is_alive_while_the_folder_is_the_one_it_watches(drop: Path, watch: Watch) -> None:
    hints, _ = watch(drop)

    assert hints.alive()


def test_it_is_dead_once_stopped(drop: Path) -> None:
    hints = Hints(drop, lambda: None)
    hints.stop()

    assert not hints.alive()


@pytest.mark.parametrize("back", ["not there", "another one", "a file"])
@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_it_is_not_alive_when_the_folder_went_away(drop: Path, watch: Watch, how: str, back: str) -> None:
    hints, _ = watch(drop)

    if how == "renamed":
        drop.rename(drop.with_name("away"))
    else:
        (drop / "old.csv").unlink()
        drop.rmdir()
    if back == "another one":
        drop.mkdir()
    elif back == "a file":
        drop.touch()

    poll = threading.Event()
    for _ in range(200):  # a deleted folder whose number is used again shows in the emitter's thread alone
        if not hints.alive():
            break
        poll.wait(0.02)
    assert not hints.alive()


def test_a_folder_that_is_away_is_an_oserror_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Hints(tmp_path / "drop", lambda: None)

    with nothing_left_over():
        for _ in range(20):
            with pytest.raises(FileNotFoundError):
                Hints(tmp_path / "drop", lambda: None)


def test_starting_and_stopping_leaves_nothing_behind(drop: Path) -> None:
    Hints(drop, lambda: None).stop()

    with nothing_left_over():
        for _ in range(2):
            Hints(drop, lambda: None).stop()
