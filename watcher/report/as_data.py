"""A row of the journal as plain data, for `--json` and the status page."""

from __future__ import annotations

from typing import Any

from watcher.core.model import Entry
from watcher.core.names import shown


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
