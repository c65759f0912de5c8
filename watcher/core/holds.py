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
from watcher.core.errors import Outside, Proof
from watcher.core.target import Target

NEVER = float("inf")  # as a time
# A server is taken at its word for so long (`Retry-After`, RFC 9110 10.2.3), and no longer.
LONGEST_RETRY_AFTER_SECONDS = 6 * 3600.0
# A file that is held alone waits for so many of the longest steps: its request may be a burden each time.
FILE_CAPS = 10


def asked_for(fault: Outside) -> float | None:
    """Return the seconds that a server asked to wait, as far as it is taken at its word; None: it did not."""
    return min(fault.retry_after, LONGEST_RETRY_AFTER_SECONDS) if fault.retry_after else None


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
    is_left: bool = False  # to another agent, which probes or did so before
    prober: int | None = None  # the file whose act tries now
    met: frozenset[Target] = frozenset()  # the parts of it where the fault was met
    until: Proof = Proof.ANSWER  # what ends it


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
        if not self._table:  # asked for every act in every turn
            return []
        return [self._table[target] for target in targets if target in self._table]

    def due_at(self, file: int, targets: Iterable[Target]) -> float:
        """Return when an act on these may begin: at once, or never, while another file probes one of them."""
        due = 0.0
        for hold in self.held(targets):
            if hold.prober not in (None, file):
                return NEVER
            due = max(due, hold.next_at)
        return due

    def take(self, file: int, targets: Iterable[Target]) -> None:
        """This file probes those of its targets that are held."""
        for hold in self.held(targets):
            self._put(replace(hold, prober=file))

    def failed(
        self, file: int, fault: Outside, *, now: float, at: datetime, asked_at: float = NEVER
    ) -> Hold | None:
        """An act met this fault: begin the hold and return it, or make the next step of one longer.

        `asked_at`: when the act was. What was under way already when the hold began, or when its last step
        failed, fails as well, however late that is heard of: it is no further step.
        """
        # Where a part of it is held already, the rest is known to work.
        target = fault.narrow if fault.narrow in self._table else fault.target
        known = self._table.get(target)
        met = frozenset() if fault.narrow in (None, target) else frozenset({fault.narrow})
        hold = known or Hold(target, fault.reason, at, began=now)
        hold = replace(hold, reason=fault.reason, met=hold.met | met, until=max(hold.until, fault.until))
        was_under_way = now < hold.next_at or asked_at < hold.fault_at
        if known and known.prober != file and (known.prober is not None or was_under_way):
            self._put(hold)
            return None
        cap = self.cap * FILE_CAPS if target.kind == "file" else self.cap
        wait = backoff(hold.tries + 1, cap=cap, jitter=self._jitter())
        wait = asked_for(fault) or wait
        hold = replace(
            hold, check=fault.check, fault_at=now, tries=hold.tries + 1, next_at=now + wait, prober=None,
            is_left=False,
        )  # fmt: skip
        self._put(hold)
        return None if known else hold

    def worked(
        self, targets: Sequence[Target], *, asked_at: float, proof: Proof = Proof.DELIVERY
    ) -> tuple[list[Hold], list[Hold]]:
        """The one rule: an act that came through ends the holds on what it touched that began before it.

        Others were under way when a server began to ask for patience: their answers say nothing. Where the
        fault was met in other parts of the target alone, those stay held. Returns the holds that ended, and
        those that began in their place.
        """
        ended = [hold for hold in self.held(targets) if hold.fault_at <= asked_at and hold.until <= proof]
        begun = []
        for hold in ended:
            del self._table[hold.target]
            if hold.met.isdisjoint(targets):
                parts = sorted(hold.met - self._table.keys(), key=str)
                begun += [replace(hold, target=part, met=frozenset(), prober=None) for part in parts]
        self._table |= {hold.target: hold for hold in begun}
        if ended:
            self._tell()
        return ended, begun

    def let_go(self, now: float, attended: Callable[[Target], bool]) -> list[Hold]:
        """End the holds whose next step is due, and which nobody attends to; returns them."""
        ended = [hold for hold in self.active if hold.next_at <= now and not attended(hold.target)]
        for hold in ended:
            del self._table[hold.target]
        if ended:
            self._tell()
        return ended

    def has_met(self, targets: Iterable[Target]) -> bool:
        """Say whether what is held was met in these parts of it: others make the better probe."""
        parts = frozenset(targets)
        return any(not hold.met.isdisjoint(parts) for hold in self.held(parts))

    def left_to_others(self, file: int, targets: Iterable[Target], *, until: float) -> None:
        """Another agent probes these, or did just now: this file, and all others of ours, wait until then."""
        for hold in self.held(targets):
            if hold.prober == file:
                next_at = max(hold.next_at, until)
                self._put(replace(hold, prober=None, next_at=next_at, is_left=True))

    def others_came_through(self, now: float) -> None:
        """What other agents probed for us may be over: the next step on that is due."""
        self.hurry(now, [hold.target for hold in self.active if hold.is_left])

    def leave(self, file: int, targets: Iterable[Target] | None = None) -> None:
        """What this file did said nothing about these (by default: any) that it probed: another may try."""
        for hold in self.active if targets is None else self.held(targets):
            if hold.prober == file:
                self._put(replace(hold, prober=None))

    def hurry(self, now: float, targets: Iterable[Target] | None = None) -> None:
        """Something changed that may be the cure: the next step on these (by default: on all) is due."""
        for hold in self.active if targets is None else self.held(targets):
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
