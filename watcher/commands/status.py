"""`watcher status`: what the agent is doing, what is held, what waits and why, and the last outcomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from watcher.agent.by_hand.overview import collect
from watcher.commands.terminal import FINE, HELD, PROBLEM, Terminal, local_time, state, zone
from watcher.core.names import counted, some_of
from watcher.settings.settings import Config

# Where there is no room beside a row: what stands beneath it, and the words before it.
_BENEATH = {
    "why": "", "reason": "", "what to do": "", "chunks": "chunks delivered: ", "started at": "since ",
    "path": "", "host": "host ", "since": "since ", "waits until": "waits for the agent before it until ",
}  # fmt: skip
_TIMES = ("started_at", "finished_at", "failed_at", "since", "waits_until")


def status(config: Config, terminal: Terminal, *, as_data: bool, every: float | None = None) -> int:
    """Print the agent's state; returns 0, or 1 where it does not run or a thing is held, stuck, stranded.

    `every`: so many seconds later again, until Ctrl-C; returns 0 then.
    """
    if every is not None:
        terminal.repeat(lambda: _show(collect(config), terminal), every)
        return 0
    found = collect(config)
    if as_data:
        terminal.say(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found, terminal)
    stuck = any(row["stuck"] for row in found["waiting"])
    return 0 if found["running"] and not (found["held"] or stuck or found["stranded"]) else 1


def _show(found: dict[str, Any], terminal: Terminal) -> None:
    since = f" since {local_time(found['started_at'])}" if found["started_at"] else ""
    running = f"running{since}" if found["running"] else "not running"
    terminal.say(f"agent: {running}", FINE if found["running"] else PROBLEM)
    terminal.say(f"times: {zone()}")
    if found["agents"]:
        shared = [agent | {"says": _says(agent)} for agent in found["agents"]]
        _table(terminal, "agents of this journal:", shared, ("id", "host", "pid", "version", "says"))
    _show_what_waits(found, terminal)
    columns: tuple[str, ...] = (
        "name", "route", "state", "delivered_bytes", "total_bytes", "chunks", "started_at",
    )  # fmt: skip
    # Of several agents: which has it, and what one that was taken over waits for.
    columns += tuple(
        column for column in ("agent", "waits_until") if any(row[column] for row in found["under_way"])
    )
    _table(terminal, f"under way: {len(found['under_way'])}", found["under_way"], columns)
    if found["failed"]:
        title = f"failed, and still in the failed folder: {found['failed_count']:,}"
        _table(terminal, title, found["failed"], ("name", "failed_at", "reason", "what_to_do"), PROBLEM)
        if len(found["failed"]) < found["failed_count"]:
            terminal.say(f"... and {found['failed_count'] - len(found['failed']):,} that came before")
        terminal.say(
            "mend and drop them again, or `watcher retry` them; or move them away with their reports"
        )
    if found["stranded"]:
        title = f"stranded in the work folders of other agents: {len(found['stranded'])}"
        _table(terminal, title, found["stranded"], ("name", "agent", "host", "since", "path"), PROBLEM)
        terminal.say("start their agent again, or `watcher withdraw` them")
    ended = ("name", "route", "state", "finished_at", "reason")
    _table(terminal, "last outcomes:" if found["last"] else "no outcomes yet", found["last"], ended)


def _show_what_waits(found: dict[str, Any], terminal: Terminal) -> None:
    for hold in found["held"]:
        since = local_time(hold["since"])
        terminal.say(f" {hold['target']} since {since}: {hold['reason']}", HELD, head="held: ")
        if hold.get("check"):
            terminal.say(f"       check: {hold['check']}")
    for row in found["waiting"]:
        if row["stuck"]:
            since = local_time(row["since"])
            terminal.say(f" {row['name']} since {since}: {row['why']}", HELD, head="stuck:")
            terminal.say(f"       {row['check']}")
            if row["blocked"]:
                terminal.say(f"       for it wait: {some_of(row['blocks'], row['blocked'])}")
    _table(terminal, f"waiting: {found['waiting_count']}", found["waiting"], ("name", "route", "why"))
    if found["ignored"]:
        by = ", ".join(f"{glob} {number:,}" for glob, number in found["ignored"].items())
        terminal.say(f"ignored: {counted(sum(found['ignored'].values()), 'file')}, by settle.ignore: {by}")


def _says(agent: dict[str, Any]) -> str:
    """Return how an agent fares that shares the journal, by its heartbeat."""
    if agent["ended_at"]:
        return f"ended at {local_time(agent['ended_at'])}"
    if agent["silent"]:
        return f"silent since {local_time(agent['seen_at'])}"
    return f"running since {local_time(agent['started_at'])}"


def _table(
    terminal: Terminal,
    title: str,
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    style: str = "",
) -> None:
    terminal.say(f"\n{title}", style)
    if rows:
        headings = [column.replace("_", " ") for column in columns]
        cells = [[_cell(column, row, terminal) for column in columns] for row in rows]
        terminal.table(headings, cells, names=("name", "route", "agent"), beneath=_BENEATH)


def _cell(column: str, row: Mapping[str, Any], terminal: Terminal) -> object:
    if column in _TIMES:
        return terminal.time(row[column])
    return state(row[column]) if column == "state" else row[column]
