"""`watcher check`: does what the settings name really work? Tests the real thing and changes nothing.

The probes stand beside this module, by subject: folders, files, retention, patterns, the server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from watcher import web
from watcher.commands.as_user import as_user, require_user
from watcher.commands.check_files import needed_files
from watcher.commands.check_folders import folders
from watcher.commands.check_journal import journal
from watcher.commands.check_retention import retention
from watcher.commands.check_routes import patterns
from watcher.commands.check_server import realm, server
from watcher.commands.finding import Finding
from watcher.commands.program import command_line
from watcher.core.errors import ConfigError
from watcher.core.names import counted
from watcher.report.notices import trial
from watcher.report.sender import channels
from watcher.settings.config import load_without
from watcher.settings.settings import Config
from watcher.settings.status_settings import Status


def check_file(path: Path, say: Callable[[str], None], **options: Any) -> int:
    """Probe what is in the settings file at `path`; the rest as for `check`. Secrets need not be there: what
    needs them is told as not tested. Raises `ConfigError`."""
    config, warnings, missing = load_without(path)
    return check(config, warnings, say, path=path, missing=missing, **options)


def check(
    config: Config,
    warnings: Sequence[str],
    say: Callable[[str], None],
    *,
    offline: bool,
    notify: bool = False,
    as_data: bool = False,
    path: Path = Path("config.yaml"),
    user: str | None = None,
    missing: Sequence[tuple[str, str]] = (),
) -> int:
    """Probe everything; `say` gets one line a finding, or with `as_data` all of them as JSON.

    `offline`: not the server; `notify`: send a test message too; `path`: of the settings; `user`: who looks
    at folders and files, instead of who runs this; `missing`: the keys of secrets that are not there, with
    what is wrong. Returns 0, or 1 where something is at fault. Raises
    `ConfigError` where nothing can be looked at as that user.
    """
    if user is not None:
        require_user(user, path)
    found = []
    findings = chain(
        _settings(config, warnings),
        _on_disk(config, path, user),
        journal(config),
        patterns(config),
        [realm(config)],
        _missing(missing, path, offline=offline, notify=notify),
        () if offline else server(config, login=not _lacks("wfm", missing)),
        () if _lacks("notify", missing) else _notify(config, send=notify),
        () if config.status is None else [_status(config.status)],
    )
    for finding in findings:
        found.append(finding)
        if not as_data:
            say(finding.line)
    faults = sum(finding.level == "fault" for finding in found)
    warned = sum(finding.level == "warn" for finding in found)
    untested = sum(finding.level == "untested" for finding in found)
    if as_data:
        say(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        also = f", with {counted(warned, 'warning')}" if warned else ""
        also += f", {untested} not tested" if untested else ""
        say(("all is well" if not faults else counted(faults, "fault")) + also)
    return 1 if faults else 0


def _settings(config: Config, warnings: Sequence[str]) -> Iterator[Finding]:
    yield Finding("ok", "settings", f"{counted(len(config.routes), 'route')}, tenant {config.wfm.tenant}")
    for warning in warnings:
        what, _, fix = warning.partition("; ")
        yield Finding("warn", "settings", what, fix)


def _on_disk(config: Config, path: Path, user: str | None) -> Iterator[Finding]:
    def probes() -> Iterator[Finding]:
        yield from folders(config, path)
        yield from retention(config)

    if user is None:
        yield from probes()
    else:
        yield from as_user(user, lambda: chain(needed_files(config, path, user), probes()))


def _lacks(part: str, missing: Sequence[tuple[str, str]]) -> bool:
    """Say whether a secret of this part of the settings is not there."""
    return any(key.partition(".")[0] == part for key, _ in missing)


def _missing(
    missing: Sequence[tuple[str, str]], path: Path, *, offline: bool, notify: bool
) -> Iterator[Finding]:
    """Yield the secrets that are not there: a fault where this check needs them, for else they may be the
    service's alone."""
    needed = {"wfm": not offline, "notify": notify}
    for key, words in missing:
        what, _, fix = words.partition("; ")
        if needed.get(key.partition(".")[0], False):
            offered = command_line("check", "--offline", "-c", os.path.abspath(path))  # noqa: PTH100
            yield Finding("fault", key, what, f"{fix}; or without it: {offered}" if not notify else fix)
        elif not offline:
            yield Finding("untested", key, f"not tested: {what}", "nothing, if the service has it")


def _status(status: Status) -> Finding:
    problem, _, fix = (web.missing() or "").partition("; ")
    if problem:
        return Finding("fault", "status", problem.removeprefix("status: "), fix)
    return Finding("ok", "status", f"the page will be at {status.address.url}")


def _notify(config: Config, *, send: bool) -> Iterator[Finding]:
    """Yield whether people can be told; with `send` by telling them something."""
    if config.notify is None:
        if send:
            yield Finding("fault", "notify", "there is nobody to tell", "add notify to the settings")
        return
    try:
        urls = [url.get_secret_value() for url in config.notify.urls]
        ways = channels(urls, timeout_seconds=config.notify.timeout, site=config.site.words)
    except ConfigError as error:
        for problem in error.problems:
            found, _, fix = problem.partition("; ")
            yield Finding("fault", "notify", found.removeprefix("notify: "), fix)
        return
    for way in ways:
        if not send:
            yield Finding("ok", way.name, "apprise knows it; `watcher check --notify` sends a test message")
        elif (why := way.send(trial())) is None:
            yield Finding("ok", way.name, "took a test message")
        else:
            yield Finding("fault", way.name, why, "check its URL, and that the service can be reached")
