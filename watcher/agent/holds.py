"""What is held, why, since when, and who may try next. Shared by all threads of the agent.

A hold begins with the first fault of a target and ends with the first success. While it lasts, one thread
at a time probes, once per backoff step; all others wait, so that a server which comes back is not run
over. It decides nothing about files.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from watcher.core.backoff import backoff
from watcher.core.errors import Outside, Stopped
from watcher.core.holds import Hold
from watcher.report import log

T = TypeVar("T")


class Holds:
    """All holds of this process."""

    def __init__(
        self,
        *,
        cap_seconds: float,
        stop: threading.Event,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float | None], object] | None = None,
    ) -> None:
        """`sleep` waits so many seconds, or until something changed; by default it really does."""
        self._cap = cap_seconds
        self._stop = stop
        self._on_change = on_change
        self._clock = clock
        self._jitter = jitter
        self._changed = threading.Condition()
        self._sleep = sleep or self._changed.wait
        self._holds: dict[str, Hold] = {}  # guarded by _changed, with all that is in it

    def insist(self, effect: Callable[[], T]) -> T:
        """Call `effect` until it raises no `Outside` any more; wait in between. Raises `Stopped`."""
        failed: set[str] = set()
        try:
            while True:
                try:
                    result = effect()
                except Outside as fault:
                    self.failed(fault)
                    failed.add(fault.target)
                    self.give_up(failed)
                    self.wait(fault.target)
                else:
                    for target in failed:
                        self.worked(target)
                    return result
        finally:
            self.give_up(failed)

    def failed(self, fault: Outside) -> None:
        """A try met this fault: begin the hold, or make its next step longer.

        Requests that were under way when the hold began fail as well: that is no further step.
        """
        with self._changed:
            now = self._clock()
            hold = self._holds.get(fault.target)
            is_new = hold is None
            if hold is None:
                hold = Hold(fault.target, fault.reason, datetime.now(UTC), now)
                self._holds[fault.target] = hold
            elif hold.prober != threading.get_ident() and (hold.prober is not None or now < hold.next_at):
                hold.reason = fault.reason
                return
            hold.tries += 1
            hold.fault_at = now
            hold.reason, hold.check = fault.reason, fault.check
            hold.prober = None
            wait = backoff(hold.tries, cap=self._cap, jitter=self._jitter())
            if fault.retry_after:
                wait = min(fault.retry_after, self._cap)
            hold.next_at = now + wait
            self._changed.notify_all()
        if is_new:
            log.hold_began(fault.target, fault.reason, fault.check, seconds=wait)
            self._on_change()

    def now(self) -> float:
        """Return the time of this clock, for `worked`."""
        return self._clock()

    def worked(self, target: str, *, asked_at: float | None = None) -> None:
        """A try came through: the hold ends, if there is one.

        A request that was `asked_at` a time before the last fault says nothing: others were under way when
        the server began to ask for patience.
        """
        with self._changed:
            hold = self._holds.get(target)
            if hold is None or (asked_at is not None and hold.fault_at > asked_at):
                return
            del self._holds[target]
            self._changed.notify_all()
        log.hold_ended(target, seconds=self._clock() - hold.began, tries=hold.tries)
        self._on_change()

    def give_up(self, targets: Iterable[str]) -> None:
        """A probe ended without an answer about these targets: another thread may take its place."""
        with self._changed:
            for target in targets:
                hold = self._holds.get(target)
                if hold is not None and hold.prober == threading.get_ident():
                    hold.prober = None
            self._changed.notify_all()

    def wait(self, target: str) -> None:
        """Return when `target` is not held, or when it is this thread's turn to probe. Raises `Stopped`."""
        with self._changed:
            while (hold := self._holds.get(target)) is not None:
                if self._stop.is_set():
                    raise Stopped
                left = hold.next_at - self._clock()
                if left <= 0 and hold.prober is None:
                    hold.prober = threading.get_ident()
                    return
                hold.waiters += 1
                self._sleep(left if left > 0 else None)
                hold.waiters -= 1
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait, for a fault that holds nothing but one file. Raises `Stopped`."""
        until = self._clock() + seconds
        with self._changed:
            while not self._stop.is_set() and (left := until - self._clock()) > 0:
                self._sleep(left)
        if self._stop.is_set():
            raise Stopped

    def next_probe(self) -> float | None:
        """Return the seconds until the next probe of any target that is not due yet; None: there is none."""
        with self._changed:
            now = self._clock()
            return min(
                (hold.next_at - now for hold in self._holds.values() if hold.next_at > now), default=None
            )

    def held(self, targets: Iterable[str]) -> list[Hold]:
        """Return the holds on `targets`."""
        with self._changed:
            return [self._holds[target] for target in targets if target in self._holds]

    def unattended(self, hold: Hold) -> bool:
        """Say whether the next probe is due and no thread waits to make it."""
        with self._changed:
            return hold.next_at <= self._clock() and hold.prober is None and not hold.waiters

    def waiting(self) -> int:
        """Return how many threads wait for the end of a hold."""
        with self._changed:
            return sum(hold.waiters for hold in self._holds.values())

    def active(self) -> list[Hold]:
        """Return all holds, oldest first."""
        with self._changed:
            return sorted(self._holds.values(), key=lambda hold: hold.began)

    def seconds_held(self, hold: Hold) -> float:
        """Return how long a hold has lasted."""
        return self._clock() - hold.began

    def seconds_to_probe(self, hold: Hold) -> float:
        """Return the seconds until the next probe; negative: it is due, or under way."""
        return hold.next_at - self._clock()

    def wake(self) -> None:
        """Make every waiting thread look at the stop event."""
        with self._changed:
            self._changed.notify_all()
