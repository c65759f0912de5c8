"""The benchmark measures what it says: its sink counts, its figures are right, a missing byte breaks it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.contenders import curl_kept_alive, httpx_loop
from tests.bench.data import csv_file, small_files
from tests.bench.figures import Figure, ratio, table
from tests.bench.plot import svg
from tests.bench.rows import ROWS, Scale, latency
from tests.bench.world import Broken, World


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """A sink with folders."""
    world = World(tmp_path / "world")
    yield world
    world.close()


def test_the_real_agent_delivers_what_a_row_claims(tmp_path: Path) -> None:
    by_events, by_polling = latency(Scale(tmp_path, drops=1))

    assert by_events.median > 0
    assert by_polling.median > 0


def test_contenders_send_the_whole_file(here: World) -> None:
    file = here.root / "stock" / "f.csv"
    size = csv_file(file, 2_500_000)

    httpx_loop(here, file)
    loop = here.expect(size=size, commits=1)
    curl_kept_alive(here, file)
    curl = here.expect(size=size, commits=1)

    assert loop["requests"] == curl["requests"] == 3


def test_a_byte_that_is_missing_breaks_the_benchmark(here: World) -> None:
    names, size = small_files(here.root / "stock", 2)
    httpx_loop(here, *(here.root / "stock" / name for name in names))

    with pytest.raises(Broken, match="were to arrive"):
        here.expect(size=size + 1, commits=2)


def test_the_sink_reads_a_head_that_comes_in_pieces(here: World) -> None:
    host, _, port = here.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.settimeout(10)
        for piece in (
            b"POST /x?push",
            b"Token=1&lastChunk=true HTTP/1.1\r\nContent-Le",
            b"ngth: 3\r\n\r",
            b"\nab",
        ):
            client.sendall(piece)
        client.sendall(b"c")
        answer = client.recv(1000)

    assert answer.startswith(b"HTTP/1.1 200")
    here.expect(size=3, commits=1)


def test_a_ratio_is_taken_pair_by_pair_and_its_goal_looked_at_in_the_median() -> None:
    figure = ratio("a against b", [2.0, 9.0, 8.0], [1.0, 3.0, 2.0], goal=3.0)

    assert figure.samples == (2.0, 3.0, 4.0)
    assert figure.met is True
    assert ratio("a", [4.0], [1.0], goal=3.0, at_least=False).met is False
    assert Figure("c", "s", (1.0,)).met is None


def test_the_table_and_the_plot_show_every_speed() -> None:
    found = {
        "large": [Figure("the agent", "MB/s", (10.0, 30.0, 20.0), goal=15), Figure("<curl>", "MB/s", (5.0,))]
    }

    assert "20  MB/s" in table(found)
    assert "10 .. 30" in table(found)
    assert "met" in table(found)
    assert "&lt;curl&gt;" in svg(found)


def test_an_unknown_row_is_refused_with_the_names_of_all() -> None:
    command = [sys.executable, "-m", "tests.bench", "nonsense"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "no such row: nonsense; there are" in done.stderr
    assert ", ".join(ROWS) in done.stderr
