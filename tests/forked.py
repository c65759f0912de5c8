"""Our command in a process of its own, forked from one that has imported it: a start costs no half second."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["tests.forked", "watcher.cli", "watcher.commands.run", "watcher.agent.build", "watcher.agent.lifecycle"]
)


class Forked:
    """`python -m watcher` with these arguments, in the folder and the environment of the test; what of
    `subprocess.Popen` the tests need."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path | None = None,
        stdout: Path | None = None,
        stderr: Path | None = None,
    ) -> None:
        """Start it. Its output is appended to these files; None: it is the test's own."""
        self.arguments = arguments
        for path in (stdout, stderr):
            if path is not None:
                path.touch()
        where, environ = str(cwd or Path.cwd()), dict(os.environ)
        self._process = _FORKS.Process(target=_run, args=(arguments, (stdout, stderr), where, environ))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; the negative number of the signal that ended it; None: it runs."""
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return the exit code. Raises `subprocess.TimeoutExpired`, as Popen does."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._process.exitcode is None:
            # It may have ended just now: its parent, the fork server, knows that before we are told.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run(*arguments: str, cwd: Path | None = None, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; returns what `subprocess.run` with captured text would."""
    with tempfile.TemporaryDirectory(prefix="watcher-said-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = Forked(*arguments, cwd=cwd, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        said = [path.read_text(encoding="utf-8", errors="surrogateescape") for path in (out, err)]
        return subprocess.CompletedProcess(arguments, code, *said)


def _run(
    arguments: tuple[str, ...], outputs: tuple[Path | None, ...], folder: str, environ: dict[str, str]
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    for number, path in enumerate(outputs, start=1):
        if path is not None:
            opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(opened, number)
            os.close(opened)
    sys.argv = ["watcher", *arguments]
    from watcher.cli import main

    main()
