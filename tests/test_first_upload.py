"""The README's way to the first upload, run as it is written, in a fresh folder."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def steps() -> list[str]:
    """The commands of the section, a block a step; the first is for a terminal of its own."""
    section = README.partition("\n## Five minutes to the first upload\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def newcomer(folder: Path) -> None:
    """Make a folder in which `.venv/bin/watcher` is this source, as after the README's first command."""
    command = folder / ".venv" / "bin" / "watcher"
    command.parent.mkdir(parents=True)
    source, python = shlex.quote(str(ROOT)), shlex.quote(sys.executable)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {python} -m watcher "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def test_the_readmes_steps_lead_to_a_delivered_and_a_failed_file(tmp_path: Path) -> None:
    newcomer(tmp_path)
    first, *others = steps()
    port = free_port()  # 8080 may be taken here
    (tmp_path / "first.sh").write_text(f"exec {first.strip()} --port {port}\n", encoding="utf-8")
    (tmp_path / "second.sh").write_text("".join(others).replace("8080", str(port)), encoding="utf-8")

    with subprocess.Popen(
        ["bash", "-e", "first.sh"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as sandbox:
        try:
            assert sandbox.stdout is not None
            said = sandbox.stdout.readline()
            found = subprocess.run(
                ["bash", "-euo", "pipefail", "second.sh"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            sandbox.send_signal(signal.SIGINT)
            sandbox.communicate()

    assert f"http://127.0.0.1:{port}" in said
    assert found.returncode == 0, found.stdout + found.stderr
    assert "all is well" in found.stdout
    assert "one has failed" in found.stdout
    assert [path.name for path in (tmp_path / "done").iterdir()] == ["agent_events_1.csv"]
    assert sorted(path.name for path in (tmp_path / "failed").iterdir()) == [
        "agent_events_2.csv",
        "agent_events_2.csv.error.txt",
    ]
    assert [path.name for path in (tmp_path / "drop").iterdir() if path.is_file()] == []
    report = (tmp_path / "failed" / "agent_events_2.csv.error.txt").read_text(encoding="utf-8")
    assert "never closed" in yaml.safe_load(report)["reason"]


def test_what_the_steps_make_is_ignored_at_the_top_and_no_part_of_the_source() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split("\n")
    made = {"config.yaml", "drop/", "done/", "failed/", "state/"}

    assert {f"/{name}" for name in made} <= set(ignored)
    assert made.isdisjoint(ignored), "not anchored: the package has such folders, too, or may get them"


def test_the_picture_shows_words_that_the_page_says() -> None:
    picture = (ROOT / "watcher" / "manual" / "page.svg").read_text(encoding="utf-8")
    web = ROOT / "watcher" / "web"
    paths = [web / "page.html", *sorted(web.glob("*.js"))]
    page = "".join(path.read_text(encoding="utf-8") for path in paths)

    for words in ("Needs you", "What to do:", "What to check:", "Uploads under way", "running for"):
        assert words in picture, words
        assert words in page, words
