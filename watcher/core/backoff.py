"""Pure: how long to wait before the next try. No clock, no random source: both are arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_STEP_SECONDS = 1.0


def backoff(attempt: int, *, cap: float, jitter: float) -> float:
    """Return the seconds to wait before try number `attempt + 1`; `attempt` counts from 1.

    The step doubles from one second up to `cap` seconds; `jitter` (0 to 1) takes up to half of it off, so
    that agents which lost the same server do not return at the same moment.
    """
    # 2**64 seconds is past every cap; the bound keeps a hold of weeks from making huge integers.
    step: float = min(cap, FIRST_STEP_SECONDS * 2.0 ** min(attempt - 1, 64))
    return step * (1 - jitter / 2)


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None where it cannot be read.

    Delay-seconds or an HTTP date (RFC 9110, section 10.2.3). `now` is best the server's own `Date`, since
    clocks differ. A date in the past gives 0.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        # A number of more than 9 digits is past any cap, and int() refuses thousands of digits.
        return float(value) if len(value) <= 9 else 1e9
    when = http_date(value)
    return None if when is None else max(0.0, (when - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Read an HTTP date; None where it is none. A date without a zone is taken as UTC."""
    try:
        when = parsedate_to_datetime(value or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
