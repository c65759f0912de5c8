"""Pure: under which name a file goes back into the drop folder where its own is taken there.

A stamp tells the two apart. Where the whole gets too long for a name, some of it is left out, and where that
is out of is chosen so that the route of the file matches it still.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime

from watcher.core.errors import Outside, TooSlow
from watcher.core.model import Route
from watcher.core.names import LONGEST_NAME_BYTES, stamped_names
from watcher.core.route import matching_route
from watcher.core.target import Target

Keeps = Callable[[str, str], bool]  # whether a file, its name and a new one, is the same to its route


def any_name(_name: str, _new: str) -> bool:
    """In a folder that no route looks at, all names are the same."""
    return True


def keeping(routes: Callable[[], Sequence[Route]]) -> Keeps:
    """Return what says whether a new name keeps the route that the old one has, and the ACD type that is in
    it.

    A name without a route has nothing to lose. It raises `TooSlow` where an expression does not say. `routes`
    is asked once, and not before it is needed.
    """
    known = functools.cache(routes)

    def keeps(name: str, new: str) -> bool:
        was = matching_route(name, known())
        now = was and matching_route(new, known())
        return was is None or (now is not None and (was.name, was.acd_type) == (now.name, now.acd_type))

    return keeps


def stamped(name: str, now: datetime, serial: int, keeps: Keeps) -> str:
    """Return `name` with a stamp, a name that `keeps` takes, or of which there is no telling.

    Raises `Outside`, for this file alone, where there is none.
    """
    names = list(stamped_names(name, now, serial=serial))
    try:
        return next(new for new in names if keeps(name, new))
    except TooSlow:
        return names[0]
    except StopIteration:
        shortened = f", shortened to {LONGEST_NAME_BYTES} bytes," if len(names) > 1 else ""
        raise Outside(
            Target("file", name),
            f"its name is taken in the drop folder, and with a stamp{shortened} its route would not match it",
            check="move the other file of that name on, or give this one another name",
        ) from None
