"""What the agent calls on its way round the main loop, for those who want to take part in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from watcher.core.model import Row


@dataclass(frozen=True, slots=True)
class Hooks:
    """All are called in the main thread and must not wait; none raises."""

    outcome: Callable[[Row], None] = lambda _entry: None  # of each file that came to its end
    turn: Callable[[], None] = lambda: None  # in every turn of the loop: every 5 s at least
    relieved: Callable[[], bool] = lambda: False  # another agent waits to take over: claim nothing more
