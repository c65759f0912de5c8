"""`watcher service systemd|windows`: prints what makes a service of this installation; changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from watcher.commands.service_systemd import unit
from watcher.commands.service_windows import steps
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.settings.config import load
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import parse


def service(
    kind: Literal["systemd", "windows"], path: Path, say: Callable[[str], None], *, user: str | None
) -> int:
    """Print the unit, or the steps; returns 0. `path` is that of the settings, which must be sound.

    A variable that the settings name need not be set in this shell. Raises `ConfigError`.
    """
    config, variables, secret = _read(path)
    settings = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if kind == "systemd":
        if user is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,30}", user):
            raise ConfigError(f"--user {shown(user)}: no name that a system user can have")
        say(unit(config, settings, user=user, variables=variables, secret=secret))
    else:
        say(steps(config, settings, variables=variables))
    return 0


def _read(path: Path) -> tuple[Config, list[str], Path | None]:
    """Return the settings, the variables that they take from the environment, and the secret's file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return load(path)[0], [], None  # which says what is wrong
    uncommented = re.sub(r"(?m)(^|\s)#.*$", "", text)
    variables = sorted(set(re.findall(r"(?<!\$)\$\{(\w+)\}", uncommented)))
    environ = dict.fromkeys(variables, "unset") | dict(os.environ)
    config, _ = load(path, environ)
    data: Any = parse(text, environ).data  # as it stands: `load` puts the secret in the file's place
    named = data["wfm"].get("client_secret_file")
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - as above
    return config, variables, base / named if named else None
