"""`watcher demo`: a WFM stand-in, sample exports and the real agent, in a temporary folder.

The agent is a process of its own, started as anybody would start it; the exports are dropped while it
runs, and in the wrong order.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watcher.agent.by_hand.overview import collect
from watcher.commands import demo_web
from watcher.commands.demo_web import Story, Troubled
from watcher.commands.interrupts import Interrupts
from watcher.commands.program import command_line
from watcher.commands.terminal import Terminal, state
from watcher.core.errors import ConfigError
from watcher.core.names import counted, shown
from watcher.sandbox.samples import write_samples
from watcher.settings.config import load
from watcher.settings.settings import Config
from watcher.web import missing

PATIENCE_SECONDS = 25.0
LOOK_SECONDS = 0.2
PREFIX, LOG = "watcher-demo-", "watcher.log"

_SETTINGS = """\
folders: {{drop: drop, done: done, failed: failed, state: state}}
wfm:
  tenant: demo
  api_url: {url}
  token_url: {token_url}
  client_id: wfm-importer
  client_secret: sandbox-secret   # of the stand-in, and no secret
routes:
  - {{name: event-types, match: "event?types*.json", endpoint: event-types}}
  - {{name: reason-codes, match: "reason?codes*.json", endpoint: reason-codes}}
  - name: agent-events
    match: ["agent?events*.csv", "adherence*.csv"]
    endpoint: agent-events
    acd_type: genesis
"""


def demo(terminal: Terminal, *, keep: bool = False, web: bool = False, seconds: float | None = None) -> int:
    """Run the demo; returns 0 where every file ended where it should, else 1.

    `keep`: its folder stays; `web`: with the status page, until an interruption or for `seconds`. Raises
    `ConfigError` where the page's packages are not there; and by a signal KeyboardInterrupt or SystemExit,
    when the agent is ended, and the folder removed.
    """
    if web and (problem := missing("--web", way_out="")):
        raise ConfigError(problem)
    interrupts = Interrupts(patient=True)
    with interrupts.heard(), _folder(keep=keep) as folder, Troubled() as server:
        settings = _write_settings(folder, server, web=web)
        config, _ = load(settings)
        terminal.say(f"A WFM stand-in answers at {server.url}; all files are in {folder}.")
        samples = write_samples(folder / "exports")
        if web:
            as_meant = _show(config, settings, server, terminal, samples, seconds, interrupts)
        else:
            with _agent(settings, terminal, interrupts):
                interrupts.raise_deferred()
                _drop(samples, config, terminal)
                finished = _watch(config, terminal, len(samples))
            _tell(config, server, terminal, settings.with_name(LOG))
            bad = [path for path in config.folders.failed.iterdir() if path.suffix == ".csv"]
            as_meant = finished and [path.name for path in bad] == ["adherence_broken.csv"]
    if keep:
        _guide(folder, server, terminal)
    ending = "The folder stays." if keep else "The temporary folder is removed."
    terminal.say(ending if as_meant else "This is not how it should end.")
    return 0 if as_meant else 1


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix=PREFIX))
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        yield Path(name)


def _write_settings(folder: Path, server: Troubled, *, web: bool) -> Path:
    path = folder / "config.yaml"
    text = _SETTINGS.format(url=server.url, token_url=server.token_url)
    text += demo_web.SETTINGS.format(port=demo_web.free_port()) if web else "settle: {quiet: 500ms}\n"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def _show(
    config: Config,
    settings: Path,
    server: Troubled,
    terminal: Terminal,
    samples: list[Path],
    seconds: float | None,
    interrupts: Interrupts,
) -> bool:
    """Let the page be looked at; returns whether the agent lived to the end."""
    content = samples[0].read_bytes()
    with _agent(settings, terminal, interrupts) as agent:
        try:
            interrupts.raise_deferred()
            _until(lambda: bool(collect(config)["running"]) or agent.poll() is not None)
            if agent.poll() is None and config.status is not None:
                terminal.say(f"\nthe status page: {config.status.address.url}   (Ctrl-C ends the demo)\n")
                _drop(samples, config, terminal)
                Story(config.folders.drop, server, terminal, lambda: agent.poll() is None, seconds).tell(
                    content
                )
        except KeyboardInterrupt:
            if interrupts.number != signal.SIGINT:  # Ctrl-C is how it is meant to end
                raise
            terminal.say("\nstopped")
        lived = agent.poll() is None
    if not lived:
        terminal.say(settings.with_name(LOG).read_text(encoding="utf-8").rstrip())
    return lived


def _guide(folder: Path, server: Troubled, terminal: Terminal) -> None:
    """Say what there is in the folder, and what works on it."""
    settings, port = str(folder / "config.yaml"), server.url.rpartition(":")[2]
    terminal.say(f"\nwhat to look at in {folder}:")
    for name, words in _KEPT.items():
        terminal.say(f"  {name:<12} {words}")
    terminal.say("\ncommands that work on it:")
    bad = str(folder / "failed" / "adherence_broken.csv")
    for arguments in (["status"], ["history"], ["explain", bad]):
        terminal.say(f"  {command_line(*arguments, '-c', settings)}")
    terminal.say("\nto go on, start the stand-in again in one terminal and the agent in another:")
    terminal.say(f"  {command_line('sandbox', '--port', port)}")
    terminal.say(f"  {command_line('run', '-c', settings)}")
    terminal.say("")


_KEPT = {
    "done/": "what was delivered",
    "failed/": "what was not, each with NAME.error.txt, which says why and what to do",
    "config.yaml": "the settings",
    "watcher.log": "what the agent said",
    "state/": "its journal, which is the history",
}


@contextmanager
def _agent(settings: Path, terminal: Terminal, interrupts: Interrupts) -> Iterator[subprocess.Popen[bytes]]:
    """Start `watcher run` as a process; stop it at the end as a service manager would. An interruption that
    comes while it is started is deferred to the block."""
    command = [sys.executable, "-m", "watcher", "run", "-c", str(settings)]
    terminal.say("$ watcher run -c config.yaml")
    with settings.with_name(LOG).open("wb") as stderr:
        process = None
        try:
            with interrupts.deferred():  # or nobody would know of it
                # In a session of its own: Ctrl-C is for us, and a second signal would end it at once.
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stderr=stderr, start_new_session=True
                )
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
        finally:
            if process is not None:
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
    with terminal.live_table(("file", "state", "delivered", "of bytes", "why"), {"why": ""}) as show:

        def look() -> bool:
            found = collect(config)
            rows: list[tuple[object, ...]] = []
            rows += [(row["name"], "waiting", None, None, row["why"]) for row in found["waiting"]]
            for row in found["under_way"]:
                rows.append(
                    (row["name"], state(row["state"]), row["delivered_bytes"], row["total_bytes"], None)
                )
            rows += [
                (row["name"], state(row["state"]), None, row["bytes"], row["reason"]) for row in found["last"]
            ]
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


def _tell(config: Config, server: Troubled, terminal: Terminal, log: Path) -> None:
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
