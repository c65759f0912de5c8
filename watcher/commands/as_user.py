"""Probes as another user: in a child process that has given up every right that this user has not.

Threads and effective ids will not do: rights are looked up by several ids and by groups, and what is given
up for a while can be taken back by any code that runs meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from watcher.commands.finding import Finding
from watcher.commands.program import command_line
from watcher.core.errors import ConfigError
from watcher.core.names import shown

if sys.platform != "win32":
    import pwd


def check_command(user: str, settings: Path) -> str:
    """Return the command line that checks as `user`, whole: it works from any folder, as anybody who may
    use sudo."""
    path = os.path.abspath(settings)  # noqa: PTH100 - resolve() would follow links
    return command_line("check", "--as", user, "-c", path, root=True)


def require_user(name: str, settings: Path) -> None:
    """Raise `ConfigError` unless this process can probe as the user of this name."""
    if sys.platform != "linux":
        raise ConfigError("--as works on Linux alone; run the check as the user of the service instead")
    if os.geteuid() not in (0, _account(name).pw_uid):
        raise ConfigError(
            f"--as {shown(name)}: only root may look as another user; {check_command(name, settings)}"
        )


def as_user(name: str, probes: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what `probes` finds when it runs as the user of this name, in all its groups.

    Call `require_user` first. Raises `ConfigError` where the system does not let us become that user.
    """
    account = _account(name)
    if account.pw_uid == os.geteuid():
        yield from probes()
        return
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _tell(reader, writer, account, probes)
    os.close(writer)
    ended = False
    try:
        # Written by a process with fewer rights than ours, so it is data and nothing else.
        with os.fdopen(reader, encoding="utf-8") as lines:
            for line in lines:
                told = json.loads(line)
                if "refused" in told:
                    raise ConfigError(f"--as {shown(name)}: {told['refused']}")
                if "crashed" in told:
                    raise RuntimeError(told["crashed"])
                ended = "end" in told
                if not ended:
                    yield Finding(**told)
    finally:
        _, status = os.waitpid(child, 0)
    if not ended:
        raise RuntimeError(f"the probes as {name} ended early ({os.waitstatus_to_exitcode(status)})")


def _account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(
            f"--as {shown(name)}: this machine has no such user; `getent passwd` lists those there are"
        ) from None


def _tell(
    reader: int, writer: int, account: pwd.struct_passwd, probes: Callable[[], Iterable[Finding]]
) -> None:
    """In the child: write what is found, a line each, and end; nothing of the parent's is run any more."""
    try:
        os.close(reader)
        with os.fdopen(writer, "w", encoding="utf-8") as out:
            _tell_as(out, account, probes)
    finally:
        os._exit(0)


def _tell_as(out: TextIO, account: pwd.struct_passwd, probes: Callable[[], Iterable[Finding]]) -> None:
    try:
        # The groups first, for that takes root. All three ids of each, so that there is no way back.
        os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    except OSError as error:
        why = f"the system does not let this process become that user: {error.strerror}"
        out.write(json.dumps({"refused": f"{why}; run the check as the user of the service"}) + "\n")
        return
    try:
        for finding in probes():
            out.write(json.dumps(asdict(finding)) + "\n")
            out.flush()
        out.write(json.dumps({"end": True}) + "\n")
    except Exception:
        out.write(json.dumps({"crashed": traceback.format_exc()}) + "\n")
