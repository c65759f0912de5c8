"""`watcher withdraw NAME...`: takes files out of the queue, into the failed folder, each with a report."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from watcher.agent.by_hand import withdrawing
from watcher.settings.settings import Config


def withdraw(config: Config, names: Sequence[str], say: Callable[[str], None], *, force: bool) -> int:
    """Withdraw the files of these names, or at these paths; returns 0, or 1 where one was not.

    `force`: a file of another agent that seems to live, too. Raises `Outside`, `ConfigError`.
    """
    return withdrawing.withdraw(config, names, say, user=_user(), force=force)


def _user() -> str:
    """Return who runs the command, for the report."""
    name = str(os.geteuid()) if hasattr(os, "geteuid") else "somebody"
    with suppress(OSError, KeyError, ImportError):  # a user without a name, in a container say
        name = getpass.getuser()
    sudo = os.environ.get("SUDO_USER")
    return f"{sudo} (as {name})" if sudo and sudo != name else name
