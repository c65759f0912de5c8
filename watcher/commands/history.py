"""`watcher history`: what happened to every file that left the drop folder, from the journal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.commands.terminal import Terminal
from watcher.configuration.settings import Config
from watcher.errors import NoJournal, Outdated, Outside
from watcher.model import Entry
from watcher.names import shown
from watcher.state.journal import Journal


def history(
    config: Config,
    terminal: Terminal,
    *,
    failed: bool,
    since_seconds: float | None,
    limit: int | None,
    as_data: bool,
) -> int:
    """Print rows, newest first; returns 0. `since_seconds`: how far back, by the start of the upload."""
    since = None if since_seconds is None else datetime.now(UTC) - timedelta(seconds=since_seconds)
    journal = opened(config)
    entries: list[Entry] = []
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
        terminal.table(_COLUMNS, [_row(entry) for entry in entries])
    return 0


def opened(config: Config) -> Journal | None:
    """Open the journal for reading; None where there is none yet. Raises `Outside`, `ConfigError`."""
    try:
        return Journal(config.folders.state, readonly=True)
    except NoJournal:
        return None
    except (Outside, Outdated):
        # A crash in the middle of a commit left SQLite's own journal behind, or the journal is of an older
        # version: only a writer can mend that.
        return Journal(config.folders.state)


def as_json(entry: Entry) -> dict[str, Any]:
    """Return a row as plain data."""
    return {
        "name": shown(entry.name),
        "route": entry.route,
        "acd_type": entry.acd_type,
        "push_token": entry.push_token,
        "earlier_tokens": entry.earlier_tokens.split() if entry.earlier_tokens else [],
        "state": str(entry.state),
        "bytes": entry.fingerprint.size,
        "chunks": entry.chunks,
        "records": entry.records,
        "sha256": entry.sha256,
        "first_line_sha256": entry.first_line,
        "last_line_sha256": entry.last_line,
        "started_at": entry.started_at,
        "finished_at": entry.finished_at,
        "reason": entry.reason,
        "what_to_do": entry.what_to_do,
        "lines": entry.lines,
        "problems": shown_lines(entry.problems),
        "status": entry.status,
        "server_said": shown(entry.server_said) if entry.server_said else entry.server_said,
        "note": entry.note,
        "set_aside": shown(entry.aside) if entry.aside else None,
        "origin": entry.origin,
        "where": shown(entry.target or entry.source),
        "removed_at": entry.removed_at,
    }


def shown_lines(text: str | None) -> list[str]:
    """Return what the journal has in lines, for people."""
    return [shown(line) for line in text.splitlines()] if text else []


_COLUMNS = ("started at", "name", "route", "state", "bytes", "chunks", "reason or note")


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.started_at[:19] + "Z",
        shown(entry.name),
        entry.route,
        entry.state,
        entry.fingerprint.size,
        entry.chunks,
        entry.reason or entry.note,
    )
