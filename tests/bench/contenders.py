"""What users would pick instead. Each returns the seconds that its sending took, with curl's own start."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.world import CHUNK_BYTES, ROOT, Broken, World

HEADERS = ("Authorization: Bearer bench", "Tenant-ID: bench", "Content-Type: text/csv")

# The vendor's page: split the export, then one request for each part; the last one says so.
BY_PARTS = """
set -eu
split -C "$2" -a 5 "$1" "$3/part."
last=$(ls "$3" | tail -n 1)
for part in "$3"/part.*; do
    commit=false
    if [ "${part##*/}" = "$last" ]; then commit=true; fi
    curl -sS -f -o /dev/null -X POST -H "$5" -H "$6" -H "$7" --data-binary "@$part" "$4&lastChunk=$commit"
done
"""
FILE_BY_FILE = """
set -eu
url=$1 first=$2 second=$3 third=$4
shift 4
for file in "$@"; do
    curl -sS -f -o /dev/null -X POST -H "$first" -H "$second" -H "$third" --data-binary "@$file" "$url"
done
"""


def curl_by_parts(world: World, file: Path) -> float:
    """`split -C`, and one `curl` per part."""
    with _Parts(world) as parts:
        return _timed(
            [
                "sh",
                "-c",
                BY_PARTS,
                "sh",
                file,
                CHUNK_BYTES,
                parts,
                f"{world.import_url}&pushToken=1",
                *HEADERS,
            ]
        )


def curl_kept_alive(world: World, file: Path) -> float:
    """`split -C`, and one `curl` for all parts, over one connection."""
    with _Parts(world) as parts:
        seconds = _timed(["split", "-C", CHUNK_BYTES, "-a", "5", file, parts / "part."])
        names = sorted(parts.iterdir())
        urls = [
            f"{world.import_url}&pushToken=1&lastChunk={str(part == names[-1]).lower()}" for part in names
        ]
        return seconds + _one_curl(parts / "config", list(zip(names, urls, strict=True)))


def curl_for_each(world: World, files: Sequence[Path]) -> float:
    """One `curl` per file."""
    return _timed(["sh", "-c", FILE_BY_FILE, "sh", _whole(world), *HEADERS, *files])


def curl_for_all(world: World, files: Sequence[Path]) -> float:
    """One `curl` for all files."""
    return _one_curl(world.root / "curl.config", [(file, _whole(world)) for file in files])


def httpx_loop(world: World, *files: Path) -> float:
    """A bare loop that checks and records nothing; what it needs to start is not counted."""
    return float(_python("tests.bench.loop", f"{world.import_url}&pushToken=1", *map(str, files)))


def csv_module(file: Path, *, writing: bool) -> float:
    """The CPU seconds of the csv module for the file: reader, or reader and writer."""
    return float(_python("tests.bench.csv_pass", "write" if writing else "read", str(file)))


def left_out() -> str:
    """Say which other tools were looked at, and why they are no contenders."""
    # rclone copies whole files to stores (WebDAV, S3, ...): no POST with a query of its own for each part.
    return "rclone is left out: it cannot send parts that are cut at records, each with its own query"


def _whole(world: World) -> str:
    return f"{world.import_url}&pushToken=1&lastChunk=true"


def _one_curl(config: Path, sendings: Sequence[tuple[Path, str]]) -> float:
    heads = "".join(f'header = "{header}"\n' for header in HEADERS)
    config.write_text(
        "next\n".join(
            f'url = "{url}"\ndata-binary = "@{file}"\noutput = "/dev/null"\nsilent\nfail\n{heads}'
            for file, url in sendings
        )
    )
    return _timed(["curl", "-K", config])


def _timed(command: Sequence[object]) -> float:
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"{command[0]} ended with exit code {done.returncode}: {done.stderr}")
    return time.monotonic() - began


def _python(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


class _Parts:
    """A folder for the parts, gone afterwards: the agent needs none."""

    def __init__(self, world: World) -> None:
        self._folder = world.root / "parts"

    def __enter__(self) -> Path:
        self._folder.mkdir()
        return self._folder

    def __exit__(self, *_exc: object) -> None:
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()
