"""Probes of the folders: are they there, may we use them, on what file system, is there room?"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage

from watcher.agent.by_hand.overview import collect
from watcher.agent.start.folders import build_drop
from watcher.agent.start.opening import refuse_share
from watcher.agent.start.preparing import check_distinct
from watcher.agent.start.watching import watching
from watcher.commands.as_user import check_command
from watcher.commands.finding import Finding, Level, probed
from watcher.core.errors import ConfigError, Outside
from watcher.core.names import LONGEST_NAME_BYTES, counted, fitted, shown
from watcher.core.settle import remedy
from watcher.disk import days, files
from watcher.disk.answering import silent
from watcher.disk.leases import trial
from watcher.disk.ours import require_ours, user_name
from watcher.settings.settings import Config

# Less than a tenth of the file system, and less than this.
LOW_PART = 0.1
LOW_BYTES = 10_000_000_000
OLD_SECONDS = 86_400.0  # a file that is still being written is younger
SHOWN_NAMES = 5
_NAMES = ("drop", "done", "failed", "state")
# What systems and people leave in every folder.
_USUAL = frozenset({".ds_store", ".gitkeep", ".keep", "thumbs.db", "desktop.ini"})


def folders(config: Config, settings: Path) -> Iterator[Finding]:
    """Yield the findings; creates, renames and deletes a few files in each folder. `settings`: their file."""
    named: dict[str, Path] = {name: getattr(config.folders, name) for name in _NAMES}
    if quiet := list(_silent(named | {"work": config.folders.work_folder})):
        yield from quiet
        yield Finding("untested", "folders", "not tested any further", "see to those first")
        return
    yield from _user(config.folders.state, settings)
    for name, folder in named.items():
        yield probed(f"folders.{name} {shown(str(folder))}", lambda folder=folder: _probe(folder))  # type: ignore[misc]
    yield from _lease(config)
    for name in ("done", "failed"):
        yield from _limits(f"folders.{name}", named[name], config.folders.drop)
    if config.done.by == "day":
        yield from _days(config.folders.done)
    yield probed("folders", lambda: _distinct(config))
    yield probed(f"folders.work {shown(str(config.folders.work_folder))}", lambda: _same_disk(config))
    yield probed("folders.state", lambda: _local(config.folders.state))
    yield _watching(config)
    with suppress(OSError):  # the probe of the folder says why
        yield from _room(named)
    yield from _forgotten(config)
    yield from _misplaced(config)
    yield from _stranded(config)


def _silent(named: dict[str, Path]) -> Iterator[Finding]:
    """Yield those that do not answer at all: who looks any further waits for ever."""
    found = silent(named.values(), acting=True)
    for name, folder in named.items():
        if folder in found:
            fault = found[folder]
            yield Finding("fault", f"folders.{name} {shown(str(folder))}", fault.reason, fault.check)


def _probe(folder: Path) -> str:
    """Create, rename and delete a file whose name is always ignored."""
    with files.blame(folder):
        if not folder.exists():
            raise Outside(
                files.folder_target(folder),
                "it is not there",
                check="create it, or mount it again; the very first `watcher run` makes it",
            )
        files.probe(folder)
    return "files can be created, renamed and deleted"


def _limits(what: str, folder: Path, drop: Path) -> Iterator[Finding]:
    """Yield what a folder cannot do with some file of the drop folder; what it can do with none is told
    elsewhere."""
    fine, trial = True, files.trial_name()
    names = {f"of {LONGEST_NAME_BYTES} bytes": fitted(trial + "x" * LONGEST_NAME_BYTES, ".part")}
    if os.name != "nt":  # there it is no part of a name
        names["with a colon"] = files.trial_name(":")
    if files.refused_name(folder, trial):
        return
    if why := files.refused_time(folder):
        words = f"the time of a file cannot be set there ({why})"
        yield Finding("warn", what, words, "files from another disk get the time at which they are moved")
        fine = False
    for kind, name in names.items():
        if (why := files.refused_name(folder, name)) and not files.refused_name(drop, name):
            words = f"it takes no name {kind} ({why}), and the drop folder does"
            yield Finding("warn", what, words, "a file with such a name is held alone: use another disk")
            fine = False
    if fine:
        yield Finding(
            "ok", what, "it keeps the times of files, and takes the names that the drop folder takes"
        )


def _days(done: Path) -> Iterator[Finding]:
    """Yield what has the name of a day's folder and is none: a delivered file never goes by it."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        found = sorted(path for path in done.iterdir() if days.is_day(path.name))
        odd = {path: why for path in found if (why := days.why_not(path))}
    except OSError:
        return  # the probe of the folder says why
    for path, why in odd.items():
        # What is of a day that is over keeps nothing from being moved; retention leaves it alone.
        level: Level = "fault" if path.name >= today else "warn"
        yield Finding(level, f"folders.done {shown(str(path))}", why, days.CHECK)


def _lease(config: Config) -> Iterator[Finding]:
    """Yield whether the kernel tells of a file in the drop folder that a program has it open for writing."""
    drop, how = config.folders.drop, watching(config)
    if not how.may_lease:
        return
    try:
        given = files.probe_with(drop, lambda path: trial(path).told)
    except OSError:
        return  # the probe of the folder says why
    if given:
        yield Finding("ok", "folders.drop", "the kernel gave a lease, which tells of a file that it is open")
        return
    other = "events tell it" if how.events else f"each is to be still for {max(how.quiet, how.unsure):g} s"
    yield Finding(
        "warn",
        "folders.drop",
        f"its file system gives no lease, so the kernel does not say which files are open; {other}",
        "use a local disk such as ext4 or xfs, or let programs rename a file when it is whole",
    )


def _user(state: Path, settings: Path) -> Iterator[Finding]:
    """Rights are those of whoever looks, and that should be the service's user."""
    if sys.platform == "win32":
        return
    me = user_name(os.geteuid())
    try:
        owner = state.stat().st_uid
    except OSError:
        owner = os.geteuid()
    if owner != os.geteuid():
        yield Finding(
            "warn",
            "user",
            f"this check looks as {me}, but the state folder is of {user_name(owner)}",
            f"let it look as the user of the service: {check_command(user_name(owner), settings)}",
        )
    elif os.geteuid() == 0:
        yield Finding(
            "warn",
            "user",
            f"this check looks as {me}, who may do anything",
            f"if the service runs as another user: {check_command('USER', settings)}",
        )
    else:
        yield Finding("ok", "user", f"{me}; the service should run as the same one")


def _distinct(config: Config) -> str:
    check_distinct(config)
    return "no two are the same"


def _same_disk(config: Config) -> str:
    work, drop = config.folders.work_folder, config.folders.drop
    with files.blame(config.folders.state):
        state = config.folders.state
        user = state.stat().st_uid if os.name != "nt" and state.exists() else None
    for part in (work / "nobody's", *work.glob("agent-*")):
        require_ours(part, mend=False, user=user)
    with files.blame(drop):
        drop_device = drop.stat().st_dev
    while not work.exists():
        work = work.parent
    with files.blame(work):
        if work.stat().st_dev != drop_device:
            raise Outside(
                files.folder_target(work),
                "it is on another file system than the drop folder",
                check="put folders.work on the same one",
            )
    return "on the drop folder's file system"


def _local(state: Path) -> str:
    refuse_share(state)
    return "on a local disk"


def _watching(config: Config) -> Finding:
    how = watching(config)
    looks = "events and looks" if how.events else "looks alone"
    words = f"by {looks}, a file counts as whole after {how.quiet:g} s; {how.open_files}"
    if how.network and how.events:
        return Finding(
            "warn",
            "watching",
            f"{words}; the drop folder is on a network share, whose events do not come from other machines",
            "set observe: auto",
        )
    return Finding("ok", "watching", words + ("; the drop folder is on a network share" * how.network))


def _room(named: dict[str, Path]) -> Iterator[Finding]:
    """Yield the free space, once a file system."""
    seen: dict[int, list[str]] = {}
    for name, folder in named.items():
        if folder.is_dir():
            seen.setdefault(folder.stat().st_dev, []).append(name)
    for names in seen.values():
        usage = disk_usage(named[names[0]])
        what = f"space for {', '.join(names)}"
        words = f"{usage.free / 1e9:,.1f} GB free of {usage.total / 1e9:,.1f} GB"
        if usage.free < LOW_BYTES and usage.free < usage.total * LOW_PART:
            yield Finding("warn", what, words, "make room: a full disk holds all files")
        else:
            yield Finding("ok", what, words)


def _forgotten(config: Config) -> Iterator[Finding]:
    """Yield the ignored files that have lain in the drop folder for a day: nobody will ever see to them."""
    drop = build_drop(config)
    old = []
    try:
        for path in drop.folder.iterdir():
            if not drop.ignored(path.name) or path.name.casefold() in _USUAL or not path.is_file():
                continue
            if time.time() - path.stat().st_mtime > OLD_SECONDS:
                old.append(shown(path.name))
    except OSError:
        return  # the probe of the folder says why
    if old:
        more = f" and {len(old) - SHOWN_NAMES:,} more" if len(old) > SHOWN_NAMES else ""
        yield Finding(
            "warn",
            "ignored files",
            f"{counted(len(old), 'file')} on settle.ignore, older than a day, in the drop folder: "
            + ", ".join(sorted(old)[:SHOWN_NAMES])
            + more,
            "rename them if they are to be sent, or delete them",
        )


def _misplaced(config: Config) -> Iterator[Finding]:
    """Yield what lies in the drop folder and is no file: nobody will ever see to it."""
    try:
        odd = {item.name: item.odd for item in build_drop(config).scan() if item.odd}
    except Outside:
        return  # the probe of the folder says why
    for name, why in sorted(odd.items())[:SHOWN_NAMES]:
        yield Finding("warn", f"in the drop folder: {shown(name)}", why, remedy(why))
    if len(odd) > SHOWN_NAMES:
        words = f"{len(odd) - SHOWN_NAMES:,} more that are no files"
        yield Finding("warn", "in the drop folder", words, "`watcher status` names them")


def _stranded(config: Config) -> Iterator[Finding]:
    """Yield the files in the work folders of agents that do not live: nobody will ever see to them."""
    try:
        stranded = collect(config, last=0)["stranded"]
    except (Outside, ConfigError):
        return  # other probes say what is wrong
    if stranded:
        names = ", ".join(item["path"] for item in stranded[:SHOWN_NAMES])
        more = f" and {len(stranded) - SHOWN_NAMES:,} more" if len(stranded) > SHOWN_NAMES else ""
        yield Finding(
            "warn",
            "stranded files",
            f"{counted(len(stranded), 'file')} of agents of which nothing was heard for long: {names}{more}",
            "start their agent again, or `watcher withdraw` them",
        )
