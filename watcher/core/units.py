"""Durations, sizes and times as people write them: `2s`, `30d`; `1MB` (10^6), `1MiB` (2^20); UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_BYTES = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
# What sums of times and C's numbers hold with room to spare; anything above is a slip of the hand.
LONGEST_SECONDS = 36_500 * 86_400.0
MOST_BYTES = 10**15
_AMOUNT = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([A-Za-z]*)\s*")


def seconds(value: object) -> float:
    """Return a duration in seconds; raises ValueError with the remedy."""
    amount = _amount(value, _SECONDS, fold=False)
    if amount is None:
        raise ValueError("must be a duration such as 500ms, 2s, 5m, 24h, 30d, or a number of seconds")
    return _within(amount)


def seconds_with_unit(value: object) -> float:
    """Return a duration in seconds, where a bare number is rather meant in days than in seconds.

    Raises ValueError with the remedy, for such a number, too.
    """
    amount = _amount(value, _SECONDS, fold=False)
    if amount is None:
        raise ValueError("must be a duration with its unit, such as 500ms, 2s, 5m, 24h or 30d")
    _within(amount)
    bare = str(value).strip()
    if not bare[-1:].isalpha() and amount > 0:
        raise ValueError(f'needs a unit: "{bare}d" for days, "{bare}h" for hours, "{bare}s" for seconds')
    return amount


def byte_count(value: object) -> int:
    """Return a size in bytes; raises ValueError with the remedy."""
    amount = _amount(value, _BYTES, fold=True)
    if amount is None or amount != int(amount):
        raise ValueError(
            "must be a size such as 500kB, 1MB (1,000,000), 1MiB (1,048,576), or a number of bytes"
        )
    if amount > MOST_BYTES:
        raise ValueError("is more than 1000TB; write a smaller size")
    return int(amount)


def _within(amount: float) -> float:
    if amount > LONGEST_SECONDS:
        raise ValueError("is more than 100 years; write a shorter time, such as 36500d")
    return amount


def _amount(value: object, units: dict[str, float] | dict[str, int], *, fold: bool) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value >= 0 else None
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    factor = units.get(match[2].lower() if fold else match[2])
    return None if factor is None else round(float(match[1]) * factor, 9)


def utc_text(when: datetime) -> str:
    """Return a time as the journal and the reports have it: `2026-11-23T19:24:39.123Z`."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
