"""Checks across the keys that bring records into shape: can each column be found in the file?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from watcher.core.model import Column
from watcher.core.shape import PLAIN
from watcher.settings.presets import column_of, header_of
from watcher.settings.route_problems import CSV_ALONE
from watcher.settings.settings import Config, RouteSettings
from watcher.settings.strict_yaml import Location
from watcher.settings.wrong import WRONG, Unknown


def shape_problems(config: Config, known: Sequence[tuple[Location, str]]) -> Iterator[tuple[Location, str]]:
    """Yield what does not fit together, with its key; `known`: what is wrong with the routes besides."""
    # Of the same keys one thing is said.
    told = {at[1] for at, _ in known if at[0] == "routes" and len(at) > 2 and at[2] in CSV_ALONE}
    for index, route in enumerate(config.routes):
        if route is not WRONG and index not in told:
            with suppress(Unknown):
                for at, words in _of(route):
                    yield ("routes", index, *at), words


def _of(route: RouteSettings) -> Iterator[tuple[Location, str]]:
    if route.others == "drop" and not route.columns:
        yield ("others",), "needs columns: without them nothing is named, and so nothing is left out"
        return
    columns = tuple(map(column_of, route.columns))
    is_shaped = route.others == "drop" or any(column.shape != PLAIN for column in columns)
    if is_shaped and header_of(route) == "none":
        yield from _without_header(columns, route.others)


def _without_header(columns: Sequence[Column], others: str) -> Iterator[tuple[Location, str]]:
    taken: set[int] = set()
    in_file = [(at, column) for at, column in enumerate(columns) if column.shape.value is None]
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
    if gaps and others == "fail":
        yield ("columns",), f"none is from field {gaps[0]}; add one that is, or set `others: drop`"
