"""Do folders answer at all? A share whose server is gone lets whoever looks into it wait for ever.

The agent's own looks are acts with a deadline. This is for people, who ask most of all when something hangs:
for commands, and for the page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

from watcher.core.errors import Outside
from watcher.disk.faults import folder_target

PATIENCE_SECONDS = 5.0  # of who only looks
ACTING_SECONDS = 20.0  # of who moves files: a slow share is better waited for than refused

_lock = threading.Lock()
_asked: dict[Path, _Question] = {}  # the last one to each folder; guarded by _lock


def silent(folders: Iterable[Path], *, acting: bool = False) -> dict[Path, Outside]:
    """Return those of `folders` that do not answer in time, each with the fault that says so.

    Each has `PATIENCE_SECONDS` from when it was asked, so one that is known to be silent costs no more time;
    with `acting`, for who moves files, `ACTING_SECONDS`. What lies below another one of them is not asked,
    for it is as that one is.

    Their file systems are asked for the free space: a short answer, and none that a cache gives. That a
    folder is not there is an answer, and for the look behind this one to tell.
    """
    patience = ACTING_SECONDS if acting else PATIENCE_SECONDS
    asked, found = set(folders), {}
    questions = {folder: _question(folder) for folder in asked if asked.isdisjoint(folder.parents)}
    for folder, question in questions.items():
        if question is not None and not question.is_answered_by(question.began + patience):
            words = f"it has not answered for {patience:.0f} s"
            found[folder] = Outside(folder_target(folder), words, check="is it still there?")
    return found


def require_answer(*folders: Path, acting: bool = False) -> None:
    """Raise `Outside` for one of the folders that is `silent`, if any is."""
    for fault in silent(folders, acting=acting).values():
        raise fault


def _question(folder: Path) -> _Question | None:
    """Return the question to this folder that is under way, or a new one; None: there is no thread for it."""
    with _lock:
        question = _asked.get(folder)
        if question is None or not question.thread.is_alive():
            try:
                question = _Question(folder)
            except RuntimeError:  # the system has no more threads: the look itself will tell
                return None
            _asked[folder] = question
        return question


class _Question:
    """One question to a folder; it ends when it is answered."""

    def __init__(self, folder: Path) -> None:
        """Ask it. Raises RuntimeError where there is no thread for that."""
        self.began = time.monotonic()
        # A daemon: one that hangs must not keep the process.
        self.thread = threading.Thread(target=_ask, args=(folder,), name="asks-folder", daemon=True)
        self.thread.start()

    def is_answered_by(self, until: float) -> bool:
        """Wait until that time at most, by the monotonic clock; say whether it is answered."""
        self.thread.join(max(0.0, until - time.monotonic()))
        return not self.thread.is_alive()


def _ask(folder: Path) -> None:
    with suppress(OSError):
        disk_usage(folder)
