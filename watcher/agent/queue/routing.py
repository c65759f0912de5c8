"""The route of a file: by its name, or where that says nothing, by what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from watcher.content.compressed import member_name
from watcher.core.errors import NotWhole, TooSlow, Unfit
from watcher.core.model import Route
from watcher.core.names import is_zip
from watcher.core.route import matching_route
from watcher.disk.claim import open_still


class Routed(NamedTuple):
    """What is known of a file's route."""

    route: Route | None  # None: no route matches, or there is no telling
    unknown: bool = False  # there is no telling: it may be of any route
    slow: str = ""  # an expression of the settings is why, in words; else it is a zip that cannot be read yet


def route_of(path: Path, routes: Sequence[Route]) -> Route | None:
    """Return the route of a file by its name, or of a zip by the name of the one file in it."""
    return routed(path, routes).route


def routed(path: Path, routes: Sequence[Route], name: str | None = None) -> Routed:
    """Return what is known of the route of a file; a zip whose own name says nothing is opened.

    `name`: the name that it has in the drop folder, where it lies under another.
    """
    name = name or path.name
    try:
        found = matching_route(name, routes)
        if found is not None or not is_zip(name):
            return Routed(found)
        with open_still(path) as file:
            return Routed(matching_route(member_name(file), routes))
    except TooSlow as slow:
        return Routed(None, unknown=True, slow=str(slow))
    except (OSError, NotWhole, Unfit):  # whoever takes it says what is wrong with it
        return Routed(None, unknown=True)
