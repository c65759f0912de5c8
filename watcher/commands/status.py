"""`watcher status`: what the agent is doing, what is held, what waits and why, and the last outcomes."""

from __future__ import annotations

import json
from typing import Any

from watcher.agent.overview import collect
from watcher.commands.terminal import Terminal
from watcher.core.names import counted, some_of
from watcher.settings.settings import Config


def status(config: Config, terminal: Terminal, *, as_data: bool) -> int:
    """Print the agent's state; returns 0, or 1 where it does not run or a thing is held, stuck, stranded."""
    found = collect(config)
    if as_data:
        terminal.say(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found, terminal)
    stuck = any(row["stuck"] for row in found["waiting"])
    return 0 if found["running"] and not (found["held"] or stuck or found["stranded"]) else 1


def _show(found: dict[str, Any], terminal: Terminal) -> None:
    running = f"running since {found['started_at']}" if found["running"] else "not running"
    terminal.say(f"agent: {running}")
    for hold in found["held"]:
        terminal.say(f"held:  {hold['target']} since {hold['since']}: {hold['reason']}")
        if hold.get("check"):
            terminal.say(f"       check: {hold['check']}")
    for row in found["waiting"]:
        if row["stuck"]:
            terminal.say(f"stuck: {row['name']} since {row['since']}: {row['why']}")
            terminal.say(f"       {row['check']}")
            if row["blocked"]:
                terminal.say(f"       for it wait: {some_of(row['blocks'], row['blocked'])}")
    _table(terminal, f"waiting: {found['waiting_count']}", found["waiting"], ("name", "route", "why"))
    if found["ignored"]:
        by = ", ".join(f"{glob} {number:,}" for glob, number in found["ignored"].items())
        terminal.say(f"ignored: {counted(sum(found['ignored'].values()), 'file')}, by settle.ignore: {by}")
    columns = ("name", "route", "state", "delivered_bytes", "total_bytes", "chunks", "started_at")
    _table(terminal, f"under way: {len(found['under_way'])}", found["under_way"], columns)
    if found["stranded"]:
        title = f"stranded in the work folders of other agents: {len(found['stranded'])}"
        _table(terminal, title, found["stranded"], ("name", "agent", "host", "since", "path"))
        terminal.say("start their agent again, or `watcher withdraw` them")
    ended = ("name", "route", "state", "finished_at", "reason")
    _table(terminal, "last outcomes:" if found["last"] else "no outcomes yet", found["last"], ended)


def _table(terminal: Terminal, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    terminal.say(f"\n{title}")
    if rows:
        terminal.table(
            [column.replace("_", " ") for column in columns],
            [[row[column] for column in columns] for row in rows],
        )
