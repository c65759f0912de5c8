"""Signs of life of the running agent, for whoever looks in from outside: `/health`, `/metrics`, systemd.

The main loop beats; everything else may be asked by any thread, waits for nothing and touches no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol


class Watch(Protocol):
    """What is asked of the drop watcher."""

    @property
    def deaf(self) -> bool:
        """Whether a thread of watchdog's died."""

    def since(self, name: str) -> float | None:
        """When a waiting file was first seen as it is now, by the clock."""


class Signs:
    """One agent's signs of life."""

    def __init__(
        self,
        watch: Watch,
        *,
        waiting: Callable[[], Collection[str]],
        under_way: Callable[[], int],
        stranded: Callable[[], int] = lambda: 0,
        stuck: Callable[[], int] = lambda: 0,
        lost: Callable[[], list[str]],
        clock: Callable[[], float],
        on_beat: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`waiting` gives the names of the files that wait, as of the last look, `under_way` the number of
        those that were claimed, `stranded` that of files of agents that do not live, `stuck` that of files
        that have waited too long for a reason of their own, `lost` the names of threads that died."""
        self.ending = False
        self._watch = watch
        self._waiting, self._under_way, self._lost = waiting, under_way, lost
        self._stranded, self._stuck = stranded, stuck
        self._clock = clock
        self._on_beat, self._on_end = on_beat, on_end
        self._beat_at = clock()

    def beat(self) -> None:
        """The main loop turns: it calls this at least every `workers.LONGEST_WAIT_SECONDS`."""
        self._beat_at = self._clock()
        self._on_beat()

    def end(self) -> None:
        """The main loop is over; what is under way is waited for."""
        self.ending = True
        self._on_end()

    def heartbeat_age(self) -> float:
        """Return the seconds since the last beat."""
        return self._clock() - self._beat_at

    def lost(self) -> list[str]:
        """Return the names of threads that should live and do not, at this instant."""
        return [*self._lost(), *(["observer"] if self._watch.deaf else [])]

    def under_way(self) -> int:
        """Return the number of files under way."""
        return self._under_way()

    def stranded(self) -> int:
        """Return the number of files of other agents that nobody will see to, as of the last look."""
        return self._stranded()

    def stuck(self) -> int:
        """Return the number of files that have waited too long for a reason of their own."""
        return self._stuck()

    def waiting(self) -> int:
        """Return the number of files that wait in the drop folder."""
        return len(self._waiting())

    def oldest_waiting_seconds(self) -> float:
        """Return for how long the oldest of the waiting files has been as it is; 0 if none waits."""
        since = [known for name in self._waiting() if (known := self._watch.since(name)) is not None]
        return self._clock() - min(since) if since else 0.0
