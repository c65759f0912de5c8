"""The failed files that nobody has dealt with so far: they lie in the failed folder, and say why."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from watcher.core.errors import Outside
from watcher.core.model import FileState, Route, Row
from watcher.core.names import shown
from watcher.disk.failed import failed_files, key_of, report_of
from watcher.journal.protocol import Journal
from watcher.settings.strict_yaml import parse

SHOWN = 50  # of them, with their reasons
_KEYS = ("file", "failed_at", "reason", "what_to_do", "route", "lines")


def lying_failed(
    folder: Path, journal: Journal | None, routes: Sequence[Route] = ()
) -> tuple[list[dict[str, Any]], int]:
    """Return the newest of the files that lie in the failed folder as plain data, and how many there are.

    A file says why by its report, or where that is gone by its row. A folder that is away has none. `routes`
    say what is a marker.
    """
    try:
        found = failed_files(folder, routes)
    except Outside:
        return [], 0
    rows = journal.archive.failed_among(found[:SHOWN]) if journal is not None else {}
    return [told_of(path, rows.get(path), journal, routes) for path in found[:SHOWN]], len(found)


def told_of(
    path: Path, row: Row | None, journal: Journal | None, routes: Sequence[Route] = ()
) -> dict[str, Any]:
    """Return what is known of a file in the failed folder: by its report, else by its `row`.

    In `went_without`, routes whose files build on it (`after`) and go out without it, until another one came;
    in `at_server`, whether the server has "all" of it, or "perhaps": it is no file to send again just so.
    """
    found = _read(report_of(path))
    if found["reason"] is None and row is not None:
        outcome = row.outcome
        values = (
            shown(row.name),
            outcome.finished_at,
            outcome.reason,
            outcome.what_to_do,
            row.route,
            outcome.lines,
        )
        found = dict(zip(_KEYS, values, strict=True))
    if found["reason"] is None:
        words = "nothing is known of it: its report is gone, and the journal has no row of it"
        found = {**found, "reason": words}
    without: list[str] = []
    if journal is not None:
        without = [route.name for route in routes if found["route"] in route.after]
        last = journal.last_of(found["route"] or "") if without else None
        is_last = last is not None and last.state is FileState.FAILED and last.place.target == str(path)
        without = without if is_last else []
    told = {"name": shown(path.name), **found, "went_without": without}
    return told | {"at_server": row.upload.at_server if row else None, "key": key_of(path)}


@functools.lru_cache(maxsize=2 * SHOWN)  # the page asks once a second, and reports do not change
def _read(report: str) -> Mapping[str, str | None]:
    """Return what a report says."""
    data: Any = parse(report, {}, aliases=False).data
    told = data if isinstance(data, dict) else {}
    return {key: shown(str(told[key])) if told.get(key) is not None else None for key in _KEYS}
