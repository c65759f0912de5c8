"""The folders of days in done, where somebody swaps them at any moment."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.disk.test_files import elsewhere as far
from tests.disk.test_files import refuse_rename
from tests.disk.test_filing import World
from watcher.core.errors import Outside
from watcher.core.model import FileState
from watcher.disk import days, files, filing
from watcher.disk.places import Places

__all__ = ["far"]
DAY = "2026-11-23"
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no descriptor begins a path")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The folders with one claimed file, which was delivered on that day."""
    return World(tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that is none of the agent's."""
    path = tmp_path / "elsewhere"
    path.mkdir()
    return path


def finish(world: World) -> bool:
    places = Places(world.drop, world.own.parent, world.done, world.failed, Path("nowhere"), by_day=True)
    return filing.finish(places, world.entry(FileState.DELIVERED, world.done / DAY / "a.csv"))


def linked(folder: Path, elsewhere: Path) -> None:
    folder.rename(folder.with_name("moved away"))
    folder.symlink_to(elsewhere)


def test_a_delivered_file_goes_into_the_folder_of_its_day_which_is_made(world: World) -> None:
    assert finish(world)
    assert sorted(path.name for path in (world.done / DAY).iterdir()) == ["a.csv", "a.csv.ok"]


@pytest.mark.parametrize("what", ["link", "dangling link", "link to itself", "file"])
def test_what_is_no_folder_holds_done_and_nothing_moves(world: World, elsewhere: Path, what: str) -> None:
    day = world.done / DAY
    if what == "file":
        day.touch()
    else:
        day.symlink_to({"link": elsewhere, "dangling link": "nowhere", "link to itself": DAY}[what])

    with pytest.raises(Outside) as caught:
        finish(world)

    assert caught.value.target == files.folder_target(world.done)
    assert str(day) in caught.value.reason
    assert "move it away" in caught.value.check
    assert list(elsewhere.iterdir()) == []
    assert world.source.exists()


@linux
@pytest.mark.parametrize("origin", ["work", "another file system"])
def test_a_folder_that_is_swapped_for_a_link_once_it_was_looked_at_gets_the_file_all_the_same(
    world: World, elsewhere: Path, origin: str, request: pytest.FixtureRequest
) -> None:
    source, day = world.source, world.done / DAY
    if origin != "work":
        source = request.getfixturevalue("far") / "a.csv"
        source.write_bytes(b"1,2\n")

    with days.made(day) as folder:
        linked(day, elsewhere)
        files.move_new(source, folder / "a.csv", part=files.part_name())

    assert list(elsewhere.iterdir()) == []
    assert [path.read_bytes() for path in (world.done / "moved away").iterdir()] == [b"1,2\n"]
    assert not source.exists()


@linux
def test_a_folder_that_is_swapped_between_the_look_and_its_opening_is_not_followed(
    world: World, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = world.done / DAY
    day.mkdir()
    opened, left = os.open, [day]

    def swapped(*args: Any, **options: Any) -> int:
        if left:
            linked(left.pop(), elsewhere)
        return opened(*args, **options)

    monkeypatch.setattr(os, "open", swapped)

    with pytest.raises(Outside, match="symbolic link"), days.held(day):
        pytest.fail("it was opened")


def test_a_file_that_cannot_have_its_name_there_is_held_alone_and_the_folder_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    refuse_rename(monkeypatch)
    monkeypatch.setattr(os, "link", refuse)

    with pytest.raises(Outside) as caught:
        finish(world)

    assert str(caught.value.target) == "file a.csv"
    assert f"it cannot be moved to {world.done / DAY}: " in caught.value.reason
