"""The people who may drop files swap the work folder, or plant links in it: no other file is reached."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.test_check import about, found
from tests.conftest import World, answer, rows
from watcher.core.errors import Outside
from watcher.disk.files import replace_private, write_private
from watcher.disk.filing import make_work_folder
from watcher.disk.ours import require_ours

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no links without a right of its own, no modes")
needs_root = pytest.mark.skipif(os.name != "nt" and os.geteuid() != 0, reason="only root gives files away")

SECRET = b"ssh-ed25519 AAAA the agent's own key\n"
NAME = "agent_events_1.csv"
STRANGER = 12_345  # some user's number


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of the agent's user, outside of all folders of the agent."""
    path = tmp_path / "home" / ".ssh" / "authorized_keys"
    path.parent.mkdir(parents=True)
    path.write_bytes(SECRET)
    return path


def interrupted(world: World, content: str = rows(3)) -> Path:
    """A file is under way, and nothing runs; returns the agent's part of the work folder."""
    world.settings["upload"]["retry_cap"] = "9s"
    world.server.script.append(answer(503, Retry_After="9"))
    world.drop(NAME, content)
    assert world.run_once(patience=0.1) == 4
    (part,) = (world.path("drop") / ".uploading").iterdir()
    return part


# -- whose it is --------------------------------------------------------------------------------------


def test_a_work_folder_is_made_for_us_alone_and_closed_where_others_may_use_it(tmp_path: Path) -> None:
    work = tmp_path / ".uploading" / "agent-1"
    make_work_folder(work)
    work.parent.chmod(0o2775)

    make_work_folder(work)

    assert [path.stat().st_mode & 0o777 for path in (work.parent, work)] == [0o700, 0o700]


def linked(folder: Path, elsewhere: Path) -> None:
    folder.rename(folder.with_name("moved away"))
    folder.symlink_to(elsewhere)


def another(folder: Path, _elsewhere: Path) -> None:
    folder.rename(folder.with_name("moved away"))
    folder.mkdir()
    os.chown(folder, STRANGER, -1)
    folder.chmod(0o777)


def given_away(folder: Path, _elsewhere: Path) -> None:
    os.chown(folder, STRANGER, -1)


def a_file(folder: Path, _elsewhere: Path) -> None:
    folder.rename(folder.with_name("moved away"))
    folder.touch()


SWAPS = [
    linked,
    a_file,
    pytest.param(another, marks=needs_root),
    pytest.param(given_away, marks=needs_root),
]


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("level", [".uploading", "agent-1", "token"])
def test_what_stands_in_its_place_is_not_ours_and_is_named(
    tmp_path: Path, keys: Path, swap: Callable[[Path, Path], None], level: str
) -> None:
    work = tmp_path / ".uploading" / "agent-1"
    (work / "token").mkdir(parents=True)
    (keys.parent / "agent-1" / "token").mkdir(parents=True)
    require_ours(work, "token")
    for path in (work / "token", work, work.parent):
        if path.name == level:
            swap(path, keys.parent)

    with pytest.raises(Outside) as caught:
        require_ours(work, "token")

    assert str(caught.value.target) == f"folder {work}"
    assert f"{level} is not ours alone: it " in caught.value.reason
    assert "move it away" in caught.value.check


def test_one_that_is_not_there_is_told_by_whoever_needs_it(tmp_path: Path) -> None:
    require_ours(tmp_path / ".uploading" / "agent-1", "token")


@needs_root
def test_on_a_share_that_gives_everything_to_one_owner_the_owner_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS with all_squash: what we make belongs to another user, and so does the work folder."""
    work, mkdir = tmp_path / ".uploading" / "agent-1", os.mkdir

    def squashed(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        os.chown(path, STRANGER, -1, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", squashed)
    make_work_folder(work)

    assert work.stat().st_uid == STRANGER
    assert list(work.iterdir()) == []


# -- drafts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planted", ["link", "hard link"])
def test_a_draft_is_never_written_through_a_link(tmp_path: Path, keys: Path, planted: str) -> None:
    def plant(name: str) -> Path:
        path = tmp_path / name
        path.symlink_to(keys) if planted == "link" else os.link(keys, path)
        return path

    write_private(plant("t.aside"), io.BytesIO(b"theirs"))
    plant("live.json.new")
    replace_private(plant("live.json"), b"theirs")

    assert keys.read_bytes() == SECRET
    assert [(tmp_path / name).read_bytes() for name in ("t.aside", "live.json")] == [b"theirs"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "live.json", "t.aside"]


# -- the agent ----------------------------------------------------------------------------------------


def swapped(world: World, part: Path, level: str, elsewhere: Path) -> Path:
    """Put a link in the place of the work folder, or of the agent's part; returns where the real one is."""
    folder = part if level == "part" else part.parent
    away = world.root / "away"
    folder.rename(away)
    if level == "part":
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        (folder / part.name).symlink_to(elsewhere)
        if os.geteuid() == 0:
            os.chown(folder, STRANGER, -1)
    return away


@pytest.mark.parametrize("level", ["part", "whole"])
def test_a_swapped_work_folder_holds_the_queue_and_nothing_in_its_place_is_touched(
    world: World, keys: Path, lines: list[str], level: str
) -> None:
    part = interrupted(world)
    (token,) = [path.name for path in part.iterdir() if path.is_dir()]
    for name in (f"{token}.aside", f"{token}.report"):
        (keys.parent / name).symlink_to(keys)
    before = sorted(keys.parent.iterdir())
    away = swapped(world, part, level, keys.parent)
    world.drop("agent_events_2.csv", rows(4))

    assert world.run_once(patience=0.3) == 4

    assert sorted(keys.parent.iterdir()) == before
    assert keys.read_bytes() == SECRET
    assert set(world.files("drop")) == {"agent_events_2.csv"}
    assert any("is not ours alone" in line and "holding" in line for line in lines)

    folder = part if level == "part" else part.parent
    if level == "part":
        folder.unlink()
    else:
        (folder / part.name).unlink()
        folder.rmdir()
    away.rename(folder)
    assert world.run_once() == 0
    assert set(world.files("done")) == {NAME, "agent_events_2.csv"}


@pytest.mark.parametrize("target", ["keys", "journal"])
@pytest.mark.parametrize(("draft", "state"), [(".aside", "done"), (".report", "failed")])
def test_a_link_in_the_place_of_a_draft_is_replaced_and_not_followed(
    world: World, keys: Path, draft: str, state: str, target: str
) -> None:
    """Bad records go into the one, the report of a failed file into the other."""
    columns = ["agent", {"name": "number", "is": "integer"}]
    world.settings["routes"][2] |= {"bad_records": "set_aside", "columns": columns}
    part = interrupted(world, "agent,number\na,1\nb,two\n")
    (token,) = [path.name for path in part.iterdir() if path.is_dir()]
    journal = world.path("state") / "journal.db"
    path = part / f"{token}{draft}"
    path.unlink(missing_ok=True)
    path.symlink_to(keys if target == "keys" else journal)
    if state == "failed":
        world.server.script.append(answer(400, "no"))

    world.run_once()

    assert journal.read_bytes().startswith(b"SQLite format 3")
    assert keys.read_bytes() == SECRET
    assert [row["state"] for row in world.history()] == [state]
    assert all(path.is_file() and not path.is_symlink() for path in world.path("failed").iterdir())


def test_check_tells_of_a_work_folder_that_is_not_ours(world: World, keys: Path) -> None:
    assert [item["level"] for item in about(found(world, offline=True), "folders.work")] == ["ok"]
    (world.path("drop") / ".uploading").symlink_to(keys.parent)

    (work,) = about(found(world, offline=True), "folders.work")

    assert (work["level"], "it is a symbolic link" in work["finding"]) == ("fault", True)
