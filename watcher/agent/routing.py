"""The route of a file: by its name, or where that says nothing, by what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watcher.content.compressed import member_name
from watcher.core.errors import NotWhole, Unfit
from watcher.core.model import Route
from watcher.core.names import is_zip
from watcher.core.route import route
from watcher.disk.claim import open_still


def route_of(path: Path, routes: Sequence[Route]) -> Route | None:
    """Return the route of a file by its name, or of a zip by the name of the one file in it."""
    return routed(path, routes)[0]


def routed(path: Path, routes: Sequence[Route], name: str | None = None) -> tuple[Route | None, bool]:
    """Return the route of a file, and whether it is a zip that cannot be read to tell (or not yet).

    `name`: the name that it has in the drop folder, where it lies under another.
    """
    name = name or path.name
    found = route(name, routes)
    if found is not None or not is_zip(name):
        return found, False
    try:
        with open_still(path) as file:
            return route(member_name(file), routes), False
    except (OSError, NotWhole, Unfit):  # whoever takes it says what is wrong with it
        return None, True
