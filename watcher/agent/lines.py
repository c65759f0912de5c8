"""Pure: the files under way of each route, in the order of their claims; so many are uploaded at a time."""

from __future__ import annotations

AHEAD = 1  # so many more of a route are inspected meanwhile


class Lines:
    """One line for each route; no route is a route as well."""

    def __init__(self) -> None:
        self._lines: dict[str | None, list[int]] = {}
        self._route: dict[int, str | None] = {}
        self._parallel: dict[str | None, int] = {}
        self.has_moved = False  # since somebody last asked who has his turn

    def join(self, file: int, route: str | None, parallel: int) -> None:
        """Take a place at the end of the line; `parallel` files at its head have their turn."""
        self._lines.setdefault(route, []).append(file)
        self._route[file] = route
        self._parallel[route] = parallel

    def leave(self, file: int) -> None:
        """Let the next one have its turn; who is in no line is none the wiser."""
        if file in self._route:
            self._lines[self._route.pop(file)].remove(file)
            self.has_moved = True

    def reached(self, file: int, *, ahead: bool) -> bool:
        """Say whether it is a file's turn; with `ahead`, to be inspected. One in no line has its turn."""
        if file not in self._route:
            return True
        route = self._route[file]
        return self._lines[route].index(file) < self._parallel[route] + (AHEAD if ahead else 0)
