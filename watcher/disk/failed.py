"""What lies in the failed folder: the files themselves, without reports, markers and what is not whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from watcher.core.model import Fingerprint, Route
from watcher.core.names import REPORT_SUFFIX, is_half_copied, report_name, shown
from watcher.core.route import markers_among
from watcher.disk import files
from watcher.disk.answering import require_answer
from watcher.disk.system import open_plain

_REPORT_BEGIN_BYTES = 16
REPORT_BYTES = 64 * 1024  # more than any report has: its parts are bounded


def failed_files(
    folder: Path, routes: Sequence[Route] = (), *, lonely_reports: bool = False, acting: bool = False
) -> list[Path]:
    """Return the failed files, the one that came last first. Raises `Outside` where the folder is away, or
    does not answer (`acting`: `answering.silent`).

    `routes` say what is a marker, which came along with its file; what has a report of its own is a file
    all the same, for it was one when it failed. `lonely_reports`: what is named like a report whose file was
    taken out by hand counts as a file, too: it may be one of that name.
    """
    require_answer(folder, acting=acting)
    with files.blame(folder), os.scandir(folder) as entries:
        lying = {entry.name: entry for entry in entries if entry.is_file(follow_symlinks=False)}
        others = {report_name(name) for name in lying} | {name for name in lying if is_half_copied(name)}
        if not lonely_reports:  # a failed file that is named like a report has a report of its own
            others |= {
                name for name in lying if name.endswith(REPORT_SUFFIX) and report_name(name) not in lying
            }
        others |= {name for name in markers_among(list(lying), routes) if report_name(name) not in lying}
        found = [
            (entry.stat(follow_symlinks=False).st_ctime_ns, name)
            for name, entry in lying.items()
            if name not in others
        ]
    return [folder / name for _, name in sorted(found, reverse=True)]


def shown_as(folder: Path, name: str) -> list[Path]:
    """Return the failed files that a list shows under this name, in which odd characters are escapes. Raises
    `Outside`, as `failed_files` does."""
    return [path for path in failed_files(folder) if shown(path.name) == name]


def key_of(path: Path) -> str:
    """Return a word for this file and no other one that comes to lie under its name; "" where it is gone."""
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    return f"{Fingerprint.of(status).key}-{status.st_ctime_ns:x}"


def is_report(path: Path) -> bool:
    """Say whether this is a report, by its name and by how it begins."""
    if not path.name.endswith(REPORT_SUFFIX):
        return False
    try:
        with open_plain(path) as file:
            return file.read(_REPORT_BEGIN_BYTES).decode("utf-8-sig", "replace").startswith("file: ")
    except OSError:
        return False


def report_of(path: Path) -> str:
    """Return the text of a failed file's report; "" where it cannot be read, or is gone."""
    try:
        with open_plain(path.with_name(report_name(path.name))) as file:
            return file.read(REPORT_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""
