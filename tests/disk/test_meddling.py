"""A claimed file that somebody replaces or rewrites: what the server takes for whole is what is filed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Step, World, answer, rows, works
from watcher.sandbox.server import Answer, Request

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody replace a file that is open")

NAME = "agent_events.csv"
CHUNK = 20_000  # far more than Python reads ahead
MINE = rows(2_500).encode()  # three chunks
SECRET = MINE.replace(b"agent", b"SECRT")
OTHER = MINE.replace(b"agent", b"other")
Meddle = Callable[[Path, Path], None]  # with the claimed file; the second is a file outside


def link(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside)


def dead_link(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside / "nowhere")


def replace(path: Path, outside: Path) -> None:
    """Another file, of the same size and time."""
    status = path.stat()
    fresh = outside.with_name("fresh")
    fresh.write_bytes(OTHER)
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    fresh.replace(path)


def replace_by_equal(path: Path, outside: Path) -> None:
    outside.with_name("fresh").write_bytes(MINE)
    outside.with_name("fresh").replace(path)


def pipe(path: Path, _outside: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, _outside: Path) -> None:
    path.unlink()
    path.mkdir()


def remove(path: Path, _outside: Path) -> None:
    path.unlink()


def grow(path: Path, _outside: Path) -> None:
    with path.open("ab") as file:
        file.write(b"late,1\n")


def shrink(path: Path, _outside: Path) -> None:
    os.truncate(path, 30_010)


def shrink_to_a_boundary(path: Path, _outside: Path) -> None:
    os.truncate(path, 40_000)


def truncate(path: Path, _outside: Path) -> None:
    os.truncate(path, 0)


def rewrite(path: Path, _outside: Path) -> None:
    """The same size, in place."""
    with path.open("r+b") as file:
        file.write(OTHER)


def rewrite_the_end_and_the_time(path: Path, _outside: Path) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-20, os.SEEK_END)
        file.write(OTHER[-20:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate_and_write_again(path: Path, _outside: Path) -> None:
    """What an editor does that saves the file."""
    path.write_bytes(OTHER + b"more,1\n")


MEDDLE = [link, dead_link, replace, replace_by_equal, pipe, folder, grow, shrink, shrink_to_a_boundary]
MEDDLE += [truncate, rewrite, rewrite_the_end_and_the_time, truncate_and_write_again]
every = pytest.mark.parametrize("meddle", MEDDLE)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What a link may point to: nothing of it may ever be sent or shown."""
    path = tmp_path / "elsewhere" / "secret.csv"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def world(world: World) -> World:
    world.settings["upload"]["chunk_bytes"] = CHUNK
    return world


def during(world: World, meddle: Meddle, outside: Path) -> Step:
    """The server takes the request, and before it answers somebody meddles."""

    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        (path,) = world.work_files()
        meddle(path, outside)
        return take(request)

    return step


def assert_honest(world: World, outside: Path) -> None:
    """What is whole at the server is what is in done; nothing else is in there; no link was followed."""
    assert not any(b"SECRT" in chunk for one in world.server.operations() for chunk in one.chunks)
    assert all(path.is_file() and not path.is_symlink() for path in world.path("done").iterdir())
    whole = [operation.body for operation in world.completed()]
    assert sorted(world.files("done").values()) == sorted(whole)
    assert {row["state"] for row in world.history()[len(whole) :]} <= {"returned", "vanished", "failed"}
    written = [path for path in world.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in written if b"SECRT" in path.read_bytes()] == [outside]
    assert not any(text.startswith(b"reserved") for text in world.files("drop").values())
    assert world.work_files() == []


@every
@pytest.mark.parametrize("at", [0, 1])
def test_a_file_meddled_with_while_it_is_sent_is_never_completed_with_other_bytes(
    world: World, outside: Path, meddle: Meddle, at: int
) -> None:
    world.server.script.extend([works] * at + [during(world, meddle, outside)])
    world.drop(NAME, MINE)

    world.run_once(patience=0.5)

    assert_honest(world, outside)


@every
def test_a_file_meddled_with_between_two_runs_is_never_completed_with_other_bytes(
    world: World, outside: Path, meddle: Meddle
) -> None:
    world.server.script.extend([works, answer(503, Retry_After="9")])
    world.settings["upload"]["retry_cap"] = "9s"
    world.drop(NAME, MINE)
    assert world.run_once(patience=0.1) == 4
    (path,) = world.work_files()
    meddle(path, outside)

    world.run_once(patience=0.5)

    assert_honest(world, outside)


@pytest.mark.parametrize("meddle", [link, replace, pipe, truncate])
def test_a_file_meddled_with_at_the_very_end_shows_nothing_of_a_links_target(
    world: World, outside: Path, meddle: Meddle
) -> None:
    """The commit is under way, so it counts; but nothing that was never checked is read."""
    world.server.script.extend([works, works, during(world, meddle, outside)])
    world.drop(NAME, MINE)

    world.run_once(patience=0.5)

    (operation,) = world.completed()[:1]
    assert operation.body == MINE
    assert b"SECRT" not in b"".join(chunk for one in world.server.operations() for chunk in one.chunks)


@pytest.mark.parametrize("at", [0, 1])
def test_a_file_that_is_removed_while_it_is_sent_is_told_as_gone(
    world: World, outside: Path, at: int
) -> None:
    """All of it may have been read by then; what counts is that nothing is said to be in done."""
    world.server.script.extend([works] * at + [during(world, remove, outside)])
    world.drop(NAME, MINE)

    world.run_once(patience=0.5)

    assert world.files("done") == world.files("drop") == world.files("failed") == {}
    assert [row["state"] for row in world.history()] == ["vanished"]


@pytest.fixture
def other_file_system() -> Iterator[Path]:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == Path("/tmp").stat().st_dev:
        pytest.skip("needs a second file system")
    path = shared / f"watcher-test-{uuid.uuid4()}"
    path.mkdir()
    yield path
    for left in path.iterdir():
        left.unlink()
    path.rmdir()


def test_a_link_is_not_followed_by_the_copy_to_another_file_system(
    world: World, outside: Path, other_file_system: Path
) -> None:
    world.settings["folders"]["done"] = str(other_file_system)
    world.server.script.extend([works, works, during(world, link, outside)])
    world.drop(NAME, MINE)

    world.run_once(patience=0.5)

    copies = [path for path in other_file_system.iterdir() if path.is_file() and not path.is_symlink()]
    assert not any(b"SECRT" in path.read_bytes() for path in copies)
