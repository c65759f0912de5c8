"""The acts of all scripts: those that wait to begin, and those that are under way. The engine's lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from watcher.agent.engine.runs import Run, Task
from watcher.agent.engine.turns import Turns
from watcher.core.acts import Pause
from watcher.core.holds import NEVER, Holds
from watcher.core.target import Target


class Tasks:
    """Only the control thread may call it."""

    def __init__(self, holds: Holds, turns: Turns, due_at: Callable[[Task], float]) -> None:
        """`due_at`: when an act may begin, by the clock."""
        self.waiting: list[Task] = []
        self.flying: list[Task] = []
        self._holds, self._turns, self._due_at = holds, turns, due_at

    def forget(self, which: Callable[[Task], bool]) -> None:
        """Nobody waits for these any more; what a worker is at, it does for nothing."""
        self.waiting = [task for task in self.waiting if not which(task)]
        self._turns.forget(which)
        self.flying = [task for task in self.flying if not which(task)]

    def due(self, now: float) -> tuple[list[Task], float]:
        """Return those that may begin, and when the next one of the others may."""
        found, later = [], NEVER
        for task in self.waiting:
            if (at := self._due_at(task)) <= now:
                found.append(task)
            elif at < later:
                later = at
        return found, later

    def missed(self, now: float) -> list[Task]:
        """Take out those that go at once or not at all, and cannot go now."""
        missed = [task for task in self.waiting if not task.act.waits and self._due_at(task) > now]
        self.waiting = [task for task in self.waiting if task not in missed]
        return missed

    def late(self, now: float) -> list[Task]:
        """Return those that were waited for longer than is plausible, and were not told yet."""
        return [task for task in self.flying if task.late_at <= now]

    def gone_on(self, now: float) -> list[Target]:
        """Return what answered after all, of acts that were late for it and are at something else by now."""
        return [target for task in self.flying if task.is_late for target in task.gone_on(now)]

    def attend(self, target: Target, *more: Iterable[Task]) -> bool:
        """Say whether anybody waits for this target, or is at it; `more` acts than these."""
        return any(target in task.targets for tasks in (self.waiting, self.flying, *more) for task in tasks)

    @property
    def are_at_work(self) -> bool:
        """Whether an act of a file is under way that answers in time and probes no hold."""
        return any(
            not (task.run.is_chore or task.is_late or self._holds.held(task.targets)) for task in self.flying
        )

    def rest(self, run: Run, now: float) -> bool:
        """Whether a script only waits for others, or for the end of a hold."""
        return all(
            task in self._turns.waiting
            or (task in self.waiting and task.act.at_stop != "begins" and self._due_at(task) > now)
            for task in run.tasks
            if not (task.is_done or isinstance(task.act, Pause))
        )
