"""Moves where others may write too, and where a file system has neither a careful rename nor hard links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Step, World, rows, works
from tests.disk.test_files import OLD, PART, elsewhere, is_moved, refuse_links, refuse_rename, source
from watcher.core.names import is_unguessable, unstamped
from watcher.disk import filing, moving, system
from watcher.disk.files import move_new
from watcher.sandbox.server import Answer, Request

__all__ = ["elsewhere", "source"]
NOW = datetime(2026, 11, 23, 19, 24, 39, tzinfo=UTC)
SECRET = b"the agent's own key\n"
NAME = "agent_events_1.csv"
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has a rename of its own, and other rights")


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file system that has neither."""
    refuse_rename(monkeypatch)
    refuse_links(monkeypatch)
    yield
    moving._blind.clear()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of the agent's user, outside of all folders of the agent."""
    path = tmp_path / "authorized_keys"
    path.write_bytes(SECRET)
    return path


def before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[Path, Path], None]) -> None:
    """Let somebody act right before the agent's call of `os.NAME`, once."""
    call, left = getattr(os, name), [act]

    def called(source: Any, target: Any, **options: Any) -> None:
        if left:
            left.pop()(Path(source), Path(target))
        call(source, target, **options)

    monkeypatch.setattr(os, name, called)


# -- never over another file --------------------------------------------------------------------------


@posix
def test_where_the_system_can_a_move_is_one_step_that_never_overwrites(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a link and the end of the other name: those need the right to link to files of others."""
    try:
        system.rename_new(source, source.with_name("b.csv"))
    except OSError:
        pytest.skip("there is no renameat2 here")
    system.rename_new(source.with_name("b.csv"), source)
    refuse_links(monkeypatch)
    (tmp_path / "to").mkdir()

    move_new(source, tmp_path / "to" / "a.csv", part=PART, reserve=False)

    assert is_moved(source, tmp_path / "to" / "a.csv")


@posix
def test_an_export_that_takes_a_reserved_name_is_kept(
    source: Path, tmp_path: Path, no_links: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, is_at = tmp_path / "a.csv", moving.is_at

    def arrives(path: Path, file: Any) -> bool:
        fresh = tmp_path / "fresh"
        fresh.write_bytes(b"an export\n")
        fresh.replace(path)  # as exporters and rsync do
        return is_at(path, file)

    monkeypatch.setattr(moving, "is_at", arrives)

    with pytest.raises(FileExistsError):
        move_new(source, target, part=PART)
    assert (target.read_bytes(), source.read_bytes()) == (b"an export\n", b"1,2\n")


@posix
def test_a_name_in_the_drop_folder_is_never_reserved_but_one_chosen_that_nobody_comes_upon(
    source: Path, tmp_path: Path, no_links: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    seen: list[str] = []
    before(monkeypatch, "rename", lambda _source, _target: seen.extend(path.name for path in drop.iterdir()))

    target = filing.put_back(source, drop, "agent_events.csv", NOW)

    assert seen == []
    assert is_moved(source, target)
    assert target.name.startswith("agent_events.20261123T192439Z-")
    assert is_unguessable(target.name)
    assert unstamped(target.name) == "agent_events.csv"  # its route matches still


@posix
def test_a_planned_name_that_is_free_is_not_used_in_such_a_drop_folder(
    source: Path, tmp_path: Path, no_links: None
) -> None:
    with pytest.raises(FileExistsError):
        move_new(source, tmp_path / "agent_events.csv", part=PART, reserve=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from"]
    assert source.exists()


@posix
@pytest.mark.usefixtures("no_links")
def test_a_changed_file_goes_back_there_and_is_sent_once_with_its_marker(world: World) -> None:
    def grow(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        (path,) = [path for path in world.work_files() if path.suffix == ".csv"]
        with path.open("ab") as file:
            file.write(b"late,1\n")
        return take(request)

    step: Step = grow
    world.settings["routes"][2]["marker"] = "{name}.ok"
    world.server.script.extend([works, step])
    world.drop(NAME, rows(12))
    world.drop(f"{NAME}.ok", b"")

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == rows(12).encode() + b"late,1\n"
    done = world.files("done")
    assert sorted(done.values()) == sorted([operation.body, b""])
    assert all(is_unguessable(name) for name in done)
    assert world.files("drop") == {}


@posix
def test_a_new_file_under_the_old_name_is_not_taken_for_the_one_that_was_moved(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`retry` moves out of the failed folder, where others may write."""
    refuse_rename(monkeypatch)
    link = os.link

    def linked(one: Path, other: Path, **options: Any) -> None:
        link(one, other, **options)
        fresh = tmp_path / "fresh"
        fresh.write_bytes(b"another one\n")
        fresh.replace(one)

    monkeypatch.setattr(os, "link", linked)

    move_new(source, tmp_path / "a.csv", part=PART)

    assert ((tmp_path / "a.csv").read_bytes(), source.read_bytes()) == (b"1,2\n", b"another one\n")


# -- copies -------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("planted", ["link", "hard link", "folder"])
def test_what_is_planted_under_the_copys_name_is_not_written_to(
    source: Path, elsewhere: Path, tmp_path: Path, planted: str
) -> None:
    secret = elsewhere / "secret"
    secret.write_bytes(SECRET)
    match planted:
        case "link":
            (elsewhere / PART).symlink_to(secret)
        case "hard link":
            os.link(secret, elsewhere / PART)
        case "folder":
            (elsewhere / PART).mkdir()

    move_new(source, elsewhere / "a.csv", part=PART)

    assert secret.read_bytes() == SECRET
    assert (elsewhere / "a.csv").read_bytes() == b"1,2\n"
    assert (elsewhere / "a.csv").stat().st_mtime_ns == OLD
    assert not source.exists()
    assert {path.name for path in elsewhere.iterdir()} - {PART} == {"a.csv", "secret"}


@posix
def test_a_link_that_replaces_the_copy_while_it_is_made_is_neither_written_nor_read_nor_timed(
    source: Path, elsewhere: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, was = os.fsync, keys.stat()

    def swap(descriptor: int) -> None:
        fsync(descriptor)
        half = elsewhere / PART
        if half.is_file() and not half.is_symlink():
            half.unlink()
            half.symlink_to(keys)

    monkeypatch.setattr(os, "fsync", swap)

    with pytest.raises(OSError, match="somebody replaced the copy"):
        move_new(source, elsewhere / "a.csv", part=PART)

    assert (keys.read_bytes(), keys.stat().st_mtime_ns) == (SECRET, was.st_mtime_ns)
    assert source.read_bytes() == b"1,2\n"
    assert not os.path.lexists(elsewhere / "a.csv")


@posix
def test_a_link_in_the_place_of_the_original_is_not_copied(source: Path, elsewhere: Path, keys: Path) -> None:
    source.unlink()
    source.symlink_to(keys)

    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        move_new(source, elsewhere / "a.csv", part=PART)
    assert list(elsewhere.iterdir()) == []


@posix
def test_a_file_that_grows_while_it_is_copied_is_not_cut_off(
    source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def grow(descriptor: int) -> None:
        fsync(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with source.open("ab") as file:
                file.write(b"late\n")

    monkeypatch.setattr(os, "fsync", grow)

    with pytest.raises(OSError, match="it changed while it was copied"):
        move_new(source, elsewhere / "a.csv", part=PART)
    assert source.read_bytes() == b"1,2\nlate\n"
    assert list(elsewhere.iterdir()) == []
