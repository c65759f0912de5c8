"""Failed files of whose name another one was dropped since: mended ones, most likely, that need nobody now.

Whether it was the same file nobody can tell, so the page says what came, and when, and goes on to list it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watcher.core.model import FileState, Row
from watcher.core.names import shown
from watcher.core.units import utc_text
from watcher.journal.protocol import Journal
from watcher.journal.reading import open_to_read
from watcher.settings.settings import Config

LOOKED = 2_000  # delivered rows at a look; the next one goes on from there
# Rows are committed a little later than the time that they tell, and not in its order.
LATE = timedelta(seconds=2)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)  # as a report has it, unless altered


class DroppedAgain:
    """What was delivered since the oldest of the failed files; all of it is the reader's thread's."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seen: tuple[str, int] | None = None  # up to which delivery: its end and its id
        self._since = ""  # from which time on
        self._delivered: dict[str, tuple[str, str, str]] = {}  # by name: the last one's begin, end and token

    def mark(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the failed files of `overview.collect`, each with `again`: what became of a later one of its
        name (`state`, `at`, `token`), or None. Raises `Outside`, `ConfigError`."""
        failed: Sequence[dict[str, Any]] = found["failed"]
        times = [row["failed_at"] for row in failed if _TIME.fullmatch(row["failed_at"] or "")]
        if times:
            self._look({row["file"] for row in failed}, min(times))
        under_way = {row["name"]: row for row in found["under_way"]}
        waiting = {row["name"] for row in found["waiting"]}
        return [row | {"again": self._again(row, waiting, under_way)} for row in failed]

    def _again(
        self, row: Mapping[str, Any], waiting: set[str], under_way: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        name, failed_at = row["file"], row["failed_at"] or ""
        if name is None or not _TIME.fullmatch(failed_at):
            return None
        if (later := under_way.get(name)) and later["started_at"] > failed_at:
            return {"state": "under way", "at": later["started_at"], "token": later["push_token"]}
        began, ended, token = self._delivered.get(name, ("", "", ""))
        if began > failed_at:
            return {"state": "delivered", "at": ended, "token": token}
        return {"state": "waiting", "at": None, "token": None} if name in waiting else None

    def _look(self, names: set[str], since: str) -> None:
        """Look through what was delivered since then, as far as it was not yet."""
        if self._seen is None or since < self._since:
            self._since, self._seen = since, (since, 0)
        journal = open_to_read(self._config.folders.state, self._config.journal_url)
        if journal is None:
            return
        try:
            rows = self._next(journal)
        finally:
            journal.close()
        for row in rows:
            target = Path(row.place.target or "")
            if target.is_relative_to(self._config.folders.done):  # others may share the journal alone
                ended = row.outcome.finished_at or ""
                self._delivered[shown(row.name)] = (row.file.started_at, ended, row.push_token)
        # Names of files that lie there no more are let go, but for what came within the last minutes.
        if len(self._delivered) > LOOKED:
            self._delivered = {name: told for name, told in self._delivered.items() if name in names}

    def _next(self, journal: Journal) -> Sequence[Row]:
        assert self._seen is not None
        now = datetime.now(UTC)
        rows = journal.archive.kept_since(FileState.DONE, before=now, after=self._seen, limit=LOOKED)
        if rows:
            last = rows[-1]
            ended = last.outcome.finished_at or self._seen[0]
            safe = utc_text(now - LATE)
            self._seen = (ended, last.id) if ended < safe else max(self._seen, (safe, 0))
        return rows
