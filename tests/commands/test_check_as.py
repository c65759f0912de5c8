"""`watcher check --as USER` looks at folders and files with the rights of that user, and no others."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import SECRET, World
from watcher.commands.as_user import require_user
from watcher.core.errors import ConfigError

USER = "nobody"  # whom every system has
pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may look as another user"
)


@pytest.fixture
def theirs(world: World) -> Iterator[World]:
    """A world whose folders are the user's, and whose secret is root's."""
    account = pwd.getpwnam(USER)
    opened = [folder for folder in world.root.parents if folder.stat().st_uid == 0 and folder != Path("/")]
    before = {folder: folder.stat().st_mode for folder in (*opened, world.root)}
    for folder, mode in before.items():
        folder.chmod(mode | 0o011)
    for name in ("drop", "done", "failed", "state"):
        os.chown(world.path(name), account.pw_uid, account.pw_gid)
    world.path("wfm-secret").write_text(SECRET)
    world.path("wfm-secret").chmod(0o600)
    del world.settings["wfm"]["client_secret"]
    world.settings["wfm"]["client_secret_file"] = "wfm-secret"
    yield world
    for folder, mode in before.items():
        folder.chmod(mode)


def found(world: World, *more: str, mode: int = 0o644) -> list[dict[str, Any]]:
    """What check finds as the user."""
    world.config.chmod(mode)
    line = [*more, "--json", "--as", USER, "-c", str(world.path("config.yaml"))]
    said = _run(world, line)
    data: list[dict[str, Any]] = json.loads(said.stdout)
    assert said.returncode == int(any(item["level"] == "fault" for item in data))
    return data


def _run(world: World, line: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watcher", "check", *line]
    return subprocess.run(command, cwd=world.root, capture_output=True, text=True, timeout=50, check=False)


def test_folders_are_tried_as_the_user_and_the_secret_is_read_as_root(theirs: World) -> None:
    theirs.settings["wfm"]["timeout"] = "30s"  # two processes that start: a busy machine takes its time
    items = found(theirs)

    told = [item for item in items if not item["what"].startswith("clock")]
    assert not [item for item in told if item["level"] not in ("ok", "warn")]
    [user] = [item for item in items if item["what"] == "user"]
    assert user["finding"].startswith(USER)
    assert any(item["what"].startswith("token from") and item["level"] == "ok" for item in items)


def test_a_folder_that_root_may_write_and_the_user_may_not_is_a_fault(theirs: World) -> None:
    os.chown(theirs.path("drop"), 0, 0)
    theirs.path("drop").chmod(0o755)

    faults = [item for item in found(theirs, "--offline") if item["level"] == "fault"]

    assert [item["what"].split()[0] for item in faults] == ["folders.drop"]
    assert faults[0]["finding"] == "no permission"


def test_a_group_of_the_user_counts_and_none_of_roots_does(theirs: World) -> None:
    os.chown(theirs.path("drop"), 0, pwd.getpwnam(USER).pw_gid)
    theirs.path("drop").chmod(0o770)
    os.chown(theirs.path("done"), 12345, 0)
    theirs.path("done").chmod(0o770)

    faults = [item["what"].split()[0] for item in found(theirs, "--offline") if item["level"] == "fault"]

    assert "folders.done" in faults
    assert "folders.drop" not in faults


def test_folders_that_the_user_may_not_reach_are_faults_and_no_crash(theirs: World) -> None:
    theirs.path("shut").mkdir(mode=0o700)
    for name in ("drop", "done", "failed", "state"):
        theirs.path(name).rename(theirs.path("shut") / name)
        theirs.settings["folders"][name] = f"shut/{name}"

    faults = {item["what"].split()[0] for item in found(theirs, "--offline") if item["level"] == "fault"}

    assert {"folders.drop", "folders.done", "folders.failed", "folders.state"} <= faults


def test_settings_that_the_user_cannot_read_are_a_fault_with_the_command_that_mends_it(theirs: World) -> None:
    [fault] = [item for item in found(theirs, "--offline", mode=0o600) if item["level"] == "fault"]

    path = theirs.path("config.yaml")
    assert fault["what"] == f"settings {path}"
    subprocess.run(["sh", "-c", fault["fix"].partition(",")[0]], check=True)
    assert path.stat().st_mode & 0o777 == 0o640
    settings = [item for item in found(theirs, "--offline", mode=0o640) if item["what"] == f"settings {path}"]
    assert [item["level"] for item in settings] == ["ok"]


def test_nothing_is_left_in_the_folders(theirs: World) -> None:
    found(theirs, "--offline")

    for name in ("drop", "done", "failed", "state"):
        assert list(theirs.path(name).iterdir()) == []


def test_a_user_that_does_not_exist_is_told(theirs: World) -> None:
    said = watcher(theirs, "check", "--as", "no-such-user")

    assert said.returncode == 1
    assert "no-such-user: this machine has no such user" in said.stderr


def test_the_command_that_roots_own_check_prints_is_whole_and_works(theirs: World) -> None:
    said = watcher(theirs, "check", "--offline", "--json")
    [user] = [item for item in json.loads(said.stdout) if item["what"] == "user"]
    command = shlex.split(user["fix"].partition(": ")[2])

    theirs.path("config.yaml").chmod(0o644)
    again = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=50, check=False)

    assert f"ok    user: {USER}" in again.stdout
    assert again.returncode == 0, again.stdout + again.stderr


def test_who_is_not_root_is_told_to_use_sudo(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    with pytest.raises(ConfigError, match=r"only root may look as another user; sudo \S+watcher check --as"):
        require_user(USER, world.config)
