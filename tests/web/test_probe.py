"""The health check of containers: asks a real page, with what its settings know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import World
from tests.web.page import page
from watcher.settings.config import load
from watcher.web.health import STUCK_SECONDS
from watcher.web.probe import main, probe

SECRETS = {"password": "for people"}, {"token": "for-programs"}, {}


@pytest.mark.parametrize("secrets", SECRETS, ids=["password", "token", "open"])
def test_a_page_that_is_well_is_well_for_whoever_has_its_settings(
    world: World, secrets: dict[str, str]
) -> None:
    with page(world, **secrets) as served:
        world.settings["status"]["listen"] = served.url.split("/")[2]
        assert main(["-c", str(world.config)]) is None


def test_a_main_loop_that_does_not_turn_is_told(world: World) -> None:
    with page(world) as served:
        world.settings["status"]["listen"] = served.url.split("/")[2]
        served.clock[0] += STUCK_SECONDS + 5
        told = main(["-c", str(world.config)])

    assert told is not None
    assert told.startswith("HTTP 503: ")
    assert "the main loop is stuck" in told


def test_a_page_that_listens_everywhere_is_asked_on_the_loopback(world: World) -> None:
    with page(world, token="for-programs") as served:
        world.settings["status"]["listen"] = f"0.0.0.0:{served.url.rstrip('/').rpartition(':')[2]}"
        config, _ = load(world.config, {})
        assert config.status is not None
        assert probe(config.status) is None


def test_nobody_there_no_page_and_wrong_settings_are_a_sentence_and_exit_code_1(world: World) -> None:
    with page(world) as served:
        gone = served.url.split("/")[2]
    world.settings["status"]["listen"] = gone
    assert "does not answer" in str(main(["-c", str(world.config)]))

    world.settings["status"]["listen"] = "nowhere"
    assert "status.listen" in str(main(["-c", str(world.config)]))

    del world.settings["status"]
    done = subprocess.run(
        [sys.executable, "-m", "watcher.web.probe", "-c", str(world.config)],
        capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "there is no `status` in the settings\n")
