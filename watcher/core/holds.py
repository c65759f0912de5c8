"""Pure: what is held, why, since when, and who may try next. A table: it waits for nothing, knows no thread.

A hold begins with the first fault of a target and ends with the first act that came through it. While it
lasts one file at a time probes, once per backoff step; all others wait, so that a server which comes back is
not run over. Times are monotonic seconds, but for `Hold.since`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watcher.core.backoff import backoff
from watcher.core.errors import Outside
from watcher.core.target import Target


@dataclass(frozen=True, slots=True)
class Hold:
    """One target that is held."""

    target: Target
    reason: str
    since: datetime
    began: float
    check: str = ""  # what a person should look at
    fault_at: float = 0.0  # of the last fault that counted
    tries: int = 0
    next_at: float = 0.0  # no probe before
    prober: int | None = None  # the file whose act tries now


class Holds:
    """All holds of this process. Only one thread changes it; `active` may be read by any."""

    def __init__(self, *, cap_seconds: float, jitter: Callable[[], float]) -> None:
        """`cap_seconds`: the longest step of the backoff; `jitter` gives a number from 0 to 1."""
        self.cap = cap_seconds
        self.active: tuple[Hold, ...] = ()  # oldest first
        self._jitter = jitter
        self._table: dict[Target, Hold] = {}

    def held(self, targets: Iterable[Target]) -> list[Hold]:
        """Return the holds on `targets`."""
        return [self._table[target] for target in targets if target in self._table]

    def due_at(self, file: int, targets: Iterable[Target]) -> float:
        """Return when an act on these may begin: at once, or never, while another file probes one of them."""
        due = 0.0
        for hold in self.held(targets):
            if hold.prober not in (None, file):
                return float("inf")
            due = max(due, hold.next_at)
        return due

    def take(self, file: int, targets: Iterable[Target]) -> None:
        """This file probes those of its targets that are held."""
        for hold in self.held(targets):
            self._put(replace(hold, prober=file))

    def failed(self, file: int, fault: Outside, *, now: float, at: datetime) -> Hold | None:
        """An act met this fault: begin the hold and return it, or make the next step of one longer.

        Requests that were under way when the hold began fail as well: that is no further step.
        """
        known = self._table.get(fault.target)
        hold = known or Hold(fault.target, fault.reason, at, began=now)
        if known and known.prober != file and (known.prober is not None or now < known.next_at):
            self._put(replace(known, reason=fault.reason))
            return None
        wait = backoff(hold.tries + 1, cap=self.cap, jitter=self._jitter())
        if fault.retry_after:
            wait = min(fault.retry_after, self.cap)
        hold = replace(
            hold, reason=fault.reason, check=fault.check, fault_at=now, tries=hold.tries + 1,
            next_at=now + wait, prober=None,
        )  # fmt: skip
        self._put(hold)
        return None if known else hold

    def worked(self, targets: Iterable[Target], *, asked_at: float) -> list[Hold]:
        """The one rule: an act that came through ends the holds on what it touched that began before it.

        Others were under way when a server began to ask for patience: their answers say nothing. Returns the
        holds that ended.
        """
        ended = [hold for hold in self.held(targets) if hold.fault_at <= asked_at]
        for hold in ended:
            del self._table[hold.target]
        if ended:
            self._tell()
        return ended

    def leave(self, file: int, targets: Iterable[Target] | None = None) -> None:
        """What this file did said nothing about these (by default: any) that it probed: another may try."""
        for hold in self.active if targets is None else self.held(targets):
            if hold.prober == file:
                self._put(replace(hold, prober=None))

    def hurry(self, now: float) -> None:
        """Settings changed, and may be the cure: every next step is due."""
        for hold in self.active:
            self._put(replace(hold, next_at=min(hold.next_at, now)))

    def next_probe(self, now: float) -> float | None:
        """Return when the next hold that is not due yet will be; None: there is none."""
        return min((hold.next_at for hold in self.active if hold.next_at > now), default=None)

    def _put(self, hold: Hold) -> None:
        self._table[hold.target] = hold
        self._tell()

    def _tell(self) -> None:
        self.active = tuple(self._table.values())


def listed(holds: Sequence[Hold]) -> str:
    """Say what is held, for people."""
    return "; ".join(f"{hold.target}: {hold.reason}" for hold in holds)
