"""`watcher history`: what happened to every file that left the drop folder, from the journal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from watcher.commands.terminal import Terminal, state, zone
from watcher.core.model import Row
from watcher.core.names import shown
from watcher.journal.reading import open_to_read
from watcher.report.as_data import as_json
from watcher.settings.settings import Config


def history(
    config: Config,
    terminal: Terminal,
    *,
    failed: bool,
    since_seconds: float | None,
    limit: int | None,
    as_data: bool,
) -> int:
    """Print rows, newest first, with local times but in JSON; returns 0.

    `since_seconds`: how far back, by the start of the upload.
    """
    since = None if since_seconds is None else datetime.now(UTC) - timedelta(seconds=since_seconds)
    journal = open_to_read(config.folders.state, config.journal_url)
    entries: list[Row] = []
    if journal is not None:
        try:
            entries = journal.history(failed=failed, since=since, limit=limit)
        finally:
            journal.close()
    if as_data:
        terminal.say(json.dumps([as_json(entry) for entry in entries], indent=2, ensure_ascii=False))
    elif not entries:
        terminal.say("no uploads")
    else:
        columns = (f"started ({zone()})", *_COLUMNS)
        rows = [_row(entry, terminal) for entry in entries]
        terminal.table(columns, rows, beneath={_COLUMNS[-1]: ""})
    return 0


_COLUMNS = ("name", "route", "state", "bytes", "chunks", "reason or note")


def _row(entry: Row, terminal: Terminal) -> tuple[object, ...]:
    return (
        terminal.time(entry.file.started_at),
        shown(entry.name),
        entry.route,
        state(entry.state),
        entry.file.fingerprint.size,
        entry.upload.chunks,
        entry.outcome.reason or entry.outcome.note,
    )
