"""What there is to tell of the agent and its files, as plain data: for `watcher status` and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from watcher.agent.by_hand.lying_failed import lying_failed
from watcher.agent.queue.routing import route_of
from watcher.agent.start.folders import build_drop
from watcher.core.errors import Outside
from watcher.core.model import FINAL, Row
from watcher.core.names import shown
from watcher.core.units import utc_text
from watcher.disk.answering import silent
from watcher.disk.others import Stranger, strangers
from watcher.journal import lock
from watcher.journal.protocol import AgentSeen, Journal
from watcher.journal.reading import open_to_read
from watcher.report import status_file
from watcher.report.as_data import as_json
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

LAST = 10  # outcomes shown
# Of a file that does not wait for a reason of its own, as far as the agent said.
_CALM: Mapping[str, Any] = {"since": None, "stuck": False, "check": "", "blocks": (), "blocked": 0}


class Lying(NamedTuple):
    """How many files lie in the drop folder."""

    number: int
    ignored: Mapping[str, int]  # ... that are not ours, by the pattern of `settle.ignore`


def collect(config: Config, *, last: int = LAST) -> dict[str, Any]:
    """Return everything there is to tell, as plain data; of the outcomes the `last` so many."""
    running = lock.is_held(config.folders.state, lock.AGENT_LOCK)
    told = status_file.read(config.folders.state) if running else {}
    under_way: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    agents: list[dict[str, Any]] = []
    agent_id: str | None = None
    held = list(told.get("held", []))
    journal, away = _journal(config)
    folders = config.folders
    quiet = silent((folders.drop, folders.failed, folders.work_folder))
    for fault in filter(None, (away, *quiet.values())):
        if not any(hold["target"] == str(fault.target) for hold in held):
            since = utc_text(datetime.now(UTC))
            about = {"reason": fault.reason, "check": fault.check}
            held.append({"target": str(fault.target), "since": since, **about})
    if journal is None:
        failed, failed_count = lying_failed(config.folders.failed, None, build_routes(config))
    else:
        try:
            agent_id = journal.agent_id
            seen = journal.agents()
            agents, under_way = [asdict(agent) for agent in seen], _under_way(journal, seen)
            ended = [as_json(entry) for entry in journal.outcomes(last)]
            failed, failed_count = lying_failed(config.folders.failed, journal, build_routes(config))
        finally:
            journal.close()
    own = config.folders.work_folder / (agent_id or "nobody ran here yet")
    waiting, lying = _lying_there(config, told if running else None, quiet.get(folders.drop))
    others = strangers(own) if quiet.keys().isdisjoint({folders.drop, folders.work_folder}) else []
    return {
        "running": running,
        "started_at": told.get("started_at"),
        "updated_at": told.get("updated_at"),
        "held": held,
        "waiting_count": lying.number,
        "waiting": waiting,
        "ignored": dict(lying.ignored),
        "under_way": under_way,
        "failed_count": failed_count,
        "failed": failed,
        # Without the journal we do not know which part of the work folder is our own.
        "stranded": [] if away else [as_data(found) for found in others if found.is_stranded],
        "last": ended,
        "agents": agents,
    }


def _journal(config: Config) -> tuple[Journal | None, Outside | None]:
    """Return the journal, None: there is none yet; and why it is away, where it is a database elsewhere: what
    the folders tell is worth telling all the same. Raises `Outside` for one of our own."""
    try:
        return open_to_read(config.folders.state, config.journal_url), None
    except Outside as fault:
        if config.journal_url is None:
            raise
        return None, fault


def _under_way(journal: Journal, agents: Sequence[AgentSeen]) -> list[dict[str, Any]]:
    whose = Whose(journal, agents)
    return [
        as_json(entry)
        | {
            "id": entry.id,
            "delivered_bytes": entry.upload.position,
            "total_bytes": entry.upload.total or entry.file.fingerprint.size,
        }
        | whose.told(entry)
        for entry in journal.under_way("drop", of_all=True)
    ]


class Whose:
    """Says of files under way which other agent of a shared journal has them, and until when they wait."""

    def __init__(self, journal: Journal, agents: Sequence[AgentSeen]) -> None:
        """`agents`: all of the journal. Raises `Outside`."""
        self._own = journal.agent_id
        self._hosts = {agent.id: agent.host for agent in agents}
        self._quiet = journal.quiet_until()

    def told(self, row: Row) -> dict[str, str | None]:
        """Return id and host of the other agent, None: it is ours; and until when it waits, if it was taken
        over, for what the agent before may still have under way."""
        theirs = row.state not in FINAL and row.owner != self._own
        return {
            "agent": shown(row.owner) if theirs else None,
            "host": shown(self._hosts.get(row.owner, "")) or None if theirs else None,
            "waits_until": self._quiet.get(row.id),
        }


def as_data(stranger: Stranger) -> dict[str, Any]:
    """Return a file in the work folder of another agent as plain data."""
    return {
        "name": shown(stranger.path.name),
        "path": shown(str(stranger.path)),
        "agent": shown(stranger.agent),
        "host": shown(stranger.host) if stranger.host else None,
        "since": utc_text(stranger.since),
    }


def _lying_there(
    config: Config, told: dict[str, Any] | None, away: Outside | None
) -> tuple[list[dict[str, Any]], Lying]:
    """Return what is in the drop folder, with what the agent last said of it: those that are stuck first.

    The look is our own: a file that was dropped this very moment is not missing. `away`: why there is none.
    """
    drop = build_drop(config)
    try:
        if away is not None:
            raise away
        found, ignored = drop.scan(), drop.ignored_files()
    except Outside as fault:
        return [_row("", None, f"{fault.target}: {fault.reason}")], Lying(0, {})
    routes = build_routes(config)
    why = {item["name"]: item["why"] for item in (told or {}).get("waiting", [])}
    own = {item["name"]: item for item in (told or {}).get("stuck", [])}
    unknown = "the agent is not running" if told is None else "seen by the agent at its next look"
    rows = []
    found.sort(key=lambda item: (not own.get(shown(item.name), _CALM)["stuck"], item.name))
    for item in found[: status_file.SHOWN_WAITING]:
        match = route_of(config.folders.drop / item.name, routes)
        name = shown(item.name)
        row = _row(name, match.name if match else None, item.odd or why.get(name, unknown))
        row["key"] = item.look.key if item.look else ""  # of this version, and no newer one of the name
        if name in own:
            row |= {key: own[name][key] for key in _CALM}
            # The last reason that was found: it may be settling once more, before it is tried again.
            row["why"] = own[name]["why"] if row["stuck"] else row["why"]
        rows.append(row)
    return rows, Lying(len(found), ignored)


def _row(name: str, route: str | None, why: str) -> dict[str, Any]:
    return {"name": name, "route": route, "why": why, "key": "", **_CALM}
