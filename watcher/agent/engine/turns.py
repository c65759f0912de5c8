"""Whose turn it is: the scripts that wait for their place in line, and those that let others go first."""

from __future__ import annotations

from collections.abc import Callable

from watcher.agent.engine.lines import Lines
from watcher.agent.engine.runs import Run, Runs, Task
from watcher.core.acts import Turn
from watcher.core.events import SteppedAside
from watcher.report.stream import Stream


class Turns:
    """The lines of all routes; the control thread's."""

    def __init__(self, runs: Runs, stream: Stream) -> None:
        self.waiting: list[Task] = []
        self._runs, self._stream = runs, stream
        self._lines = Lines()

    def join(self, run: Run, parallel: int) -> None:
        """Take a place behind the others of the route: `parallel` files are uploaded at a time."""
        self._lines.join(run.number, run.route, parallel)

    def leave(self, run: Run) -> None:
        """Let the next one have its turn."""
        self._lines.leave(run.number)

    def is_alone(self, run: Run) -> bool:
        """Say whether no other file of its route is in line."""
        return self._lines.is_alone(run.number)

    def step_aside(self, run: Run) -> None:
        """Let others of the route go first; the next turn it asks for is behind them."""
        self._runs.set_aside(run, True)
        if self._lines.leave(run.number):
            run.rejoins = True
            self._stream.emit(SteppedAside(run.name))

    def has(self, run: Run, turn: Turn) -> bool:
        """Say whether it is its turn; who let others go first is at the end of the line from now on."""
        if turn.place == "upload" and self._waits_for_an_equal_one(run):
            return False
        if run.rejoins:
            run.rejoins = False
            self._lines.again(run.number, run.route)
        return self._lines.reached(run.number, ahead=turn.place == "front")

    def _waits_for_an_equal_one(self, run: Run) -> bool:
        """Whoever waits for another file is in no line: that one may be behind it there."""
        contents = self._runs.contents
        if contents.go(run.number):
            return False
        if contents.is_stale(run.number):
            run.renewed = run.renewed or run.part
        elif self._lines.leave(run.number):
            run.rejoins = True
            self._runs.set_aside(run, True)
        return True

    def next(self) -> list[Task]:
        """Take those whose turn it is by now: they wait for nothing else."""
        if not (self._lines.has_moved or self._runs.contents.has_moved):
            return []
        self._lines.has_moved = self._runs.contents.has_moved = False
        found = [task for task in self.waiting if isinstance(task.act, Turn) and self.has(task.run, task.act)]
        self.forget(found.__contains__)
        return found

    def forget(self, which: Callable[[Task], bool]) -> None:
        """These do not wait any more."""
        self.waiting = [task for task in self.waiting if not which(task)]
