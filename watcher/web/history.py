"""Pure: what the plots show, by the hour in UTC. The page adds hours up to days of its reader's time zone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from watcher.core.model import FileState
from watcher.journal.protocol import Ended

HOUR = timedelta(hours=1)


def by_hour(
    ended: Iterable[Ended], held: Iterable[tuple[datetime, datetime]], *, since: datetime, until: datetime
) -> dict[str, dict[str, Any]]:
    """Return for each hour in which something happened: files `done` and `failed`, `bytes` delivered, and the
    seconds in which anything was `held`. `held` has the holds' begin and end, in UTC."""
    hours: dict[str, dict[str, Any]] = {}
    for item in ended:
        row = hours.setdefault(item.hour, _empty())
        if item.state is FileState.DONE:
            row["done"] += item.files
            row["bytes"] += item.bytes
        else:
            row["failed"] += item.files
    for began, over in union(held):
        began, over = max(began, since), min(over, until)
        while began < over:
            full = began.replace(minute=0, second=0, microsecond=0)
            end = min(over, full + HOUR)
            row = hours.setdefault(f"{full:%Y-%m-%dT%H}", _empty())
            row["held"] = round(row["held"] + (end - began).total_seconds(), 3)
            began = end
    return hours


def union(spans: Iterable[tuple[datetime, datetime]]) -> Sequence[tuple[datetime, datetime]]:
    """Return spans that do not overlap and cover the same time: two holds at once are one time held."""
    found: list[tuple[datetime, datetime]] = []
    for began, over in sorted(spans):
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(over, found[-1][1]))
        else:
            found.append((began, over))
    return found


def _empty() -> dict[str, Any]:
    return {"done": 0, "failed": 0, "bytes": 0, "held": 0}
