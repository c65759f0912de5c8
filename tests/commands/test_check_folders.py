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


def test_folders_that_take_everything_are_no_warning(world: World) -> None:
    items = about(found(world, offline=True), "folders.")

    assert {item["level"] for item in items} == {"ok"}
