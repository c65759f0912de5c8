"""What the page shows, as plain data: `watcher status`'s own answer, with what only this process knows.

These functions read the disk and may hang with it: they run in the reader's thread (`reader`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher import __version__
from watcher.agent.overview import collect
from watcher.core.errors import ConfigError, Outside
from watcher.core.holds import Hold
from watcher.core.names import shown
from watcher.core.units import utc_text
from watcher.disk.filing import report_text
from watcher.journal.reading import open_to_read
from watcher.settings.settings import Config
from watcher.web.health import Verdict
from watcher.web.history import HOUR, by_hour

OUTCOMES = 50  # shown
SAID_CHARS = 300  # of a server's answer; the report has more
DAYS = 30
REPORTS = 1000  # failed files, the newest, whose report can be asked for


def now(
    config: Config, holds: Sequence[Hold], next_try: Callable[[Hold], datetime], verdict: Verdict
) -> dict[str, Any]:
    """Return the state of this moment; what cannot be read is told in `trouble`."""
    try:
        found, trouble = collect(config, last=OUTCOMES), None
    except (Outside, ConfigError) as fault:  # away, or a journal that was damaged meanwhile
        nothing: dict[str, Any] = {"waiting": [], "under_way": [], "stranded": [], "last": []}
        found, trouble = nothing | {"waiting_count": 0}, str(fault)
    return found | {
        "running": True,  # it is the agent that answers, wherever its lock may be
        "version": __version__,
        "server": config.wfm.api,
        "drop": shown(str(config.folders.drop)),
        "trouble": trouble,
        "ill": list(verdict.reasons),
        "held": [
            {
                "target": shown(str(hold.target)),
                "reason": shown(hold.reason),
                "check": shown(hold.check),
                "since": utc_text(hold.since),
                "tries": hold.tries,
                "next_try_at": utc_text(next_try(hold).replace(microsecond=0)),
            }
            for hold in holds
        ],
        "last": [_short(row) for row in found["last"]],
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    said = row["server_said"]
    return row | {"server_said": said[:SAID_CHARS] if said else said}


def history(config: Config, holds: Sequence[Hold], until: datetime) -> dict[str, Any]:
    """Return what the plots show: the last 30 days, by the hour. Raises `Outside`."""
    since = (until - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0) - HOUR
    journal = open_to_read(config.folders.state)
    if journal is None:
        return {"until": utc_text(until), "hours": {}}
    try:
        ended = journal.timeline.files_by_hour(since)
        past = journal.timeline.holds(since)
    finally:
        journal.close()
    spans: Iterator[tuple[datetime, datetime]] = (
        (datetime.fromisoformat(hold.began_at), datetime.fromisoformat(hold.ended_at)) for hold in past
    )
    lasting = [(hold.since.astimezone(UTC), until) for hold in holds]
    return {
        "until": utc_text(until),
        "hours": by_hour(ended, [*spans, *lasting], since=since, until=until),
    }


def report(config: Config, push_token: str) -> str | None:
    """Return the error report of a failed file; None: there is none. Raises `Outside`."""
    journal = open_to_read(config.folders.state)
    if journal is None:
        return None
    try:
        failed = journal.history(failed=True, limit=REPORTS)
    finally:
        journal.close()
    return next((report_text(entry) for entry in failed if entry.push_token == push_token), None)
