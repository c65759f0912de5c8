"""Does a folder answer at all? A share whose server is gone lets whoever looks into it wait for ever.

The agent's own looks are acts with a deadline. This is for people, who ask most of all when something hangs:
for commands, and for the page.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

from watcher.core.errors import Outside
from watcher.disk.files import folder_target

PATIENCE_SECONDS = 5.0

_unanswered: dict[Path, threading.Thread] = {}  # the questions that went without an answer so far


def require_answer(folder: Path) -> None:
    """Ask the file system of `folder` for its free space: a short answer, and none that a cache gives.

    Raises `Outside` where it does not answer within `PATIENCE_SECONDS`, and at once while an earlier question
    has no answer. That a folder is not there is an answer, and for the look behind this one to tell.
    """
    asked = _unanswered.pop(folder, None)
    if asked is None or not asked.is_alive():
        # A daemon: one that hangs must not keep the process.
        asked = threading.Thread(target=_ask, args=(folder,), name="asks-folder", daemon=True)
        try:
            asked.start()
        except RuntimeError:  # the system has no more threads: the look itself will tell
            return
        asked.join(PATIENCE_SECONDS)
    if asked.is_alive():
        _unanswered[folder] = asked
        words = f"it has not answered for {PATIENCE_SECONDS:.0f} s"
        raise Outside(folder_target(folder), words, check="is it still there?")


def _ask(folder: Path) -> None:
    with suppress(OSError):
        disk_usage(folder)
