"""`watcher service KIND`: prints what makes a service of this installation, or watches it; changes nothing.

For systemd, Windows and containers by the settings; alerts and a dashboard need none.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from watcher.commands.service_container import containerfile
from watcher.commands.service_systemd import unit
from watcher.commands.service_windows import script, write
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.settings.config import find, load
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import parse
from watcher.web.alerts import rules
from watcher.web.dashboard import dashboard

Kind = Literal["systemd", "windows", "container", "prometheus", "grafana"]


def service(
    kind: Kind,
    path: Path | None,
    say: Callable[[str], None],
    *,
    user: str | None = None,
    target: Path | None = None,
) -> int:
    """Print what `kind` names; returns 0. `target`: where the script for Windows goes instead.

    `path` is that of the settings, by default where they are looked for; they must be sound. Their variables
    need not be set in this shell, nor their secrets be readable. Raises `ConfigError`.
    """
    if target is not None and kind != "windows":
        raise ConfigError("--write is for windows alone; send what is printed to a file")
    match kind:
        case "prometheus":
            say(rules().rstrip("\n"))
        case "grafana":
            say(json.dumps(dashboard(), indent=2))
        case _:
            _installation(kind, find(path), say, user=user, target=target)
    return 0


def _installation(
    kind: Literal["systemd", "windows", "container"],
    path: Path,
    say: Callable[[str], None],
    *,
    user: str | None,
    target: Path | None,
) -> None:
    config, variables, secret = _read(path)
    settings = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if kind == "systemd":
        if user is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,30}", user):
            raise ConfigError(f"--user {shown(user)}: no name that a system user can have")
        say(unit(config, settings, user=user, variables=variables, secret=secret))
    elif kind == "container":
        say(containerfile(config, settings, variables=variables, secret=secret))
    else:
        text = script(config, settings, variables=variables, secret=secret)
        if target is None:
            say(text.rstrip("\n"))
        else:
            write(text, target)
            say(f"{shown(str(target))}: written; its first lines say how to run it")


def _read(path: Path) -> tuple[Config, list[str], Path | None]:
    """Return the settings, the variables that they take from the environment, and the secret's file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return load(path)[0], [], None  # which says what is wrong
    uncommented = re.sub(r"(?m)(^|\s)#.*$", "", text)
    variables = sorted(set(re.findall(r"(?<!\$)\$\{(\w+)\}", uncommented)))
    environ = dict.fromkeys(variables, "unset") | dict(os.environ)
    config, _ = load(path, environ, secrets=False)
    data: Any = parse(text, environ).data  # as it stands: `load` puts the secret in the file's place
    named = data["wfm"].get("client_secret_file")
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - as above
    return config, variables, base / named if named else None
