"""`watcher service windows`: a script whose values survive PowerShell, and which names nobody in English.

It has not been run on Windows: what is tried here is its text.
"""

from __future__ import annotations

import codecs
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.agent.test_agent import watcher
from tests.commands.test_service import printed
from tests.conftest import SECRET, World
from watcher.commands.service_parts import longest_stop_seconds
from watcher.commands.service_windows import service_sid, write
from watcher.core.errors import ConfigError
from watcher.manual import pages
from watcher.settings.config import load

# Between single quotes PowerShell takes any two of these for one (about_Quoting_Rules, and its tokenizer).
QUOTE = "['\u2018\u2019\u201a\u201b]"
LITERAL = re.compile(f"{QUOTE}((?:[^'\u2018\u2019\u201a\u201b]|{QUOTE}{{2}})*){QUOTE}")
ODD = "it's 50% of “Größe” & <b> $x `y ‘z’"


def plain(literal: str) -> str:
    """What PowerShell reads in single quotes."""
    match = LITERAL.fullmatch(literal)
    assert match is not None, literal
    return re.sub(f"{QUOTE}({QUOTE})", r"\1", match[1])


def values(text: str) -> dict[str, str]:
    """The values at the script's head that are text."""
    return {name: plain(value) for name, value in re.findall(r"(?m)^\$(\w+) = ('.*)$", text) if value != "@'"}


def xml_of(text: str) -> ElementTree.Element:
    """WinSW's file, as it stands in the script."""
    [found] = re.findall(r"(?ms)^\$Xml = @'\n(.*?)\n'@$", text)
    return ElementTree.fromstring(found)


def test_every_path_is_read_back_as_it_is_whatever_is_in_it(world: World) -> None:
    odd = world.path(ODD)
    odd.mkdir()
    world.settings["folders"] = {name: f"{ODD}/{name}" for name in ("drop", "done", "failed", "state")}
    world.settings["log"] = {"file": f"{ODD}/watcher.log"}
    text = printed(world, "windows")

    found = values(text)
    config, _ = load(world.config, {})
    assert found["Python"] == sys.executable
    assert found["Settings"] == str(world.config)
    assert found["SettingsFolder"] == str(world.root)
    assert found["Drop"] == str(odd / "drop")
    assert found["State"] == str(odd / "state")
    assert found["Work"] == str(config.folders.work_folder)
    assert found["LogFile"] == str(odd / "watcher.log")
    [folders] = re.findall(r"(?m)^\$Folders = @\((.*)\)$", text)
    assert [plain(match[0]) for match in LITERAL.finditer(folders)] == [
        str(odd / "drop"), str(odd / "done"), str(odd / "failed"), str(odd)
    ]  # fmt: skip


def test_a_path_that_no_script_can_hold_is_an_error(world: World) -> None:
    world.settings["folders"]["done"] = "do\u200bne"

    with pytest.raises(ConfigError, match="a script cannot hold this path; rename it"):
        printed(world, "windows")


def test_the_file_for_winsw_is_sound_and_starts_this_installation_from_a_closed_folder(world: World) -> None:
    odd = world.path("a & <b>")
    odd.mkdir()
    shutil.copy(world.config, odd / "config.yaml")
    told = subprocess.run(
        [sys.executable, "-m", "watcher", "service", "windows", "-c", str(odd / "config.yaml")],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    xml = xml_of(told.stdout)

    assert xml.findtext("executable") == sys.executable
    # -I: what others put into a folder is no module of ours.
    assert xml.findtext("arguments") == f'-I -u -m watcher run -c "{odd / "config.yaml"}"'
    assert xml.findtext("arguments") == values(told.stdout)["Arguments"]
    assert xml.findtext("workingdirectory") == str(Path(sys.prefix) / "service")
    assert xml.findtext("logpath") == str(odd / "logs") == values(told.stdout)["Logs"]
    seconds = longest_stop_seconds(load(world.config, {})[0])
    assert xml.findtext("stoptimeout") == f"{seconds} sec"
    assert [item.get("action") for item in xml.findall("onfailure")] == ["restart"] * 3


def test_a_path_that_winsw_would_fill_in_is_an_error(world: World) -> None:
    odd = world.path("%TEMP%")
    odd.mkdir()
    shutil.copy(world.config, odd / "config.yaml")
    world.root = odd

    with pytest.raises(ConfigError, match="WinSW takes %NAME% for a variable; rename it"):
        printed(world, "windows")


def test_the_sid_of_a_virtual_account_is_the_one_that_windows_makes() -> None:
    # Microsoft's own: https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers
    assert service_sid("TrustedInstaller") == (
        "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    )


def test_rights_are_given_by_number_and_nobody_is_named_in_english(world: World) -> None:
    text = printed(world, "windows")
    code = re.sub(r"(?m)^\s*#.*$|  #.*$", "", re.sub(r"(?s)<#.*?#>", "", text))

    assert values(text)["ServiceSid"] == service_sid("watcher")
    for sid in ("S-1-5-32-544", "S-1-5-18", "S-1-5-19", "S-1-1-0", "S-1-5-11", "S-1-5-32-545"):
        assert f"'{sid}'" in code
    names = r"administrators|system|users|everyone|builtin|nt authority|local ?service"
    assert re.findall(rf"(?i)['\"](?:\w+\\)?(?:{names}):", code) == []
    assert re.findall(r"(?i)nt authority|builtin\\|local service", code) == []
    # Each right is given to a number, or to whom -People names.
    given = re.findall(r'"(\S*)\}:(?:\(OI\)\(CI\)|\$)', code)
    assert set(given) == {"*${Sid", "*${Administrators", "*${LocalSystem", "*${Agent", "${Who"}
    assert 'obj=\', "NT SERVICE\\$Name"' in code


def test_the_secrets_file_is_closed_to_others_as_the_settings_are(world: World) -> None:
    world.settings["wfm"] |= {"client_secret_file": "wfm-secret.txt"}
    del world.settings["wfm"]["client_secret"]
    world.path("wfm-secret.txt").write_text(SECRET, encoding="utf-16")
    text = printed(world, "windows")

    assert values(text)["Secret"] == str(world.path("wfm-secret.txt"))
    assert "Set-Closed $Settings $Agent 'R' ''" in text
    assert "if ($Secret) { Set-Closed $Secret $Agent 'R' '' }" in text
    assert SECRET not in text
    assert load(world.config, {})[0].secret == SECRET


def test_variables_that_a_service_does_not_have_are_told(world: World) -> None:
    assert values(printed(world, "windows"))["Variables"] == ""

    world.settings["wfm"]["client_secret"] = "${WFM_CLIENT_SECRET}"
    assert values(printed(world, "windows"))["Variables"] == "WFM_CLIENT_SECRET"


def test_a_settings_folder_with_the_drop_folder_in_it_is_not_closed(world: World, tmp_path: Path) -> None:
    assert "$IsApart = $false" in printed(world, "windows")

    apart = tmp_path.parent / f"{tmp_path.name}-apart"
    world.settings["folders"] = {name: str(apart / name) for name in ("drop", "done", "failed", "state")}
    assert "$IsApart = $true" in printed(world, "windows")


def test_an_upgrade_installs_the_packages_that_the_settings_need(world: World) -> None:
    assert values(printed(world, "windows"))["Extras"] == ""

    world.settings |= {"status": {}, "notify": {"urls": ["json://x"]}}
    assert values(printed(world, "windows"))["Extras"] == "[notify,web]"


def test_it_says_that_it_was_not_run_on_windows_and_every_way_to_call_it(world: World) -> None:
    text = printed(world, "windows")
    help_text = text[: text.index("#>")]

    assert "has not been run on Windows" in help_text
    [parameters] = re.findall(r"(?s)^param\((.*?)\n\)", text, re.MULTILINE)
    assert set(re.findall(r"\$(\w+)", parameters.replace("'$", ""))) - {"false"} == {
        name
        for name in re.findall(r"(?<!\w)-([A-Z]\w+)", help_text)
        if name not in ("Version", "RunAsAdministrator")
    } - {"ExecutionPolicy", "File"}


def test_the_page_of_the_manual_has_every_way_to_call_it(world: World) -> None:
    [parameters] = re.findall(r"(?s)\nparam\((.*?)\n\)", printed(world, "windows"))
    named = re.findall(r"(?m)^\| `-(\w+)", pages.page("windows"))

    assert named == re.findall(r"\](?:\$(\w+))", parameters)
    assert "Nothing of this ran on Windows" in pages.page("windows")


def test_it_is_written_as_powershell_5_reads_it_and_over_an_earlier_one_alone(world: World) -> None:
    target = world.path("watcher-service.ps1")
    told = watcher(world, "service", "windows", "--write", str(target))
    assert (told.returncode, told.stdout) == (0, f"{target}: written; its first lines say how to run it\n")

    data = target.read_bytes()
    assert data.startswith(codecs.BOM_UTF8)
    assert data.count(b"\n") == data.count(b"\r\n") > 200
    text = printed(world, "windows")
    assert data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n") == text

    write(text, target)
    other = world.path("letter.txt")
    other.write_text("dear anna")
    with pytest.raises(ConfigError, match="is no script of this command; name another"):
        write(text, other)
    assert other.read_text() == "dear anna"
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        write(text, world.path("nowhere") / "x.ps1")


@pytest.mark.parametrize("kind", ["systemd", "container", "prometheus", "grafana"])
def test_only_the_script_is_written(world: World, kind: str) -> None:
    told = watcher(world, "service", kind, "--write", "x")

    assert (told.returncode, told.stdout) == (1, "")
    assert "--write is for windows alone" in told.stderr
    assert not world.path("x").exists()


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="PowerShell is not installed")
def test_powershell_takes_the_script_apart_without_a_complaint(world: World) -> None:
    target = world.path("watcher-service.ps1")
    write(printed(world, "windows"), target)
    parse = (
        "$errors = $null; [void][System.Management.Automation.Language.Parser]::ParseFile("
        f"'{target}', [ref]$null, [ref]$errors); $errors | Out-String; exit $errors.Count"
    )

    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", parse], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
