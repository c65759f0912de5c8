"""What lies in the work folders of other agents, as far as it bears on our files, which may have to wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from watcher.agent.queue.routing import routed
from watcher.core.errors import TooSlow
from watcher.core.events import Warned
from watcher.core.model import Route
from watcher.core.names import shown
from watcher.core.order import ANY
from watcher.core.route import is_marker
from watcher.disk.others import Stranger
from watcher.report.stream import Stream

TOLD = 20  # stranded files named in the log


class Others:
    """The files of other agents, as of the last look."""

    def __init__(self, find: Callable[[], list[Stranger]], routes: Sequence[Route], stream: Stream) -> None:
        self.by_route: Counter[str | None] = Counter()  # one that there is no telling of is `ANY`
        self.stranded = 0
        self.at_work = False  # an agent that lives has files that count
        self._find, self._routes, self._stream = find, routes, stream
        self._known: dict[Path, str | None] = {}  # the route's name; a zip is opened once
        self._told: set[Path] = set()

    def look(self, *, again: bool = False) -> None:
        """Look at them; `again`: what was found by the look before counts as well."""
        found = {stranger.path: stranger for stranger in self._find()}
        known = self._known if again else {}
        self._known = known | {path: self._known.get(path) or self._route(path) for path in found}
        self.by_route = Counter(name for name in self._known.values() if name is not None)
        self.at_work = any(not one.is_stranded and self._known[one.path] for one in found.values())
        stranded = [one for one in found.values() if one.is_stranded]
        self.stranded = len(stranded)
        for one in stranded:
            if one.path not in self._told and len(self._told) < TOLD:
                self._told.add(one.path)
                self._stream.emit(Warned(f"{shown(str(one.path))}: {one.words}"))

    def _route(self, path: Path) -> str | None:
        try:
            if is_marker(path.name, self._routes):
                return None
        except TooSlow:
            return ANY
        found = routed(path, self._routes)
        return ANY if found.unknown else found.route.name if found.route else None
