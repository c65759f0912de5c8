"""`watcher check`: does what the settings name really work? Tests the real thing and changes nothing.

The probes stand beside this module, by subject: folders, patterns, the server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from watcher import web
from watcher.commands.check_folders import folders
from watcher.commands.check_routes import patterns
from watcher.commands.check_server import server
from watcher.commands.finding import Finding
from watcher.core.errors import ConfigError
from watcher.core.names import counted
from watcher.report.notices import trial
from watcher.report.sender import channels
from watcher.settings.settings import Config
from watcher.settings.status_settings import Status


def check(
    config: Config,
    warnings: Sequence[str],
    say: Callable[[str], None],
    *,
    offline: bool,
    notify: bool = False,
    as_data: bool = False,
) -> int:
    """Probe everything; `say` gets one line a finding, or with `as_data` all of them as JSON.

    `offline`: not the server; `notify`: send a test message too. Returns 0, or 1 where something is at fault.
    """
    found = []
    for finding in _findings(config, warnings, offline=offline, notify=notify):
        found.append(finding)
        if not as_data:
            say(finding.line)
    faults = sum(finding.level == "fault" for finding in found)
    warned = sum(finding.level == "warn" for finding in found)
    if as_data:
        say(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        also = f", with {counted(warned, 'warning')}" if warned else ""
        say(("all is well" if not faults else counted(faults, "fault")) + also)
    return 1 if faults else 0


def _findings(config: Config, warnings: Sequence[str], *, offline: bool, notify: bool) -> Iterator[Finding]:
    yield Finding("ok", "settings", f"{counted(len(config.routes), 'route')}, tenant {config.wfm.tenant}")
    for warning in warnings:
        what, _, fix = warning.partition("; ")
        yield Finding("warn", "settings", what, fix)
    yield from folders(config)
    yield from patterns(config)
    if not offline:
        yield from server(config)
    yield from _notify(config, send=notify)
    if config.status is not None:
        yield _status(config.status)


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
        ways = channels(urls, timeout_seconds=config.notify.timeout)
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
