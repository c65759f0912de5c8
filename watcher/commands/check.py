"""`watcher check`: are the folders usable, and does the server give a token? Changes nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watcher import disk
from watcher.assemble import build_client, check_distinct, watching
from watcher.detect import network_cache_seconds
from watcher.errors import Outside, WatcherError
from watcher.names import counted, shown
from watcher.settings import Config


def check(config: Config, warnings: Sequence[str], say: Callable[[str], None], *, offline: bool) -> int:
    """Probe everything; `say` gets one line a finding. Returns 0, or 1 where something does not work."""
    faults = 0

    def tell(what: str, probe: Callable[[], str]) -> None:
        nonlocal faults
        try:
            say(f"ok    {what}: {probe()}")
        except Outside as fault:
            faults += 1
            say(f"FAULT {what}: {fault.reason}" + (f"; {fault.check}" if fault.check else ""))
        except WatcherError as error:
            faults += 1
            say(f"FAULT {what}: {error}")

    say(f"ok    settings: {counted(len(config.routes), 'route')}, tenant {config.wfm.tenant}")
    for warning in warnings:
        say(f"warn  {warning}")
    for name in ("drop", "done", "failed", "state"):
        folder: Path = getattr(config.folders, name)
        tell(f"folders.{name} {shown(str(folder))}", lambda folder=folder: _probe(folder))  # type: ignore[misc]
    tell("folders", lambda: _distinct(config))
    tell(f"folders.work {shown(str(config.folders.work_folder))}", lambda: _same_disk(config))
    tell("folders.state", lambda: _local(config.folders.state))
    how = watching(config)
    say(f"ok    watching by {how.words}, a file counts as whole after {how.quiet:g} s")
    if not offline:
        tell(f"token from {config.wfm.token}", lambda: _token(config))
    say("all is well" if not faults else counted(faults, "fault"))
    return 1 if faults else 0


def _probe(folder: Path) -> str:
    """Create, rename and delete a file whose name is always ignored."""
    if not folder.exists():
        raise Outside(
            disk.folder_target(folder),
            "it is not there",
            check="create it, or mount it again; the very first `watcher run` makes it",
        )
    with disk.blame(folder):
        disk.probe(folder, f".watcher-check-{os.getpid()}.part")
    return "files can be created, renamed and deleted"


def _distinct(config: Config) -> str:
    check_distinct(config)
    return "no two are the same"


def _same_disk(config: Config) -> str:
    work, drop = config.folders.work_folder, config.folders.drop
    with disk.blame(drop):
        drop_device = drop.stat().st_dev
    while not work.exists():
        work = work.parent
    with disk.blame(work):
        if work.stat().st_dev != drop_device:
            raise Outside(
                disk.folder_target(work),
                "it is on another file system than the drop folder",
                check="put folders.work on the same one",
            )
    return "on the drop folder's file system"


def _local(state: Path) -> str:
    if network_cache_seconds(state) is not None:
        raise Outside(
            disk.folder_target(state),
            "it is on a network share, where SQLite's locks cannot be trusted",
            check="put folders.state on a local disk",
        )
    return "on a local disk"


def _token(config: Config) -> str:
    client = build_client(config)
    try:
        seconds = client.get_token()
    finally:
        client.close()
    by_proxy = ", by the proxy of the settings" if config.wfm.proxy else ""
    return f"got one, to be used for {seconds:.0f} s{by_proxy}"
