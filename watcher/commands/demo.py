"""`watcher demo`: a WFM stand-in, sample exports and the real agent, in a temporary folder.

The agent is a process of its own, started as anybody would start it; the exports are dropped while it
runs, and in the wrong order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watcher.agent.overview import collect
from watcher.commands.terminal import Terminal
from watcher.core.names import counted, shown
from watcher.sandbox.samples import write_samples
from watcher.sandbox.server import Sandbox
from watcher.settings.config import load
from watcher.settings.settings import Config

PATIENCE_SECONDS = 25.0
LOOK_SECONDS = 0.2
SECRET_VARIABLE = "WFM_CLIENT_SECRET"
SECRET = "sandbox-secret"  # of the stand-in, which is gone when the demo ends

_SETTINGS = """\
folders: {{drop: drop, done: done, failed: failed, state: state}}
wfm:
  tenant: demo
  api_url: {url}
  token_url: {token_url}
  client_id: wfm-importer
  client_secret: ${{WFM_CLIENT_SECRET}}
routes:
  - {{name: event-types, match: "event?types*.json", endpoint: event-types}}
  - {{name: reason-codes, match: "reason?codes*.json", endpoint: reason-codes}}
  - name: agent-events
    match: ["agent?events*.csv", "adherence*.csv"]
    endpoint: agent-events
    acd_type: genesis
settle: {{quiet: 500ms}}
"""


def demo(terminal: Terminal) -> int:
    """Run the demo; returns 0 where every file ended where it should, else 1."""
    with tempfile.TemporaryDirectory(prefix="watcher-demo-") as name, Sandbox(keep_bodies=False) as server:
        folder = Path(name)
        settings = folder / "config.yaml"
        settings.write_text(_SETTINGS.format(url=server.url, token_url=server.token_url), encoding="utf-8")
        config, _ = load(settings, os.environ | {SECRET_VARIABLE: SECRET})
        terminal.say(f"A WFM stand-in answers at {server.url}; all files are in {folder}.")
        samples = write_samples(folder / "exports")
        with _agent(settings, terminal) as log:
            _drop(samples, config, terminal)
            finished = _watch(config, terminal, len(samples))
        _tell(config, server, terminal, log)
        bad = [path for path in config.folders.failed.iterdir() if path.suffix == ".csv"]
        as_meant = finished and [path.name for path in bad] == ["adherence_broken.csv"]
    terminal.say("The temporary folder is removed." if as_meant else "This is not how it should end.")
    return 0 if as_meant else 1


@contextmanager
def _agent(settings: Path, terminal: Terminal) -> Iterator[Path]:
    """Start `watcher run` as a process; stop it at the end as a service manager would."""
    log = settings.with_name("watcher.log")
    command = [sys.executable, "-m", "watcher", "run", "-c", str(settings)]
    terminal.say("$ watcher run -c config.yaml")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command, env=os.environ | {SECRET_VARIABLE: SECRET}, stdin=subprocess.DEVNULL, stderr=stderr
        )
        try:
            yield log
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()


def _drop(samples: list[Path], config: Config, terminal: Terminal) -> None:
    """Wait for the agent, then put all exports into the drop folder, the agent events first."""
    _until(lambda: bool(collect(config)["running"]) and config.folders.drop.is_dir())
    for path in samples:
        path.rename(config.folders.drop / path.name)
        size = (config.folders.drop / path.name).stat().st_size
        terminal.say(f"dropped {path.name} ({size:,} bytes)")


def _watch(config: Config, terminal: Terminal, files: int) -> bool:
    """Show a live table until all `files` have an outcome; returns whether they have."""
    with terminal.live_table(("file", "state", "delivered", "of bytes", "why")) as show:

        def look() -> bool:
            found = collect(config)
            rows: list[tuple[object, ...]] = []
            rows += [(row["name"], "waiting", None, None, row["why"]) for row in found["waiting"]]
            for row in found["under_way"]:
                rows.append((row["name"], row["state"], row["delivered_bytes"], row["total_bytes"], None))
            rows += [(row["name"], row["state"], None, row["bytes"], row["reason"]) for row in found["last"]]
            show(rows)
            return len(found["last"]) >= files

        return _until(look)


def _until(condition: Callable[[], bool]) -> bool:
    pause = threading.Event()
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if condition():
            return True
        pause.wait(LOOK_SECONDS)
    return False


def _tell(config: Config, server: Sandbox, terminal: Terminal, log: Path) -> None:
    """Show what came out: the agent's log, the folders, and what the stand-in received."""
    terminal.say("\nthe agent's log:")
    terminal.say(log.read_text(encoding="utf-8").rstrip())
    for name in ("drop", "done", "failed"):
        terminal.say(f"\n{name}/")
        for path in sorted(getattr(config.folders, name).iterdir()):
            terminal.say(f"  {shown(path.name)} ({path.stat().st_size:,} bytes)")
    for report in sorted(config.folders.failed.glob("*.error.txt")):
        terminal.say(f"\n{report.name}:")
        terminal.say(report.read_text(encoding="utf-8").rstrip())
    terminal.say("\nwhat the WFM stand-in received, in order:")
    for operation in server.operations():
        state = "complete" if operation.completed else "not completed"
        size = f"{operation.received_bytes:,} bytes in {counted(operation.chunk_count, 'chunk')}"
        terminal.say(f"  {operation.kind}: {size}, {state}")
