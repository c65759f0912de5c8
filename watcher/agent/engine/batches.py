"""Group commit: the steps of many files in one transaction, one transaction at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watcher.agent.engine.runs import Task
from watcher.agent.engine.workers import Done
from watcher.core.acts import Commit
from watcher.core.errors import Outside
from watcher.core.holds import NEVER
from watcher.core.steps import Step

LINGER_SECONDS = 0.05


class Batches:
    """Commits that wait, and those that are being written."""

    def __init__(self) -> None:
        self.waiting: list[Task] = []
        self._under_way: list[Task] = []
        self._alone: set[Task] = set()  # to be written one by one: together they were refused

    def next(self, now: float, *, busy: bool) -> list[Task]:
        """Return what is to be written now: all that waits, or nothing while others are being written.

        What nothing waits for lingers a little where we are `busy`: more will come.
        """
        if self._under_way or now < self.due_at(busy=busy):
            return []
        suspect = next((task for task in self.waiting if task in self._alone), None)
        self._under_way = self.waiting if suspect is None else [suspect]
        self.waiting = [task for task in self.waiting if task not in self._under_way]
        for task in self._under_way:
            task.asked_at = now
        return self._under_way

    def due_at(self, *, busy: bool) -> float:
        """When what waits is to be written, by the clock."""
        if not self.waiting or self._under_way:
            return NEVER
        lingers = busy and all(isinstance(task.act, Commit) and task.act.lazy for task in self.waiting)
        return self.waiting[0].since + LINGER_SECONDS if lingers else 0.0

    def back(self, done: Iterable[Done]) -> list[tuple[Task, object]]:
        """Return what came back from the workers, task by task; a batch of ours counts as its steps."""
        found: list[tuple[Task, object]] = []
        for ticket, result in done:
            if ticket is self:
                found += self.answered(result)
            elif isinstance(ticket, Task):
                found.append((ticket, result))
        return found

    def answered(self, result: object) -> list[tuple[Task, object]]:
        """Return what became of each; `result`: their rows, or the error that refused all of them."""
        batch, self._under_way = self._under_way, []
        self._alone.difference_update(batch)
        if isinstance(result, list):
            return list(zip(batch, result, strict=True))
        if isinstance(result, Outside) or len(batch) == 1:
            return [(task, result) for task in batch]
        # One of the steps is a fault of ours; the others are not to blame.
        self._alone.update(batch)
        self.waiting = batch + self.waiting
        return []


def steps_of(batch: Sequence[Task]) -> list[Step]:
    """Return what is to be written."""
    return [task.act.step for task in batch if isinstance(task.act, Commit)]
