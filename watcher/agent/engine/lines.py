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

    def leave(self, file: int) -> bool:
        """Let the next one have its turn; False: it is in no line."""
        if file not in self._route:
            return False
        self._lines[self._route.pop(file)].remove(file)
        self.has_moved = True
        return True

    def again(self, file: int, route: str | None) -> None:
        """Take a place at the end of the line, for one that let others go first."""
        self._lines[route].append(file)
        self._route[file] = route

    def is_alone(self, file: int) -> bool:
        """Say whether no other file of its route is in its line."""
        return file not in self._route or len(self._lines[self._route[file]]) == 1

    def reached(self, file: int, *, ahead: bool) -> bool:
        """Say whether it is a file's turn; with `ahead`, to be inspected. One in no line has its turn."""
        if file not in self._route:
            return True
        route = self._route[file]
        return self._lines[route].index(file) < self._parallel[route] + (AHEAD if ahead else 0)
