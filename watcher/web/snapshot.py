"""What the page shows, as plain data: `watcher status`'s own answer, with what only this process knows.

These functions read the disk and may hang with it: they run in the reader's thread (`reader`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher import __version__
from watcher.agent.by_hand.lying_failed import lying_failed
from watcher.agent.by_hand.overview import collect
from watcher.core.errors import ConfigError, Outside
from watcher.core.holds import Hold
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.core.units import utc_text
from watcher.journal.reading import open_to_read
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config, RouteSettings
from watcher.web.again import DroppedAgain
from watcher.web.chosen import with_keys
from watcher.web.health import Verdict
from watcher.web.history import HOUR, by_hour
from watcher.web.outcomes import PAGE, short

DAYS = 30
_SET_ASIDE = " set aside: "  # in the reason of records that a delivered file left behind: `effects`


def now(
    config: Config,
    holds: Sequence[Hold],
    next_try: Callable[[Hold], datetime],
    verdict: Verdict,
    again: DroppedAgain,
) -> dict[str, Any]:
    """Return the state of this moment; what cannot be read is told in `trouble`."""
    try:
        found, trouble = with_keys(collect(config, last=PAGE)), None
        found["failed"] = again.mark(found)
    except (Outside, ConfigError) as fault:  # away, or a journal that was damaged meanwhile
        failed, failed_count = lying_failed(config.folders.failed, None, build_routes(config))
        nothing: dict[str, Any] = {"waiting": [], "under_way": [], "stranded": [], "last": []}
        nothing |= {"waiting_count": 0, "failed": failed, "failed_count": failed_count}
        found, trouble = nothing, str(fault)
    return found | {
        "running": True,  # it is the agent that answers, wherever its lock may be
        "version": __version__,
        "title": config.site.title,
        "host": shown(config.site.host),
        "tenant": config.site.tenant,
        "server": config.wfm.api,
        "drop": shown(str(config.folders.drop)),
        "routes": [{"name": route.name, "names": names_of(route)} for route in config.routes],
        "failed_folder": shown(str(config.folders.failed)),
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
        "under_way": [row | {"held_by": held_by(row, holds, config)} for row in found["under_way"]],
        "failed": [row | {"set_aside": _SET_ASIDE in row["reason"]} for row in found["failed"]],
        "last": [short(row) for row in found["last"]],
    }


def names_of(route: RouteSettings) -> list[str]:
    """Return which names go to a route, as its settings say it."""
    return [*route.match, *([f"regex {route.regex}"] if route.regex is not None else [])]


def held_by(row: dict[str, Any], holds: Sequence[Hold], config: Config) -> list[str]:
    """Return what an upload waits for of that which is held: its file, its route, its route's endpoint,
    the way to the server, or a folder; but not the drop folder, which it has left."""
    urls = {route.name: route.url for route in build_routes(config)}
    return [shown(str(hold.target)) for hold in holds if _needs(row, hold.target, urls, config)]


def _needs(row: dict[str, Any], target: Target, urls: Mapping[str, str], config: Config) -> bool:
    match target.kind:
        case "file":
            return bool(target.number == row["id"] if target.number else shown(target.name) == row["name"])
        case "endpoint":
            return target.name == urls.get(row["route"] or "")
        case "route":
            return bool(target.name == row["route"])
        case "folder":
            return target.name != str(config.folders.drop)
        case _:
            return True  # there is one login, one server, and the proxies on the way


def history(config: Config, holds: Sequence[Hold], until: datetime) -> dict[str, Any]:
    """Return what the plots show: the last 30 days, by the hour. Raises `Outside`."""
    since = (until - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0) - HOUR
    journal = open_to_read(config.folders.state, config.journal_url)
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
