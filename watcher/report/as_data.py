"""A row of the journal as plain data, for `--json` and the status page."""

from __future__ import annotations

from typing import Any

from watcher.core.model import Row
from watcher.core.names import shown


def as_json(entry: Row) -> dict[str, Any]:
    """Return a row as plain data."""
    outcome = entry.outcome
    return {
        "name": shown(entry.name),
        "route": entry.route,
        "acd_type": entry.file.acd_type,
        "push_token": entry.push_token,
        "earlier_tokens": list(entry.upload.earlier_tokens),
        "state": str(entry.state),
        "bytes": entry.file.fingerprint.size,
        "chunks": entry.upload.chunks,
        "sends": entry.upload.sends,
        "records": outcome.records,
        "sha256": entry.upload.sha256,
        "first_line_sha256": outcome.first_line,
        "last_line_sha256": outcome.last_line,
        "started_at": entry.file.started_at,
        "finished_at": outcome.finished_at,
        "reason": outcome.reason,
        "what_to_do": outcome.what_to_do,
        "lines": outcome.lines,
        "problems": [shown(problem) for problem in outcome.problems],
        "status": outcome.status,
        "server_said": outcome.server_said and shown(outcome.server_said),
        "note": outcome.note,
        "set_aside": shown(entry.place.aside) if entry.place.aside else None,
        "origin": entry.file.origin,
        "where": shown(entry.place.target or entry.file.source),
        "removed_at": entry.place.removed_at,
    }
