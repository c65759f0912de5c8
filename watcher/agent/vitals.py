"""Signs of life of the running agent, for whoever looks in from outside: `/health`, `/metrics`, systemd.

The main loop beats; everything else may be asked by any thread, waits for nothing and touches no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from watcher.agent.crew import Crew
from watcher.agent.drop_watcher import Lookout


class Vitals:
    """One agent's signs of life."""

    def __init__(
        self,
        lookout: Lookout,
        crew: Crew,
        *,
        waiting: Callable[[], Sequence[str]],
        clock: Callable[[], float],
    ) -> None:
        """`waiting` gives the names of the files that wait, as of the last look."""
        self.ending = False
        self.on_beat: Callable[[], None] = lambda: None  # set before the loop begins
        self.on_end: Callable[[], None] = lambda: None
        self._lookout = lookout
        self._crew = crew
        self._waiting = waiting
        self._clock = clock
        self._beat_at = clock()

    def beat(self) -> None:
        """The main loop turns: it calls this at least every `wake.LONGEST_WAIT_SECONDS`."""
        self._beat_at = self._clock()
        self.on_beat()

    def end(self) -> None:
        """The main loop is over; what is under way is waited for."""
        self.ending = True
        self.on_end()

    def heartbeat_age(self) -> float:
        """Return the seconds since the last beat."""
        return self._clock() - self._beat_at

    def lost(self) -> list[str]:
        """Return the names of threads that should live and do not, at this instant."""
        return [*self._crew.lost(), *(["observer"] if self._lookout.deaf else [])]

    def under_way(self) -> int:
        """Return the number of files under way."""
        return self._crew.number

    def waiting(self) -> int:
        """Return the number of files that wait in the drop folder."""
        return len(self._waiting())

    def oldest_waiting_seconds(self) -> float:
        """Return for how long the oldest of the waiting files has been as it is; 0 if none waits."""
        since = [known for name in self._waiting() if (known := self._lookout.since(name)) is not None]
        return self._clock() - min(since) if since else 0.0
