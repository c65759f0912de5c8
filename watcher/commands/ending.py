"""How a command ends: the one place that turns exceptions into exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from watcher.core.errors import ConfigError, Outside

# As shells have it for a command that SIGPIPE ended: not 0, for what it was to do may not be done.
PIPE_CLOSED = 141


def ended(run: Callable[[], object]) -> NoReturn:
    """Run the command line, and exit: 0, or what the command chose; 1 for wrong settings and for what lies
    outside, with words on stderr; 3 for a fault of ours, which is in the log; 141, without words, where
    nobody reads on what it says."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's code page does not have is shown escaped, and ends nothing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _run(run)
        sys.stdout.flush()
    except SystemExit as end:
        # typer and rich make a 1 of it, which is said of other things.
        if not (isinstance(end.__context__, BrokenPipeError) or _is_unread()):
            raise
    except BrokenPipeError:
        pass
    else:
        sys.exit(0)
    # What is still to be written goes nowhere, or Python would tell of it at its end
    # (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    sys.exit(PIPE_CLOSED)


def _is_unread() -> bool:
    """Say whether nobody reads what is still to be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def _run(run: Callable[[], object]) -> None:
    try:
        run()
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        sys.exit(1)
    except Outside as fault:
        words = [str(fault), fault.check, _as_its_owner(fault)]
        sys.stderr.write("; ".join(filter(None, words)) + "\n")
        sys.exit(1)
    except BrokenPipeError:
        raise
    except Exception as error:
        from watcher.core.events import Crashed
        from watcher.report import log

        log.setup()
        log.hear(Crashed(" ".join(sys.argv[1:2]) or "watcher", error))
        sys.exit(3)


def _as_its_owner(fault: Outside) -> str:
    """Return this very command for the user whose folder it is: the agent's state is for it alone."""
    if sys.platform == "win32" or fault.target.kind != "folder":
        return ""
    from watcher.disk.answering import require_answer

    folder = Path(fault.target.name)
    try:
        require_answer(folder)
        if os.access(folder, os.R_OK | os.X_OK):
            return ""
        owner = folder.stat().st_uid
    except (OSError, Outside):
        return ""
    if owner == os.geteuid():
        return ""
    from watcher.commands.program import command_line
    from watcher.disk.ours import user_name

    command, *others = sys.argv[1:]
    if not {"-c", "--config"} & set(others):  # what names the settings may be a variable, which sudo drops
        from watcher.settings.config import find

        others = ["-c", os.path.abspath(find(None)), *others]  # noqa: PTH100 - resolve() would follow links
    return f"as its user: {command_line(command, *others, user=user_name(owner))}"
