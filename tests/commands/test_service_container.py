"""`watcher service container`: a Containerfile of its own kind, and commands that fit the settings."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.commands.test_service import printed
from tests.conftest import World
from watcher.commands.service_parts import longest_stop_seconds
from watcher.core.errors import ConfigError
from watcher.settings.config import load

ROOT = Path(__file__).parents[2]


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Containerfile: each word in front, and what follows it on one line."""
    whole = re.sub(r"\s*\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", text))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in whole.splitlines() if line]


def values(text: str, word: str) -> list[str]:
    """What follows each instruction of this kind."""
    return [value for found, value in instructions(text) if found == word]


def commands(text: str) -> list[list[str]]:
    """The podman commands of the comments, as a shell takes them apart."""
    shell = re.sub(r" \\\n#\s*", " ", text)
    return [
        shlex.split(line[1:].partition("  (")[0])
        for line in shell.splitlines()
        if re.match(r"#   podman", line)
    ]


def volumes(command: list[str]) -> list[str]:
    """What a command mounts."""
    return [command[index + 1] for index, word in enumerate(command) if word == "-v"]


def test_the_image_has_a_user_of_its_own_volumes_and_a_program_without_a_shell(world: World) -> None:
    text = printed(world, "container")

    words = [word for word, _ in instructions(text)]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert values(text, "USER") == ["$UID:$GID"]
    assert "UID=10001" in values(text, "ARG")
    assert values(text, "FROM") == ["python:3.11-slim AS build", "python:3.11-slim"]
    [kept] = map(json.loads, values(text, "VOLUME"))
    assert kept == [str(world.path(name)) for name in ("drop", "done", "failed", "state")]
    assert [json.loads(value) for word in ("ENTRYPOINT", "CMD") for value in values(text, word)] == [
        ["/opt/watcher/bin/watcher"],
        ["run"],
    ]
    assert values(text, "STOPSIGNAL") == ["SIGTERM"]


def test_what_the_build_copies_is_there(world: World) -> None:
    text = printed(world, "container")
    copied = {name for value in values(text, "COPY") if "--from" not in value for name in value.split()[:-1]}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {"pyproject.toml", "watcher", project["project"]["readme"]} <= copied
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]) <= copied
    assert all((ROOT / name).exists() for name in copied)


def test_everything_is_mounted_at_its_own_path_and_what_is_only_read_cannot_be_written(world: World) -> None:
    world.settings["log"] = {"file": "logs/watcher.log"}
    world.settings["wfm"] |= {"ca_file": "company-ca.pem"}
    del world.settings["wfm"]["client_secret"]
    secret = world.root.parent / "apart" / "wfm"
    secret.parent.mkdir()
    secret.write_text("x")
    world.settings["wfm"]["client_secret_file"] = str(secret)
    _build, trial, stay = commands(printed(world, "container"))

    root = world.root
    assert volumes(stay) == volumes(trial)
    assert volumes(stay) == [
        f"{root}:{root}:ro",
        f"{secret}:{secret}:ro",
        *(f"{root / name}:{root / name}" for name in ("drop", "done", "failed", "state", "logs")),
    ]
    for command in (trial, stay):
        assert {"--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"} <= set(command)
    assert trial[-2:] == ["watcher", "check"]


def test_it_is_given_the_time_that_the_request_under_way_may_take(world: World) -> None:
    *_, stay = commands(printed(world, "container"))

    seconds = longest_stop_seconds(load(world.config, {})[0])
    assert f"--stop-timeout={seconds}" in stay
    assert seconds > 5 * load(world.config, {})[0].wfm.timeout


def test_health_is_asked_for_where_there_is_a_page(world: World) -> None:
    assert values(printed(world, "container"), "HEALTHCHECK") == []

    world.settings["status"] = {"listen": "0.0.0.0:8787", "token": "${STATUS_TOKEN}"}
    text = printed(world, "container")
    [check] = values(text, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command[1:] == ["-m", "watcher.web.probe", "-c", str(world.config)]
    build, trial, stay = commands(text)
    assert build[2:4] == ["--format", "docker"]
    assert "127.0.0.1:8787:8787" in stay
    for each in (trial, stay):
        assert each[each.index("-e") + 1] == "STATUS_TOKEN"


def test_a_page_that_only_the_container_could_reach_is_told(world: World) -> None:
    world.settings["status"] = {"listen": "127.0.0.1:8787"}
    text = printed(world, "container")

    assert "which nobody outside the container reaches" in text
    assert "-p" not in commands(text)[-1]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "."),
        ({"status": {}}, ".[web]"),
        ({"status": {}, "notify": {"urls": ["json://x"]}}, ".[notify,web]"),
    ],
)
def test_the_packages_that_the_settings_need_are_installed(
    world: World, settings: dict[str, object], wanted: str
) -> None:
    world.settings |= settings
    text = printed(world, "container")

    assert f"'{wanted}'" in values(text, "RUN")[0]
    if settings:
        assert f"-m pip install '{wanted}'" in printed(world, "systemd")
    else:
        assert "pip install" not in printed(world, "systemd")


@pytest.mark.parametrize("name", ["done:x", "do'ne", "$done", 'do"ne', "do,ne"])
def test_a_path_that_no_volume_can_have_is_an_error(world: World, name: str) -> None:
    world.settings["folders"]["done"] = name

    with pytest.raises(ConfigError, match="cannot hold this path; rename it"):
        printed(world, "container")


def test_a_folder_of_the_system_is_no_volume(world: World) -> None:
    world.settings["folders"]["done"] = "/etc"

    with pytest.raises(ConfigError, match="/etc is a folder of the system"):
        printed(world, "container")


def test_a_path_with_a_blank_stays_one_word(world: World) -> None:
    world.settings["folders"]["done"] = "all done"
    text = printed(world, "container")

    path = world.path("all done")
    assert f"{path}:{path}" in volumes(commands(text)[-1])
    assert str(path) in json.loads(values(text, "VOLUME")[0])
