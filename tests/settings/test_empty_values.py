"""Nothing where something is meant: an empty text, and a variable that is set but empty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.settings.test_config import GOOD
from watcher.core.errors import ConfigError
from watcher.settings.config import load


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    """What is wrong with these settings, without the folder's name."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {"WFM_CLIENT_SECRET": "x", **environ})
    return [problem.removeprefix(f"{folder}/config.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "key"),
    [
        ("./drop", "2: folders.drop"),
        ("./state", "5: folders.state"),
        ("acme", "7: wfm.tenant"),
        ("importer", "10: wfm.client_id"),
        ("${WFM_CLIENT_SECRET}", "11: wfm.client_secret"),
        ("events", "13: routes[0].name"),
        ('"*.csv"', "14: routes[0].match"),
        ("agent-events", "15: routes[0].endpoint"),
        ("genesis", "16: routes[0].acd_type"),
    ],
)
def test_a_variable_that_is_empty_is_told_with_its_name(old: str, key: str, tmp_path: Path) -> None:
    """The drop folder became that of the settings, and the settings a failed file."""
    before, _, behind = GOOD.partition(f": {old}\n")

    assert problems(tmp_path, f'{before}: "${{X}}"\n{behind}', X="") == [
        f"{key}: the environment variable X is empty; fill it in, or write the value here"
    ]


@pytest.mark.parametrize("nothing", ['""', '"  "'])
@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("folders: {drop: ./drop, done: VALUE, failed: ./failed, state: ./state}", "17: folders.done"),
        ("log: {file: VALUE}", "17: log.file"),
        ("settle: {ignore: [VALUE]}", "17: settle.ignore[0]"),
        ("    schema: VALUE", "17: routes[0].schema"),
        ("    columns: [{name: VALUE}]", "17: routes[0].columns[0].name"),
        ("    columns: [{name: a, from: VALUE}]", "17: routes[0].columns[0].from[0]"),
        ("notify: {urls: [VALUE]}", "17: notify.urls[0]"),
    ],
)
def test_an_empty_text_is_told_where_it_makes_no_sense(
    line: str, key: str, nothing: str, tmp_path: Path
) -> None:
    found = problems(tmp_path, GOOD + line.replace("VALUE", nothing) + "\n")

    assert any(problem.startswith(f"{key}: ") and "empty" in problem for problem in found) or any(
        problem.startswith(f"{key}: must be the name of a column") for problem in found
    )


@pytest.mark.parametrize(
    "old", ["genesis", "importer", "agent-events", "./drop", "acme", "events\n", "${WFM_CLIENT_SECRET}"]
)
@pytest.mark.parametrize("nothing", ['""', '"  "'])
def test_an_empty_text_is_told_once(old: str, nothing: str, tmp_path: Path) -> None:
    end = "\n" if old.endswith("\n") else ""
    [found] = problems(tmp_path, GOOD.replace(f": {old}", f": {nothing}{end}", 1))

    assert "empty" in found or "goes into a request header" in found or "must be one of" in found


@pytest.mark.parametrize("key", ["ca_file", "client_cert", "client_secret_file"])
def test_an_empty_path_of_a_file_is_told(key: str, tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace("  tenant: acme\n", f'  tenant: acme\n  {key}: " "\n'))

    assert any(problem.startswith(f"8: wfm.{key}: is empty; write ") for problem in found)


@pytest.mark.parametrize("drop", [".", "./x/..", "ABSOLUTE"])
def test_a_drop_folder_that_holds_the_settings_is_refused(drop: str, tmp_path: Path) -> None:
    [found] = problems(tmp_path, GOOD.replace("./drop", drop.replace("ABSOLUTE", str(tmp_path))))

    assert found.startswith("2: folders.drop: holds the settings file itself")


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few make links")
def test_a_drop_folder_that_holds_what_the_settings_are_a_link_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "real.yaml").write_text(GOOD)
    (tmp_path / "config.yaml").symlink_to(tmp_path / "drop" / "real.yaml")

    with pytest.raises(ConfigError, match="holds the settings file itself"):
        load(tmp_path / "config.yaml", {"WFM_CLIENT_SECRET": "x"})


def test_a_file_of_ours_in_the_drop_folder_is_refused_unless_it_is_left_alone_there(tmp_path: Path) -> None:
    [found] = problems(tmp_path, GOOD + "log: {file: ./drop/watcher.log}\n")
    assert found.startswith("17: log.file: lies in the drop folder")

    (tmp_path / "config.yaml").write_text(GOOD + "log: {file: ./drop/.watcher.log}\n")
    assert load(tmp_path / "config.yaml", {"WFM_CLIENT_SECRET": "x"})[0].log.file is not None


@pytest.mark.parametrize("secrets", [True, False])
def test_a_secrets_file_in_the_drop_folder_is_refused_and_is_not_sent(secrets: bool, tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "secret.txt").write_text("s3cret")
    settings = GOOD.replace("client_secret: ${WFM_CLIENT_SECRET}", "client_secret_file: drop/secret.txt")
    assert settings != GOOD
    (tmp_path / "config.yaml").write_text(settings)

    with pytest.raises(ConfigError) as error:
        load(tmp_path / "config.yaml", {}, secrets=secrets)

    assert "wfm.client_secret_file: lies in the drop folder" in str(error.value)
    assert "s3cret" not in str(error.value)
