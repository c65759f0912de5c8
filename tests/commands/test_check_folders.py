"""`watcher check` tells what a folder cannot do with some files, before one of them meets it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_one_file import deep
from tests.commands.test_check import about, found
from tests.conftest import World
from watcher.core.errors import ConfigError

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


def test_a_lease_is_tried_in_the_drop_folder(world: World) -> None:
    words = [item["finding"] for item in about(found(world, offline=True), "folders.drop")]

    assert sum("lease" in finding for finding in words) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
def test_a_file_system_without_leases_is_a_warning_that_says_what_tells_instead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(_file: int, command: int, *_args: Any) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return 0

    monkeypatch.setattr(fcntl, "fcntl", refuse)

    [warned] = [item for item in found(world, offline=True) if "lease" in item["finding"] and item["fix"]]

    assert (warned["level"], warned["what"]) == ("warn", "folders.drop")
    assert "still for 30 s" in warned["finding"]
    assert list(world.path("drop").iterdir()) == []


def test_what_retention_will_do_is_told_with_how_many_files_are_due(world: World) -> None:
    assert about(found(world, offline=True), "retention")[0]["finding"] == "nothing is ever removed"
    world.drop("agent_events.csv", "anna,ready,1\n")
    assert world.run_once() == 0
    world.settings["retention"] = {"done": "1ms", "failed": "90d", "history": "365d"}

    told = {item["what"]: item["finding"] for item in about(found(world, offline=True), "retention")}

    ends = {"done": "1 file of the history is due now", "failed": "none is due now", "history": "365 days"}
    assert set(told) == {f"retention.{name}" for name in ends}
    assert all(told[f"retention.{name}"].endswith(end) for name, end in ends.items())
    assert told["retention.failed"].startswith("files are removed with their reports 90 days after their")


@pytest.mark.parametrize("key", ["drop", "done", "state"])
def test_a_path_that_begins_with_a_tilde_is_refused_where_it_stands(world: World, key: str) -> None:
    world.settings["folders"][key] = f"~/{key}"

    with pytest.raises(ConfigError, match=rf"folders\.{key}: begins with ~, .*; write the whole path"):
        found(world, offline=True)


def test_so_is_one_of_the_secrets_file(world: World) -> None:
    del world.settings["wfm"]["client_secret"]
    world.settings["wfm"]["client_secret_file"] = "~/wfm-secret"

    with pytest.raises(ConfigError, match=r"client_secret_file: begins with ~"):
        found(world, offline=True)


@pytest.mark.parametrize(
    ("match", "level"),
    [
        ({"match": "in/agent*.csv"}, "fault"),
        ({"match": "[!/]*.csv"}, None),
        ({"regex": r"in/.*\.csv"}, "warn"),
        ({"regex": r"[^/]+\.csv"}, None),
    ],
)
def test_a_pattern_that_wants_a_slash_can_match_no_name(
    world: World, match: dict[str, str], level: str | None
) -> None:
    route = world.settings["routes"][2]
    world.settings["routes"][2] = {key: route[key] for key in route if key != "match"} | match

    slashes = [item["level"] for item in found(world, offline=True) if "slash" in item["finding"]]

    assert slashes == ([level] if level else [])
