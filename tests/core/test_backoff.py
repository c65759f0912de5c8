"""How long to wait: backoff with a ceiling, and what `Retry-After` asks for."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.backoff import backoff, http_date, retry_after

deterministic = settings(derandomize=True, deadline=None)
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_the_wait_doubles_from_one_second_up_to_the_cap() -> None:
    waits = [backoff(attempt, cap=20, jitter=0) for attempt in range(1, 8)]

    assert waits == [1, 2, 4, 8, 16, 20, 20]


@deterministic
@given(attempt=st.integers(1, 10**9), cap=st.floats(0.1, 86400), jitter=st.floats(0, 1))
def test_no_wait_is_over_the_cap_nor_under_half_of_the_step(attempt: int, cap: float, jitter: float) -> None:
    wait = backoff(attempt, cap=cap, jitter=jitter)

    assert min(cap, 1) / 2 <= wait <= cap


def test_jitter_takes_up_to_half_off() -> None:
    assert backoff(3, cap=300, jitter=1) == 2
    assert backoff(3, cap=300, jitter=0.5) == 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30),
        ("Mon Nov 23 12:00:30 2026", 30),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float) -> None:
    assert retry_after(header, now=NOW) == seconds


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "²", "1e3", "Mon, 99 Nov 2026 12:02:00 GMT"]
)
def test_a_retry_after_that_cannot_be_read_counts_as_none(header: str | None) -> None:
    assert retry_after(header, now=NOW) is None


def test_a_retry_after_of_thousands_of_digits_is_only_a_very_long_wait() -> None:
    assert retry_after("9" * 5000, now=NOW) == 1e9


@deterministic
@given(st.text(max_size=40))
def test_no_header_text_makes_the_readers_raise(header: str) -> None:
    asked = retry_after(header, now=NOW)

    assert asked is None or asked >= 0
    assert http_date(header) is None or http_date(header).tzinfo is not None  # type: ignore[union-attr]


def test_an_http_date_without_a_zone_is_taken_as_utc() -> None:
    assert http_date("Mon, 23 Nov 2026 12:00:00 -0000") == NOW
