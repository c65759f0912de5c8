"""Pure: which of the waiting files goes next, and why the others wait.

Event types go before reason codes before agent events, because each refers to the one before; a route
says so with `after`. Within a route the oldest goes first. It knows no disk and no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from watcher.core.model import Fingerprint, Route
from watcher.core.settle import Ready, Wait

# Stands for every route. No name of the settings has a line end in it.
ANY = "any route\n"
_NONE: Mapping[str | None, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Waiting:
    """One file in the drop folder that has not been taken."""

    name: str
    look: Fingerprint
    route: Route | None  # None: no route matches
    verdict: Ready | Wait
    # A zip whose own name says nothing and that cannot be read, or not yet, or a name that an expression
    # takes too long on: it may be of any route.
    unknown: bool = False
    marker: str | None = None  # the name of the marker file that is there for it
    doubt: str | None = None  # why it was perhaps not written to its end: it was waited for

    @property
    def age_key(self) -> tuple[int, str]:
        """Sorts oldest first: modification time, then name."""
        return (self.look.mtime_ns, self.name)


def route_name(waiting: Waiting) -> str | None:
    """Return the name of the file's route; None stands for "no route matches"."""
    return waiting.route.name if waiting.route else None


def present_of(files: Iterable[Waiting]) -> Counter[str | None]:
    """Count the files per route name; one that may be of any route is `ANY`."""
    return Counter(present_key(file) for file in files)


def present_key(waiting: Waiting) -> str | None:
    """Return what a file counts as while it waits: its route's name, or `ANY`."""
    return ANY if waiting.unknown else route_name(waiting)


def depth(name: str, after: Mapping[str, Iterable[str]]) -> int:
    """Return how many routes stand before this one; the settings see to it that none is after itself."""
    return max((1 + depth(other, after) for other in after.get(name, ())), default=0)


def queues(files: Iterable[Waiting]) -> dict[str | None, list[Waiting]]:
    """Return the files that are ready, per route name, the *next* one last (so that `pop()` takes it)."""
    ready: dict[str | None, list[Waiting]] = {}
    for file in files:
        if isinstance(file.verdict, Ready):
            ready.setdefault(route_name(file), []).append(file)
    for queue in ready.values():
        queue.sort(key=lambda file: file.age_key, reverse=True)
    return ready


def behind(
    key: str | None, after: Mapping[str, Iterable[str]], present: Mapping[str | None, int]
) -> set[str | None]:
    """Return the routes whose waiting files wait for one that counts as `key` (see `present_key`).

    Those behind them wait as well, as long as such a file is there. Files of its own route do not: one that
    is not ready lets others go first.
    """
    blocked_too: set[str | None] = set()
    keys = {key}
    while keys:
        found = {
            route
            for route, others in after.items()
            if route not in blocked_too and (not keys.isdisjoint(others) or (ANY in keys and others))
        }
        blocked_too |= found
        keys = {route for route in found if present.get(route, 0)}
    return blocked_too


def blocked(
    route: Route,
    *,
    present: Mapping[str | None, int],
    under_way: Mapping[str | None, int],
    elsewhere: Mapping[str | None, int] = _NONE,
    ahead: int = 0,
) -> str | None:
    """Say why no file of `route` may start now, or None: one may.

    `present` counts the files in the drop folder per route name, settling ones too (and those that may be
    of any: `ANY`), `under_way` those claimed and not finished, `elsewhere` those in the work folders of other
    agents; so many may be claimed `ahead` of those whose turn it is.
    """
    for name in route.after:
        if present.get(name, 0) or under_way.get(name, 0):
            return f"waits for {name}"
        if elsewhere.get(name, 0):
            return f"waits for {name}, of which another agent has a file in its work folder"
    if route.after and (present.get(ANY, 0) or elsewhere.get(ANY, 0)):
        return f"waits for a file whose route cannot be told: it may be of {' or '.join(route.after)}"
    if under_way.get(route.name, 0) >= route.parallel + ahead:
        return f"behind another file of {route.name}"
    return None
