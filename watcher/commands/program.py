"""How this very program is called, for command lines that people copy."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from shutil import which


def command_line(*arguments: str, root: bool = False, user: str | None = None) -> str:
    """Return a command line of ours, whole, for a shell; `root`: for one that only root may run, `user`: for
    one that is to be run as another user.

    `watcher` alone where the shell finds that one; sudo looks for programs in folders of its own.
    """
    beside = Path(sys.executable).with_name("watcher")
    found = which("watcher")
    if not beside.is_file():
        program = [sys.executable, "-m", "watcher"]
    elif found is not None and not (root or user) and os.path.samefile(found, beside):  # noqa: PTH121 - as in the rest
        program = ["watcher"]
    else:
        program = [str(beside)]
    if user is not None:
        return shlex.join(["sudo", "-u", user, *program, *arguments])
    sudo = ["sudo"] if root and not (sys.platform != "win32" and os.geteuid() == 0) else []
    return shlex.join([*sudo, *program, *arguments])
