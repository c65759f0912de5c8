"""Pure: which of the waiting files goes next, and why the others wait.

Event types go before reason codes before agent events, because each refers to the one before; a route
says so with `after`. Within a route the oldest goes first. It knows no disk and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from watcher.core.model import Fingerprint, Route
from watcher.core.settle import Ready, Wait


@dataclass(frozen=True, slots=True)
class Waiting:
    """One file in the drop folder that has not been taken."""

    name: str
    look: Fingerprint
    route: Route | None  # None: no route matches
    verdict: Ready | Wait

    @property
    def age_key(self) -> tuple[int, str]:
        """Sorts oldest first: modification time, then name."""
        return (self.look.mtime_ns, self.name)


def route_name(waiting: Waiting) -> str | None:
    """Return the name of the file's route; None stands for "no route matches"."""
    return waiting.route.name if waiting.route else None


def queues(files: Iterable[Waiting]) -> dict[str | None, list[Waiting]]:
    """Return the files that are ready, per route name, the *next* one last (so that `pop()` takes it)."""
    ready: dict[str | None, list[Waiting]] = {}
    for file in files:
        if isinstance(file.verdict, Ready):
            ready.setdefault(route_name(file), []).append(file)
    for queue in ready.values():
        queue.sort(key=lambda file: file.age_key, reverse=True)
    return ready


def blocked(
    route: Route, *, present: Mapping[str | None, int], under_way: Mapping[str | None, int], ahead: int = 0
) -> str | None:
    """Say why no file of `route` may start now, or None: one may.

    `present` counts the files in the drop folder per route name, settling ones too, `under_way` those
    claimed and not finished; so many may be claimed `ahead` of those whose turn it is.
    """
    for name in route.after:
        if present.get(name, 0) or under_way.get(name, 0):
            return f"waits for {name}"
    if under_way.get(route.name, 0) >= route.parallel + ahead:
        return f"behind another file of {route.name}"
    return None
