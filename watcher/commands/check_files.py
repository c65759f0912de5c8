"""Probes of the files that the settings name: can the user of the service use them?

What `check` was able to read itself says nothing of another user. The client secret is not asked for: systemd
hands it over from a file that root alone may read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from watcher.commands.finding import Finding
from watcher.core.names import shown
from watcher.settings.settings import Config

if sys.platform != "win32":
    import grp
    import pwd


def needed_files(config: Config, settings: Path, user: str) -> Iterator[Finding]:
    """Yield whether this process, which runs as `user`, may read what it needs and write its log."""
    wfm = config.wfm
    named = {
        "wfm.ca_file": wfm.ca_file,
        "wfm.client_cert": wfm.client_cert,
        "wfm.client_key": wfm.client_key,
        **{f"routes[{index}].schema": route.schema_file for index, route in enumerate(config.routes)},
    }
    for what, path in {"settings": Path(os.path.abspath(settings)), **named}.items():  # noqa: PTH100
        if path is not None:
            yield _readable(f"{what} {shown(str(path))}", path, user)
    if config.log.file is not None:
        yield _log(config.log.file, user)


def _readable(what: str, path: Path, user: str) -> Finding:
    try:
        with path.open("rb"):
            return Finding("ok", what, f"{user} can read it")
    except OSError as error:
        group, file = _group(user), shown(str(path))
        fix = f"chgrp {group} {file} && chmod 640 {file}, and let that user through the folders above"
        return Finding("fault", what, f"{user} cannot read it: {error.strerror}", fix)


def _log(path: Path, user: str) -> Finding:
    what = f"log.file {shown(str(path))}"
    if os.access(path if os.access(path, os.F_OK) else path.parent, os.W_OK):
        return Finding("ok", what, f"{user} can write it")
    return Finding("fault", what, f"{user} cannot write it", f"give {user} a folder of its own for the log")


def _group(user: str) -> str:
    number = pwd.getpwnam(user).pw_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
