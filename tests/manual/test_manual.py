"""`watcher manual` from outside, and that its pages say what is so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from watcher.cli import app
from watcher.core.life import IN_DOUBT
from watcher.core.withdrawal import of_waiting
from watcher.disk.filing import report_text
from watcher.disk.owner import DEAD_SECONDS, HEARTBEAT_SECONDS
from watcher.manual import pages
from watcher.manual.schema import models, settings_schema
from watcher.manual.settings_page import settings_page
from watcher.settings.settings import Settle

ROOT = Path(__file__).parents[2]
HERE = Path(pages.__file__).parent
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def manual(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """What the command says, in a folder that has no settings."""
    return subprocess.run(
        [sys.executable, "-m", "watcher", "manual", *arguments],
        capture_output=True, text=True, check=False, cwd=folder, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"} | environ,
    )  # fmt: skip


def test_without_a_page_it_lists_them_a_line_each(tmp_path: Path) -> None:
    found = manual(tmp_path)

    assert found.returncode == 0
    assert [line.split()[0] for line in found.stdout.splitlines()] == list(pages.NAMES)
    assert all(len(line) <= 80 for line in found.stdout.splitlines())


@pytest.mark.parametrize("name", pages.NAMES)
def test_a_page_is_plain_text_in_a_pipe_and_laid_out_on_a_terminal(name: str, tmp_path: Path) -> None:
    piped = manual(tmp_path, name)
    shown = manual(tmp_path, name, FORCE_COLOR="1", COLUMNS="80", TERM="xterm-256color")

    assert piped.stdout == pages.page(name)
    assert "\x1b[" in shown.stdout
    plain = re.sub(r"\x1b(\[[\d;]*m|\]8;.*?\x1b\\)", "", shown.stdout)  # no colours, no addresses of links
    assert all(len(line) <= 80 for line in plain.splitlines())


def test_an_unknown_page_is_wrong_usage_and_the_names_are_told(tmp_path: Path) -> None:
    found = manual(tmp_path, "faild")

    assert found.returncode == 2
    told = " ".join(found.stderr.split())
    assert "there is no page faild; the pages are install, windows, delivery" in told


def test_the_schema_is_json_and_needs_no_settings(tmp_path: Path) -> None:
    found = manual(tmp_path, "--schema")

    assert found.returncode == 0
    assert json.loads(found.stdout) == settings_schema()


def test_every_page_that_lies_there_is_listed_and_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert {path.stem for path in HERE.glob("*.md")} | {"settings"} == set(pages.NAMES)
    for path in HERE.glob("*.md"):
        assert f"(watcher/manual/{path.name})" in readme
    for name in pages.NAMES:
        for link in re.findall(r"\]\(([\w-]+\.md)\)", pages.page(name)):
            assert (HERE / link).is_file(), f"{name}: {link}"
    assert pages.title("settings") in settings_page()


def test_pages_name_only_commands_options_and_settings_that_exist() -> None:
    places = {f"{at}{key}" for model, at in models(settings_schema()) for key in model["properties"]}
    sections = {place.partition(".")[0] for place in places if "." in place and "[" not in place}
    for name in pages.NAMES:
        text = pages.page(name)
        for command, rest in re.findall(r"`watcher (\w+)([^`]*)`", text):
            options = {option for parameter in COMMANDS[command].params for option in parameter.opts}
            assert set(re.findall(r"--[\w-]+", rest)) <= options, (name, command, rest)
        for page in re.findall(r"`watcher manual (\w+)`", text):
            assert page in pages.NAMES
        for section, key in re.findall(r"`(\w+)\.(\w+)`", text):
            assert section not in sections or f"{section}.{key}" in places, (name, section, key)


def test_the_page_on_failed_files_names_each_key_of_a_report() -> None:
    code = Path(report_text.__code__.co_filename).read_text(encoding="utf-8")
    reading = pages.page("failed").partition("## How to read the report")[2].partition("\n## ")[0]
    told = {key for line in reading.splitlines() if line[:2] == "- " for key in re.findall(r"`(\w+)`", line)}

    assert set(re.findall(r'^        "(\w+)": ', code, re.MULTILINE)) <= told


def test_the_page_on_failed_files_quotes_reasons_as_they_are() -> None:
    text = " ".join(pages.page("failed").split())

    assert '"may be complete at the server"' in text
    assert "may be complete at the server" in IN_DOUBT
    assert "| no route matches |" in text
    assert of_waiting("anna").reason.startswith("withdrawn by anna")
    for words in (
        "no route matches",
        "it changed after it was delivered",
        "delivered before",
        "the file is empty",
    ):
        assert words in text
        assert any(words in path.read_text(encoding="utf-8") for path in (ROOT / "watcher").rglob("*.py")), (
            words
        )


def test_the_numbers_on_the_pages_are_those_of_the_code() -> None:
    text = {name: " ".join(pages.page(name).split()) for name in pages.NAMES}

    assert DEAD_SECONDS == 600
    assert HEARTBEAT_SECONDS == 60
    assert all("ten minutes" in text[name].lower() for name in ("agents", "glossary"))
    assert "renewed each minute" in text["agents"]
    assert f"`settle.quiet` ({Settle().quiet:g} s)" in text["faq"]
    assert f"`settle.unsure` ({Settle().unsure:g} s)" in text["faq"]


def test_the_glossary_has_the_words_that_need_one_in_order() -> None:
    words = re.findall(r"^\*\*(.+?)\*\*:", pages.page("glossary"), re.MULTILINE)

    assert words == sorted(words)
    assert {
        "chunk",
        "push token",
        "hold",
        "suspect",
        "settle",
        "marker",
        "set aside",
        "stranded",
        "stuck",
    } <= {*words}
