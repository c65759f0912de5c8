"""`watcher status`: what the agent is doing, what is held, what waits and why, and the last outcomes."""

from __future__ import annotations

import json
from typing import Any

from watcher.assemble import AGENT_LOCK, build_drop
from watcher.commands.history import as_json, opened
from watcher.commands.terminal import Terminal
from watcher.configuration.presets import build_routes
from watcher.configuration.settings import Config
from watcher.errors import Outside
from watcher.lookout import route_of
from watcher.names import shown
from watcher.state import live, lock

LAST = 10  # outcomes shown


def status(config: Config, terminal: Terminal, *, as_data: bool) -> int:
    """Print the agent's state; returns 0, or 1 where it does not run or something is held."""
    found = collect(config)
    if as_data:
        terminal.say(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found, terminal)
    return 0 if found["running"] and not found["held"] else 1


def collect(config: Config, *, last: int = LAST) -> dict[str, Any]:
    """Return everything there is to tell, as plain data; of the outcomes the `last` so many."""
    running = lock.is_held(config.folders.state, AGENT_LOCK)
    told = live.read(config.folders.state) if running else {}
    under_way: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    journal = opened(config)
    if journal is not None:
        try:
            under_way = [
                as_json(entry)
                | {"delivered_bytes": entry.position, "total_bytes": entry.total or entry.fingerprint.size}
                for entry in journal.unfinished("drop")
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
    for item in sorted(found, key=lambda item: item.name)[: live.SHOWN_WAITING]:
        match = route_of(config.folders.drop / item.name, routes)
        name = shown(item.name)
        reason = item.odd or why.get(name, unknown)
        rows.append({"name": name, "route": match.name if match else None, "why": reason})
    return rows, len(found)


def _show(found: dict[str, Any], terminal: Terminal) -> None:
    running = f"running since {found['started_at']}" if found["running"] else "not running"
    terminal.say(f"agent: {running}")
    for hold in found["held"]:
        terminal.say(f"held:  {hold['target']} since {hold['since']}: {hold['reason']}")
    _table(terminal, f"waiting: {found['waiting_count']}", found["waiting"], ("name", "route", "why"))
    columns = ("name", "route", "state", "delivered_bytes", "total_bytes", "chunks", "started_at")
    _table(terminal, f"under way: {len(found['under_way'])}", found["under_way"], columns)
    ended = ("name", "route", "state", "finished_at", "reason")
    _table(terminal, "last outcomes:" if found["last"] else "no outcomes yet", found["last"], ended)


def _table(terminal: Terminal, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    terminal.say(f"\n{title}")
    if rows:
        terminal.table(
            [column.replace("_", " ") for column in columns],
            [[row[column] for column in columns] for row in rows],
        )
