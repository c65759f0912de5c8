"""Commands that send nothing work without secrets, which the service has from its environment or a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from watcher.cli import app
from watcher.core.errors import ConfigError
from watcher.settings.config import load

TEXT = """\
folders: {drop: drop, done: done, failed: failed, state: state}
wfm:
  tenant: demo
  api_url: http://127.0.0.1:1
  token_url: http://127.0.0.1:1/token
  client_id: importer
  client_secret: ${NO_SECRET}
  proxy: ${NO_PROXY_URL}
status: {listen: "0.0.0.0:8099", password: "${NO_PASSWORD}", token: "${NO_TOKEN}"}
notify: {urls: ["${NO_URL}"], failed: true}
routes:
  - {name: agent-events, match: "agent_events*.csv", endpoint: agent-events, acd_type: genesis}
"""
VARIABLES = ("NO_SECRET", "NO_PROXY_URL", "NO_PASSWORD", "NO_TOKEN", "NO_URL")
COMMANDS = [
    ["status"],
    ["history"],
    ["retry", "--all"],
    ["withdraw", "agent_events_1.csv"],
    ["explain", "drop/agent_events_1.csv"],
    ["check", "--offline"],
]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings whose secrets are not there, and a folder with a file."""
    for name in ("drop", "done", "failed"):
        (tmp_path / name).mkdir()
    (tmp_path / "drop" / "agent_events_1.csv").write_text("a,1\n")
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("missing", ["variables", "file", "what is in the variables"])
def test_a_command_that_sends_nothing_asks_for_no_secret(
    config: Path, command: list[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "what is in the variables":
        for name in VARIABLES:
            monkeypatch.setenv(name, "")
    if missing == "file":
        config.write_text(TEXT.replace("client_secret: ${NO_SECRET}", "client_secret_file: /of/the/service"))

    result = CliRunner().invoke(app, [*command, "-c", str(config)])

    assert "NO_" not in result.output
    assert "/of/the/service" not in result.output
    assert not isinstance(result.exception, ConfigError)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (["run", "--once"], ["7", "8", "9", "9", "10"]),
        # It serves no page and tells nobody.
        (["upload", "drop/agent_events_1.csv"], ["7", "8"]),
    ],
)
@pytest.mark.parametrize("is_set", [False, True])
def test_one_that_sends_names_each_secret_that_it_lacks(
    config: Path, command: list[str], lines: list[str], is_set: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES if is_set else ():
        monkeypatch.setenv(name, "")

    result = CliRunner().invoke(app, [*command, "-c", str(config)])

    assert isinstance(result.exception, ConfigError)
    found = [problem.partition("config.yaml:")[2] for problem in result.exception.problems]
    assert [problem.partition(":")[0] for problem in found] == lines


def test_check_tells_each_secret_that_is_missing_and_tests_what_it_can_without(config: Path) -> None:
    """It needs that of the client; the others may be for the service alone."""
    result = CliRunner().invoke(app, ["check", "-c", str(config)])

    assert not isinstance(result.exception, ConfigError)
    assert result.exit_code == 1
    assert re.search(r"(?m)^FAULT wfm\.client_secret: ", result.output)
    assert re.search(
        r"(?m)^untested +status\.password: ", result.output
    ) or "status.password: not tested" in (result.output)
    assert "ok    folders.drop" in result.output


def test_what_is_no_secret_is_asked_for_by_all(config: Path) -> None:
    config.write_text(TEXT.replace("tenant: demo", "tenant: ${NO_TENANT}"))

    with pytest.raises(ConfigError) as caught:
        load(config, {}, secrets=False)

    assert caught.value.problems == (
        f"{config}:3: wfm.tenant: the environment variable NO_TENANT is not set;"
        " set it, or write the value here",
    )


def test_an_empty_list_is_told_as_one(config: Path) -> None:
    config.write_text(TEXT.replace('["${NO_URL}"]', "[]"))

    with pytest.raises(ConfigError) as caught:
        load(config, {}, secrets=False)

    assert caught.value.problems == (f"{config}:10: notify.urls: is empty; add an item, or remove the key",)
