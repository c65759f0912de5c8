"""What there is to tell of the agent and its files, as plain data: for `watcher status` and the page."""

from __future__ import annotations

from typing import Any

from watcher.agent.build import build_drop
from watcher.agent.opening import AGENT_LOCK
from watcher.agent.routing import route_of
from watcher.core.errors import Outside
from watcher.core.names import shown
from watcher.journal import lock
from watcher.journal.reading import open_to_read
from watcher.report import status_file
from watcher.report.as_data import as_json
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

LAST = 10  # outcomes shown


def collect(config: Config, *, last: int = LAST) -> dict[str, Any]:
    """Return everything there is to tell, as plain data; of the outcomes the `last` so many."""
    running = lock.is_held(config.folders.state, AGENT_LOCK)
    told = status_file.read(config.folders.state) if running else {}
    under_way: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    journal = open_to_read(config.folders.state)
    if journal is not None:
        try:
            under_way = [
                as_json(entry)
                | {
                    "delivered_bytes": entry.upload.position,
                    "total_bytes": entry.upload.total or entry.file.fingerprint.size,
                }
                for entry in journal.under_way("drop")
            ]
            ended = [as_json(entry) for entry in journal.outcomes(last)]
        finally:
            journal.close()
    waiting, number = _lying_there(config, told if running else None)
    return {
        "running": running,
        "started_at": told.get("started_at"),
        "updated_at": told.get("updated_at"),
        "held": told.get("held", []),
        "waiting_count": number,
        "waiting": waiting,
        "under_way": under_way,
        "last": ended,
    }


def _lying_there(config: Config, told: dict[str, Any] | None) -> tuple[list[dict[str, Any]], int]:
    """Return what is in the drop folder, with what the agent last said of it, and the number of all.

    The look is our own: a file that was dropped this very moment is not missing.
    """
    try:
        found = build_drop(config).scan()
    except Outside as fault:
        return [{"name": "", "route": None, "why": f"{fault.target}: {fault.reason}"}], 0
    routes = build_routes(config)
    why = {item["name"]: item["why"] for item in (told or {}).get("waiting", [])}
    unknown = "the agent is not running" if told is None else "seen by the agent at its next look"
    rows = []
    for item in sorted(found, key=lambda item: item.name)[: status_file.SHOWN_WAITING]:
        match = route_of(config.folders.drop / item.name, routes)
        name = shown(item.name)
        reason = item.odd or why.get(name, unknown)
        rows.append({"name": name, "route": match.name if match else None, "why": reason})
    return rows, len(found)
