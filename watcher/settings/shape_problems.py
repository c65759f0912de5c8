"""Checks across the keys that bring records into shape: can each column be found in the file?"""

from __future__ import annotations

from collections.abc import Iterator

from watcher.core.model import Route
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import Location


def shape_problems(config: Config) -> list[tuple[Location, str]]:
    """Return what does not fit together, with its key; `config` is sound otherwise."""
    found: list[tuple[Location, str]] = []
    for index, route in enumerate(build_routes(config)):
        found += [(("routes", index, *at), words) for at, words in _of(route)]
    return found


def _of(route: Route) -> Iterator[tuple[Location, str]]:
    if route.others == "drop" and not route.columns:
        yield ("others",), "needs columns: without them nothing is named, and so nothing is left out"
    elif route.is_shaped and route.header == "none":
        yield from _without_header(route)


def _without_header(route: Route) -> Iterator[tuple[Location, str]]:
    taken: set[int] = set()
    in_file = [(at, column) for at, column in enumerate(route.columns) if column.shape.value is None]
    for at, column in in_file:
        names = [source for source in column.shape.sources if isinstance(source, str)]
        if names:
            words = f"the route has no header that could name {names[0]}; give its number, or `header: drop`"
            yield ("columns", at, "from"), words
        taken.update(source for source in column.shape.sources if isinstance(source, int))
    unplaced = [at for at, column in in_file if not column.shape.sources]
    if taken and unplaced:
        yield ("columns", unplaced[0]), "needs from: the number of its field, as other columns have it"
        return
    gaps = sorted(set(range(1, max(taken, default=0) + 1)) - taken)
    if gaps and route.others == "fail":
        yield ("columns",), f"none is from field {gaps[0]}; add one that is, or set `others: drop`"
