"""The hardened systemd unit for this installation: man systemd.unit(5), systemd.exec(5), systemd.syntax(7).

A directive's value is taken apart by one of three rules, which differ in what quotes and backslashes mean;
`%` begins a specifier in all of them. Where a path cannot be written by its rule, that is an error.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import watcher
from watcher.commands.service_parts import (
    extras,
    longest_stop_seconds,
    other_files,
    source,
    writable_folders,
)
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.settings.settings import Config

WATCHDOG_SECONDS = 60  # the main loop turns every 5 s at most
STATE_ROOT = Path("/var/lib")
# What ProtectHome= and PrivateTmp= put out of sight; paths below are let in one by one.
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))

_HARDENING = """\
# What it may do, and no more: see `systemd-analyze security`
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=tmpfs
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# So that people can read the reports in the failed folder
UMask=0022
# To ask the kernel whether somebody still writes to a file of another user
AmbientCapabilities=CAP_LEASE
CapabilityBoundingSet=CAP_LEASE"""


def unit(
    config: Config, settings: Path, *, user: str | None, variables: Sequence[str], secret: Path | None
) -> str:
    """Return the unit. `user` None: a dynamic one; `variables`: that the settings take from the environment;
    `secret`: the file of `client_secret_file`. Raises `ConfigError` for a path that cannot be written."""
    folders = config.folders
    state_name = _state_directory(folders.state) if user is None else None
    writable = [path for path in writable_folders(config) if not (state_name and path == folders.state)]
    readable = _readable(config, settings)
    lines = [
        *_advice(config, user=user, state_name=state_name, writable=writable, variables=variables),
        "[Unit]",
        "Description=watcher: carries files from a drop folder to the WFM import API",
        "Wants=network-online.target",
        "After=network-online.target",
        *(f"RequiresMountsFor={_word(path)}" for path in [*writable, *readable]),
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={_command(sys.executable)} -m watcher run -c {_argument(settings)}",
        "ExecReload=kill -HUP $MAINPID",
        "Restart=on-failure",
        "RestartSec=10",
        "# A wrong configuration is not mended by trying again",
        "RestartPreventExitStatus=1 2",
        f"WatchdogSec={WATCHDOG_SECONDS}",
        "# The request under way is finished, which wfm.timeout and its size bound",
        f"TimeoutStopSec={longest_stop_seconds(config)}",
        "Environment=PYTHONUNBUFFERED=1",
        *(["EnvironmentFile=" + _plain(settings.with_name("watcher.env"))] if variables else []),
        *([f"LoadCredential={_credential(secret)}:{_plain(secret)}"] if secret else []),
        "",
        *([f"User={user}"] if user else ["DynamicUser=yes", "# SupplementaryGroups=NAME"]),
        *([f"StateDirectory={state_name}", "StateDirectoryMode=0700"] if state_name else []),
        *(f"ReadWritePaths={_word(path)}" for path in writable),
        *(f"BindPaths={_bound(path)}" for path in writable if _hidden(path)),
        *(f"BindReadOnlyPaths={_bound(path)}" for path in readable if _hidden(path)),
        "",
        _HARDENING,
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines)


def _advice(
    config: Config,
    *,
    user: str | None,
    state_name: str | None,
    writable: Iterable[Path],
    variables: Sequence[str],
) -> Iterable[str]:
    """Yield the comments at the head: how to install it, and what this machine still needs."""
    yield "# Save this as /etc/systemd/system/watcher.service, then"
    yield "#   systemctl daemon-reload && systemctl enable --now watcher"
    if extras(config):
        yield f"# The settings need the packages of {' and '.join(extras(config))}: once, in watcher's folder"
        yield f"#   {shlex.quote(sys.executable)} -m pip install '{source(config)}'"
    yield "# After a change of the settings: systemctl reload watcher"
    yield "#"
    yield "# These folders must be there, for the service to write to:"
    for path in writable:
        yield f"#   {shown(str(path))}{'' if path.is_dir() else '   (it is not there yet)'}"
    if user is None:
        yield "# The settings must be readable for everybody: with client_secret_file they hold no secret."
        yield "# The folders must be writable for a group of yours: name it below, in SupplementaryGroups="
    if user is None and state_name is None:
        state = shown(str(config.folders.state))
        yield "#"
        yield f"# WARNING: folders.state is {state}. A dynamic user can have another number after"
        yield "# a restart, and could not read its journal then. Set folders.state to /var/lib/watcher, which"
        yield "# systemd hands to each one (StateDirectory=), or name a user of yours: --user NAME"
    if variables:
        yield "#"
        yield f"# The settings take {', '.join(variables)} from the environment: write NAME=value lines"
        yield "# into the EnvironmentFile= below, for root alone (chmod 600). For the secret, better use"
        yield "# client_secret_file: it becomes a credential that only this service can read."
    yield ""


def _state_directory(state: Path) -> str | None:
    """Return the value of StateDirectory= for the state folder; None where systemd cannot make that one.

    With a dynamic user it must be this directive: it hands the folder to whatever user the service gets,
    and ReadWritePaths= changes no owner.
    """
    if STATE_ROOT not in state.parents:
        return None
    return _word(state.relative_to(STATE_ROOT))


def _readable(config: Config, settings: Path) -> list[Path]:
    """Return what must be in sight: settings, what they name, Python and this package."""
    python = [Path(sys.prefix), Path(sys.base_prefix), Path(watcher.__file__).parent]
    return list(dict.fromkeys([settings, *other_files(config), *python]))


def _hidden(path: Path) -> bool:
    return any(root in path.parents for root in HIDDEN)


def _specifiers(text: str) -> str:
    if any(ord(character) < 32 for character in text):
        raise ConfigError(f"{shown(text)}: a unit file cannot hold a path with a control character")
    return text.replace("%", "%%")


def _plain(path: Path) -> str:
    """By the rule of LoadCredential= and EnvironmentFile=: all that stands to the end of the line."""
    text = _specifiers(str(path))
    if text != text.strip() or text.endswith("\\"):
        raise ConfigError(f"{shown(str(path))}: a unit file cannot hold this path; rename it")
    return text


def _word(path: Path) -> str:
    """By the rule of ReadWritePaths=, StateDirectory= and RequiresMountsFor=: a backslash is itself."""
    text = _specifiers(str(path))
    quote = "'" if '"' in text else '"'
    if quote in text or text.endswith("\\"):
        raise ConfigError(f"{shown(str(path))}: a unit file cannot hold this path; rename it")
    return text if _simple(text) else f"{quote}{text}{quote}"


def _bound(path: Path) -> str:
    """By the rule of BindPaths=: a colon parts source and destination, and a backslash keeps it."""
    text = "".join(f"\\{character}" if character in "\\:\"'" else character for character in str(path))
    text = _specifiers(text)
    return text if _simple(text) else f'"{text}"'


def _command(path: str) -> str:
    """The program of ExecStart=; the colon turns off variables, so that a `$` is itself."""
    if set(path) & set("\"'\\"):  # systemd takes no such program, however it is quoted
        raise ConfigError(f"{shown(path)}: systemd starts no program of this name; install watcher elsewhere")
    return _quoted(f":{path}")


def _argument(path: Path) -> str:
    """An argument of ExecStart=: C-style escapes."""
    return _quoted(str(path))


def _quoted(text: str) -> str:
    text = _specifiers(text).replace("\\", "\\\\").replace('"', '\\"')
    return text if _simple(text) else f'"{text}"'


def _simple(text: str) -> bool:
    return not set(text) & set(" \t'\"\\;")


def _credential(path: Path) -> str:
    """The name under which the agent finds its secret: that of the file."""
    if ":" in path.name or not path.name.isascii() or "%" in path.name:
        raise ConfigError(f"{shown(str(path))}: give the secret's file a plain name, such as wfm-secret")
    return path.name
