"""`watcher service systemd`: the unit as systemd itself reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import SECRET, World
from watcher.commands.service import service
from watcher.core.errors import ConfigError
from watcher.settings.config import load

systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
ODD = "odd 100% $HOME"


def analyze(unit: Path, *arguments: str) -> str:
    """What systemd says about a unit; fails where it says no."""
    done = subprocess.run(
        ["systemd-analyze", *arguments, str(unit)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def printed(
    world: World, kind: Literal["systemd", "windows", "container"], *, user: str | None = None
) -> str:
    """What the command prints. Raises what it raises."""
    lines: list[str] = []
    assert service(kind, world.config, lines.append, user=user) == 0
    return "\n".join(lines)


def unit_of(world: World, *arguments: str) -> Path:
    """The unit that the command prints, as a file."""
    path = world.path("watcher.service")
    path.write_text(printed(world, "systemd", user=arguments[1] if arguments else None))
    return path


def values(unit: Path, key: str) -> list[str]:
    """All values of a directive, as they stand."""
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


@systemd
@pytest.mark.parametrize("arguments", [(), ("--user", "root")])
def test_systemd_takes_the_unit_without_a_word_and_finds_it_well_hardened(
    world: World, arguments: tuple[str, ...]
) -> None:
    unit = unit_of(world, *arguments)

    assert analyze(unit, "verify") == ""
    (level,) = re.findall(
        r"exposure level for watcher.service: ([\d.]+)", analyze(unit, "security", "--offline=true")
    )
    assert float(level) < 2.0


@systemd
def test_a_path_with_blanks_quotes_and_percent_signs_arrives_as_it_is(world: World) -> None:
    odd = world.path(ODD)
    odd.mkdir()
    # A virtual environment of that name: systemd looks whether the program is there.
    ours = Path(sys.executable).parent.parent
    (odd / "bin").mkdir()
    (odd / "bin" / "python").symlink_to(sys.executable)
    (odd / "lib").symlink_to(ours / "lib")
    shutil.copy(ours / "pyvenv.cfg", odd / "pyvenv.cfg")
    settings = odd / "it's a c\\nfig.yaml"
    shutil.copy(world.config, settings)
    unit = world.path("watcher.service")
    with unit.open("w") as out:
        command = [odd / "bin" / "python", "-m", "watcher", "service", "systemd", "-c", settings]
        subprocess.run([*command, "--user", "root"], stdout=out, check=True, timeout=30)

    assert analyze(unit, "verify") == ""
    (start,) = values(unit, "ExecStart")
    assert start.startswith('":')
    assert "100%%" in start

    (odd / "bin" / "python").unlink()
    broken = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False
    )
    assert f"{odd / 'bin' / 'python'} is not executable" in broken.stderr


def test_the_unit_runs_this_very_installation_with_these_settings(world: World) -> None:
    unit = unit_of(world)

    assert values(unit, "ExecStart") == [f":{sys.executable} -m watcher run -c {world.path('config.yaml')}"]
    assert values(unit, "Type") == ["notify"]
    # What a request takes at most that was tried in vain before: each try waits longer, up to four times.
    assert int(values(unit, "TimeoutStopSec")[0]) > 5 * load(world.config, {})[0].wfm.timeout
    assert values(unit, "RestartPreventExitStatus") == ["1 2"]
    assert values(unit, "ExecReload") == ["kill -HUP $MAINPID"]
    assert values(unit, "CapabilityBoundingSet") == values(unit, "AmbientCapabilities") == ["CAP_LEASE"]


def test_every_folder_is_writable_and_waits_for_its_mount(world: World) -> None:
    world.settings["folders"]["work"] = "work"
    world.settings["log"] = {"file": "logs/watcher.log"}
    unit = unit_of(world, "--user", "carrier")

    wanted = {str(world.path(name)) for name in ("drop", "done", "failed", "state", "work", "logs")}
    assert set(values(unit, "ReadWritePaths")) == wanted
    assert wanted <= set(values(unit, "RequiresMountsFor"))
    assert set(values(unit, "BindPaths")) == wanted  # for /tmp is one of its own
    assert values(unit, "User") == ["carrier"]
    assert values(unit, "DynamicUser") == []


def test_what_the_settings_name_is_in_sight_of_the_service(world: World) -> None:
    world.settings["wfm"]["ca_file"] = "company-ca.pem"
    world.settings["routes"][0]["schema"] = "event-types.schema.json"
    world.path("company-ca.pem").write_text("")
    world.path("event-types.schema.json").write_text("{}")
    unit = unit_of(world)

    wanted = {str(world.path(name)) for name in ("config.yaml", "company-ca.pem", "event-types.schema.json")}
    assert wanted <= set(values(unit, "BindReadOnlyPaths"))  # for /tmp is one of its own


def test_a_dynamic_user_gets_its_state_folder_from_systemd(world: World) -> None:
    world.settings["folders"]["state"] = "/var/lib/watcher/north"
    unit = unit_of(world)

    assert values(unit, "DynamicUser") == ["yes"]
    assert values(unit, "StateDirectory") == ["watcher/north"]
    assert "/var/lib/watcher/north" not in values(unit, "ReadWritePaths")
    assert "WARNING" not in unit.read_text()


def test_a_dynamic_user_with_its_state_elsewhere_is_warned_about(world: World) -> None:
    assert "WARNING: folders.state is" in unit_of(world).read_text()
    assert "WARNING" not in unit_of(world, "--user", "carrier").read_text()


def test_the_secrets_file_becomes_a_credential_that_the_agent_finds(world: World) -> None:
    world.settings["wfm"] |= {"client_secret_file": "secrets/wfm"}
    del world.settings["wfm"]["client_secret"]
    secrets = world.path("secrets")
    secrets.mkdir()
    (secrets / "wfm").write_text(SECRET)
    unit = unit_of(world)

    assert values(unit, "LoadCredential") == [f"wfm:{secrets / 'wfm'}"]
    assert SECRET not in unit.read_text()

    credentials = world.path("credentials")
    credentials.mkdir()
    (secrets / "wfm").rename(credentials / "wfm")
    config, _ = load(world.config, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert config.secret == SECRET


def test_a_variable_of_the_settings_need_not_be_set_to_print_the_unit(world: World) -> None:
    world.settings["wfm"]["client_secret"] = "${WFM_CLIENT_SECRET}"
    unit = unit_of(world)

    assert values(unit, "EnvironmentFile") == [str(world.path("watcher.env"))]
    assert "The settings take WFM_CLIENT_SECRET from the environment" in unit.read_text()


def test_a_secret_that_this_user_may_not_read_is_no_hindrance(world: World) -> None:
    world.settings["wfm"] |= {"client_secret_file": "not-there"}
    del world.settings["wfm"]["client_secret"]

    assert values(unit_of(world), "LoadCredential") == [f"not-there:{world.path('not-there')}"]


def test_a_path_that_a_unit_cannot_hold_is_an_error(world: World) -> None:
    world.settings["folders"]["done"] = 'it\'s "so"'

    with pytest.raises(ConfigError, match="rename it"):
        printed(world, "systemd")


def test_wrong_settings_are_an_error_and_no_unit_is_printed(world: World) -> None:
    world.settings["wfm"]["tenantt"] = "x"
    told = watcher(world, "service", "systemd")

    assert (told.returncode, told.stdout) == (1, "")
    assert "did you mean tenant?" in told.stderr


def test_a_user_that_cannot_be_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="no name that a system user can have"):
        printed(world, "systemd", user="x\nExecStartPre=/bin/evil")
