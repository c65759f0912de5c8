"""Pure: what is the same for all files under one set of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watcher.core.acts import PLAUSIBLE_SECONDS, Commit
from watcher.core.model import Route, Row
from watcher.core.steps import Step
from watcher.core.target import Target
from watcher.core.units import utc_text

# A share that reads, or copies, fewer bytes a second than this does not answer.
SLOWEST_BYTES_A_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """What is the same for all files under one set of settings."""

    routes: Mapping[str, Route]  # by name
    lost_answer: Literal["resend", "new_token"]
    attempts: int
    retry_cap: float  # seconds
    request_seconds: float  # that a request may take, all in all
    drop: Target
    work: Target
    done: Target
    failed: Target
    state: Target
    way: tuple[Target, ...]  # to the server, which is the last: login, server, and proxies before them
    clock: Callable[[], datetime]  # the time of day
    jitter: Callable[[], float]  # 0 to 1
    new_token: Callable[[], str]
    # The chunk size in bytes that a server took after a 413, by route: learned as files go.
    limits: dict[str, int] = field(default_factory=dict)
    others_limits: dict[str, int] = field(default_factory=dict)  # what other agents that live learned

    def limit(self, route: Route) -> int:
        """Return the bytes that a chunk of this route may have."""
        learned = (self.limits.get(route.name), self.others_limits.get(route.name))
        return min([route.chunk_bytes, *(limit for limit in learned if limit is not None)])

    @property
    def at(self) -> str:
        """The time, as the journal has it."""
        return utc_text(self.clock())

    @property
    def day(self) -> str:
        """The day of it, in UTC."""
        return self.at[:10]

    def file(self, row: Row) -> Target:
        """Return what is held where the fault is in the way of this file alone."""
        return Target("file", row.name, row.id)

    def commit(self, step: Step, *, lazy: bool = False) -> Commit:
        """Return the act that writes a step down."""
        return Commit(step, lazy, targets=(self.state,))


def plausible(row: Row) -> float:
    """Return the seconds in which any disk reads, or copies, this file."""
    return PLAUSIBLE_SECONDS + row.file.fingerprint.size / SLOWEST_BYTES_A_SECOND
