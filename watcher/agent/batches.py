"""Group commit: the steps of many files in one transaction, one transaction at a time."""

from __future__ import annotations

from watcher.agent.runs import Task
from watcher.core.errors import Outside


class Batches:
    """Commits that wait, and those that are being written."""

    def __init__(self) -> None:
        self.waiting: list[Task] = []
        self._under_way: list[Task] = []
        self._alone: set[Task] = set()  # to be written one by one: together they were refused

    def next(self) -> list[Task]:
        """Return what is to be written now: all that waits, or nothing while others are being written."""
        if self._under_way:
            return []
        suspect = next((task for task in self.waiting if task in self._alone), None)
        self._under_way = self.waiting if suspect is None else [suspect]
        self.waiting = [task for task in self.waiting if task not in self._under_way]
        return self._under_way

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
