"""`python -m tests.bench`: all rows, or those that are named; `--json`; `--small` and `--full`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import contenders, plot
from tests.bench.figures import Figure, table
from tests.bench.rows import FULL, ROWS, SMALL, Scale

MEMORY = Path("/dev/shm")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="a few seconds: does the benchmark itself work?")
    size.add_argument("--full", action="store_true", help="10,000 small files, 4 GB, ten idle minutes")
    parser.add_argument("--folder", type=Path, help="where the generated data goes for the time of the run")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the speeds there")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    # Whether it works needs no disk, and disks of CI machines can be slow; speeds are those of a real one.
    in_memory = asked.small and MEMORY.is_dir()
    folder_above = asked.folder or (MEMORY if in_memory else None)
    amount = SMALL if asked.small else FULL if asked.full else {}
    # As Ctrl-C does: so that the agent ends and the generated data goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found: dict[str, list[Figure]] = {}
    for name in asked.rows or ROWS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="watcher-bench-", dir=folder_above) as folder:
            found[name] = ROWS[name](Scale(Path(folder), **amount))
        print(f"{name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
    if asked.plot:
        asked.plot.write_text(plot.svg(found), encoding="utf-8")
    if asked.json:
        print(
            json.dumps(
                [figure.as_json(name) for name, figures in found.items() for figure in figures], indent=1
            )
        )
    else:
        print(table(titled(found)))
        print(f"\n{machine()}; {contenders.left_out()}")


def titled(found: dict[str, list[Figure]]) -> dict[str, list[Figure]]:
    return {f"{name}: {(ROWS[name].__doc__ or '').strip()}": figures for name, figures in found.items()}


def machine() -> str:
    words = (
        platform.system(),
        platform.machine(),
        f"{os.cpu_count()} cores",
        f"load {os.getloadavg()[0]:.1f}",
    )
    return ", ".join([f"Python {platform.python_version()}", *words])


if __name__ == "__main__":
    main()
