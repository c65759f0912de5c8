"""config.example.yaml loads as it stands, shows every key, and tells the truth about defaults."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from watcher.settings.config import load
from watcher.settings.housekeeping_settings import Done, Retention
from watcher.settings.notify_settings import Notify
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config, Folders, Log, RouteSettings, Settle, Upload, Wfm
from watcher.settings.status_settings import Status

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
ENVIRON = {"WFM_CLIENT_SECRET": "secret"}
MODELS: dict[str, type[BaseModel]] = {
    "": Config,
    "folders": Folders,
    "wfm": Wfm,
    "routes": RouteSettings,
    "settle": Settle,
    "upload": Upload,
    "log": Log,
    "notify": Notify,
    "done": Done,
    "retention": Retention,
    "status": Status,
}


def example_with_every_key() -> dict[str, Any]:
    """The example with its commented-out keys put to use; of the routes, the one that shows most."""
    text = re.sub(
        r"^(\s*)# (?=\s*[a-z_]+:\s)", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    data: dict[str, Any] = yaml.safe_load(text)
    return {**data, "routes": max(data["routes"], key=len)}


def keys(model: type[BaseModel]) -> dict[str, str]:
    """The keys of a section as people write them, with the names of their fields."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def test_the_example_loads_as_it_stands() -> None:
    config, _ = load(EXAMPLE, ENVIRON)

    assert [route.name for route in build_routes(config)] == ["event-types", "reason-codes", "agent-events"]


@pytest.mark.parametrize("section", MODELS)
def test_the_example_shows_every_key(section: str) -> None:
    data = example_with_every_key()

    assert set(data[section] if section else data) == set(keys(MODELS[section]))


@pytest.mark.parametrize("section", [section for section in MODELS if section])
def test_the_example_shows_the_defaults_of_keys_that_have_one(section: str) -> None:
    model, data = MODELS[section], example_with_every_key()[section]
    shown = model.model_validate({key: data[key] for key in data if key != "client_secret_file"})
    defaults = {key: field.default for key, field in model.model_fields.items() if field.default}

    assert {key: getattr(shown, key) for key in defaults if not model.model_fields[key].is_required()} == {
        key: value for key, value in defaults.items() if not model.model_fields[key].is_required()
    }


def test_the_example_shows_the_defaults_of_single_keys() -> None:
    config, _ = load(EXAMPLE, ENVIRON)

    for key in (
        "observe",
        "rescan",
        "unmatched",
        "settle",
        "upload",
        "log",
        "duplicates",
        "done",
        "retention",
    ):
        assert getattr(config, key) == Config.model_fields[key].default
