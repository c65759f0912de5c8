"""`watcher check` tells what a folder cannot do with some files, before one of them meets it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_one_file import deep
from tests.commands.test_check import about, found
from tests.conftest import World

__all__ = ["deep"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="a path may be of any length there")


def test_a_folder_that_takes_fewer_names_than_the_drop_folder_is_a_warning(world: World, deep: Path) -> None:
    world.settings["folders"]["done"] = str(deep)

    done = about(found(world, offline=True), "folders.done")

    assert [item["level"] for item in done] == ["ok", "warn"]
    assert "255 bytes" in done[1]["finding"]
    assert list(deep.iterdir()) == list(world.path("drop").iterdir()) == []


def test_a_folder_where_times_cannot_be_set_is_a_warning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", refuse)

    warned = [item for item in found(world, offline=True) if "time of a file" in item["finding"]]

    assert [(item["level"], item["what"]) for item in warned] == [
        ("warn", "folders.done"),
        ("warn", "folders.failed"),
    ]


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_no_file_is_emptied_through_what_was_planted_under_the_names_of_the_probes(
    world: World, kind: str
) -> None:
    """`watcher check` may be run by root, in folders where others may write."""
    secret = world.root / "authorized_keys"
    secret.write_text("a key")
    names = [f".watcher-check-{os.getpid()}{end}" for end in (".part", ".part.part", ":.part")]
    names += [f".watcher-check-{os.getpid()}".ljust(250, "x") + ".part"]
    for folder in ("drop", "done", "failed", "state"):
        for name in names:
            path = world.path(folder) / name
            path.symlink_to(secret) if kind == "link" else os.link(secret, path)
    before = secret.stat().st_mtime_ns

    found(world, offline=True)

    assert secret.read_text() == "a key"
    assert secret.stat().st_mtime_ns == before
    assert sorted(path.name for path in world.path("done").iterdir()) == sorted(names)


def test_folders_that_take_everything_are_no_warning(world: World) -> None:
    items = about(found(world, offline=True), "folders.")

    assert {item["level"] for item in items} == {"ok"}
