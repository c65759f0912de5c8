"""Durations and sizes as people write them, and times as the journal does."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from watcher.core.units import byte_count, seconds, seconds_with_unit, utc_text


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("2s", 2), ("5m", 300), ("24h", 86400), ("30d", 2_592_000), (7, 7), ("1.5 h", 5400)],
)
def test_durations(text: object, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1MB", 10**6), ("1MiB", 2**20), ("500kB", 500_000), ("16 KiB", 16384), (7, 7), ("1.5MB", 1_500_000)],
)
def test_sizes(text: object, value: int) -> None:
    assert byte_count(text) == value


@pytest.mark.parametrize("text", ["", "s", "-1s", "2 weeks", "1M", "2MB", "1,5s", True, None, -1, []])
def test_what_is_no_duration_is_refused_with_the_remedy(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 500ms"):
        seconds(text)


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "2 bags", "1M", "5s", "1,5MB", "0.5", True, None, -1, []])
def test_what_is_no_size_is_refused_with_the_remedy(text: object) -> None:
    with pytest.raises(ValueError, match="must be a size such as 500kB"):
        byte_count(text)


def test_a_number_of_hundreds_of_digits_is_refused_and_breaks_nothing() -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        seconds("9" * 400)
    with pytest.raises(ValueError, match="must be a size"):
        byte_count("9" * 400)


@pytest.mark.parametrize("read", [seconds, seconds_with_unit])
def test_a_duration_that_no_clock_holds_is_refused(read: Callable[[object], float]) -> None:
    assert read("36500d") == 36_500 * 86_400
    for text in ("36501d", "99999999999d", "999999999999999999d"):
        with pytest.raises(ValueError, match="is more than 100 years"):
            read(text)


def test_a_size_that_no_disk_has_is_refused() -> None:
    assert byte_count("1000TB") == 10**15
    for text in ("1000TiB", "999999999999TB", 10**16, 1e300):
        with pytest.raises(ValueError, match="is more than 1000TB"):
            byte_count(text)


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    from_berlin = datetime.fromisoformat("2026-11-23T20:24:39.123456+01:00")
    now = datetime(2026, 11, 23, 19, 24, 39, 123456, tzinfo=UTC)
    assert utc_text(from_berlin) == utc_text(now) == "2026-11-23T19:24:39.123Z"
