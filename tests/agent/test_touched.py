"""A file whose attributes change while it is under way: its content decides, read once for each change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Step, World, answer, rows, works
from watcher.agent.effects import open_file
from watcher.disk import claim
from watcher.sandbox.server import Answer, Request

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no change time")

NAME = "agent_events.csv"
CONTENT = rows(12)  # three chunks
Touch = Callable[[Path], None]


def chmod(path: Path) -> None:
    path.chmod(path.stat().st_mode ^ 0o010)


def xattr(path: Path) -> None:
    os.setxattr(path, "user.scanned", os.urandom(4))


def link(path: Path) -> None:
    other = path.parents[4] / "snapshot"
    other.unlink(missing_ok=True)
    os.link(path, other)


def forbid(path: Path) -> None:
    path.chmod(0)


TOUCHES = [chmod, link, forbid, *([xattr] if hasattr(os, "setxattr") else [])]


def touching(world: World, touch: Touch, then: Step = works) -> Step:
    """Somebody touches the claimed file before the server answers."""

    def step(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        (path,) = world.work_files()
        touch(path)
        return then(request, take)

    return step


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read once more, each time."""
    found: list[Path] = []

    def counted(path: Path, file: object) -> str:
        found.append(path)
        return claim.digest_now(path, file)  # type: ignore[arg-type]

    monkeypatch.setattr(open_file, "digest_now", counted)
    return found


@pytest.mark.parametrize("touch", TOUCHES)
def test_an_upload_whose_files_attributes_change_goes_on_and_is_one_operation(
    world: World, touch: Touch
) -> None:
    world.server.script.extend([touching(world, touch)] * 2)
    world.drop(NAME, CONTENT)

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert (operation.completed, operation.body) == (True, CONTENT.encode())
    assert [row["state"] for row in world.history()] == ["done"]


def test_the_content_is_read_once_for_a_change_and_not_at_each_try(world: World, read: list[Path]) -> None:
    last = [
        touching(world, chmod, answer(503)),
        answer(503),
        answer(503),
        touching(world, chmod, answer(503)),
    ]
    world.server.script.extend([touching(world, chmod), works, *last])
    world.drop(NAME, CONTENT)

    assert world.run_once() == 0

    assert len(read) == 3  # before the last chunk, and after each change while it waited
    assert [row["state"] for row in world.history()] == ["done"]


def test_bytes_that_changed_are_found_though_size_and_time_are_what_they_were(world: World) -> None:
    def rewrite(path: Path) -> None:
        status = path.stat()
        with path.open("r+b") as file:
            file.write(CONTENT.replace("agent", "other").encode())
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    world.server.script.extend([works, touching(world, rewrite)])
    world.drop(NAME, CONTENT)

    assert world.run_once() == 0

    first, second = world.server.operations()
    assert (first.completed, second.completed) == (False, True)
    assert second.body == CONTENT.replace("agent", "other").encode()


def test_a_refused_chunk_of_a_file_that_was_touched_is_told_with_its_lines(world: World) -> None:
    world.server.script.append(touching(world, chmod, answer(400, "no such agent")))
    world.drop(NAME, CONTENT)

    assert world.run_once() == 1

    assert world.report(NAME)["lines"] == "1-5"


def test_a_file_touched_while_it_is_found_unfit_fails_for_what_is_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watcher.agent.effects import effects

    prepare, calls = effects.prepare, []

    def touched(file: object, name: str, *args: object, **kwargs: object) -> object:
        calls.append(name)
        if len(calls) == 1:
            chmod(world.work_files()[0])
        return prepare(file, name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(effects, "prepare", touched)
    world.drop(NAME, CONTENT + '"no end')

    assert world.run_once() == 1

    assert len(calls) == 2
    assert [row["state"] for row in world.history()] == ["failed"]


def test_a_file_that_is_touched_all_the_time_is_not_read_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(path: Path, file: object) -> str:
        found = claim.digest_now(path, file)  # type: ignore[arg-type]
        if len(world.server.operations()) == 1:
            chmod(path)
        return found

    monkeypatch.setattr(open_file, "digest_now", touched)
    world.server.script.append(touching(world, chmod))
    world.drop(NAME, CONTENT)

    assert world.run_once() == 0

    assert [row["state"] for row in world.history()] == ["done", "returned"]
