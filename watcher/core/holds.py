"""Pure: what is held, why and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Hold:
    """One target that is held."""

    target: str
    reason: str
    since: datetime
    began: float  # monotonic seconds
    check: str = ""  # what a person should look at
    fault_at: float = 0.0  # monotonic seconds: of the last fault that counted
    tries: int = 0
    next_at: float = 0.0  # monotonic seconds: no probe before
    prober: int | None = None  # the thread that is at it
    waiters: int = 0  # threads that will probe when it is due
