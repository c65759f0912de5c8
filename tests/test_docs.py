"""README, help and example settings say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from watcher.cli import app
from watcher.core import faults
from watcher.disk.filing import report_text
from watcher.manual.pages import NAMES, page
from watcher.settings.config import load
from watcher.settings.settings import Settle, Upload
from watcher.settings.status_settings import Status

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MANUAL = {name: page(name) for name in NAMES}
ALL = "\n".join([README, *MANUAL.values()])
COMMANDS = {
    command.name or command.callback.__name__: command
    for command in app.registered_commands
    if command.callback is not None
}


def test_every_command_is_in_the_manual_and_the_other_way_round() -> None:
    named = set(re.findall(r"^\| `watcher (\w+)", MANUAL["commands"], re.MULTILINE))

    assert named == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_a_config_and_has_a_sentence_and_an_example(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]

    options = {option for parameter in command.params for option in parameter.opts}
    assert {"-c", "--config"} <= options
    assert f"Example: watcher {name}" in command.help
    assert all(parameter.help for parameter in command.params)


def test_the_options_that_the_manual_names_are_there() -> None:
    for name, text in re.findall(r"^\| `watcher (\w+)(.*)", MANUAL["commands"], re.MULTILINE):
        command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", text)) <= options


def test_the_readmes_settings_load(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "config.yaml"
    path.write_text(text)

    config, warnings = load(path, {"WFM_CLIENT_SECRET": "x"})

    assert [route.name for route in config.routes] == ["event-types", "reason-codes", "agent-events"]
    assert warnings == []


def test_the_manuals_report_has_the_keys_of_a_real_one() -> None:
    (text,) = re.findall(r"```\n(file:.*?)```", MANUAL["failed"], re.DOTALL)
    code = Path(report_text.__code__.co_filename).read_text()

    assert list(yaml.safe_load(text)) == re.findall(r'^        "(\w+)": ', code, re.MULTILINE)


def test_the_manuals_fault_table_names_every_status_with_a_rule_of_its_own() -> None:
    text = MANUAL["delivery"]
    table = text[text.index("## What can go wrong") : text.index("**A chunk whose answer")]

    named = set(map(int, re.findall(r"\b\d{3}\b", table)))
    for first, last in re.findall(r"\b(\d{3}) to (\d{3})\b", table):
        named |= set(range(int(first), int(last) + 1))

    assert faults.RULES.keys() <= named


def test_readme_and_manual_name_only_settings_that_exist() -> None:
    models = {"settle": Settle, "upload": Upload, "status": Status}
    for section, key in re.findall(r"`(settle|upload|status)\.(\w+)`", ALL):
        assert key in models[section].model_fields


def test_the_ci_runs_the_readmes_commands() -> None:
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)

    assert len(commands) == 2
    assert commands[0].endswith("watcher demo")
    assert "pytest" in commands[1]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_python_m_watcher_is_the_same_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "watcher", "--version"], capture_output=True, text=True, check=True
    )

    assert re.fullmatch(r"watcher \d+\.\d+\.\d+\n", shown.stdout)
