"""When a file should have come: local days, the two switches of the clocks, late files, files too many."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from watcher.report.expect import Expectation, duration, open_deadline

PRAGUE = ZoneInfo("Europe/Prague")
DAY = 86_400.0
DAILY = Expectation("agent-events", DAY, time(6, 30), PRAGUE)


def prague(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=PRAGUE)


def test_without_by_the_time_counts_from_the_last_file_or_from_the_beginning() -> None:
    wanted = Expectation("r", 3600)
    began = datetime(2026, 11, 24, 8, tzinfo=UTC)

    assert open_deadline(wanted, began, []) == began + timedelta(hours=1)
    later = [began + timedelta(minutes=50), began + timedelta(minutes=20)]
    assert open_deadline(wanted, began, later) == began + timedelta(minutes=110)


def test_the_first_deadline_is_the_next_one_after_the_agents_first_start() -> None:
    assert open_deadline(DAILY, prague("2026-11-24", "06:29"), []) == prague("2026-11-24", "06:30")
    assert open_deadline(DAILY, prague("2026-11-24", "06:30"), []) == prague("2026-11-25", "06:30")


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (["2026-11-24T06:10"], "2026-11-25"),  # in time
        (["2026-11-24T06:10", "2026-11-24T06:20"], "2026-11-25"),  # two in one day are no advance
        (["2026-11-24T06:10", "2026-11-24T23:50"], "2026-11-26"),  # the night before is in time
        (["2026-11-24T09:00"], "2026-11-25"),  # late: today's is still to come
        (["2026-11-24T09:00", "2026-11-25T06:00"], "2026-11-26"),
        (["2026-11-28T09:00"], "2026-11-29"),  # days of silence end with one file
    ],
)
def test_each_day_wants_a_file_of_its_own(came: list[str], expected: str) -> None:
    began = prague("2026-11-23", "12:00")
    delivered = [datetime.fromisoformat(at).replace(tzinfo=PRAGUE) for at in came]

    assert open_deadline(DAILY, began, delivered) == prague(expected, "06:30")


@pytest.mark.parametrize(
    ("day_before", "utc_before", "utc_after"),
    [
        ("2026-03-28", "05:30", "04:30"),  # summer time begins on 29 March
        ("2026-10-24", "04:30", "05:30"),  # and ends on 25 October
    ],
)
def test_the_deadline_keeps_its_local_hour_when_the_clocks_change(
    day_before: str, utc_before: str, utc_after: str
) -> None:
    first = open_deadline(DAILY, prague(day_before, "00:00"), [])
    second = open_deadline(DAILY, prague(day_before, "00:00"), [first - timedelta(minutes=5)])

    assert f"{first:%H:%M}" == utc_before
    assert f"{second:%H:%M}" == utc_after
    assert second - first == timedelta(hours=23 if "03" in day_before else 25)


def test_a_local_time_that_the_switch_skips_or_repeats_is_one_deadline() -> None:
    night = Expectation("r", DAY, time(2, 30), PRAGUE)

    skipped = open_deadline(night, prague("2026-03-29", "00:00"), [])
    repeated = open_deadline(night, prague("2026-10-25", "00:00"), [])

    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert repeated == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    met = open_deadline(night, prague("2026-10-25", "00:00"), [repeated])
    assert met == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_every_of_several_days_has_that_many_days_between_two_deadlines() -> None:
    weekly = Expectation("r", 7 * DAY, time(6, 30), PRAGUE)
    first = open_deadline(weekly, prague("2026-11-02", "12:00"), [])

    assert first == prague("2026-11-09", "06:30")
    assert open_deadline(weekly, prague("2026-11-02", "12:00"), [first]) == prague("2026-11-16", "06:30")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (90, "90 seconds"), (900, "15 minutes"), (3600, "1 hour"), (93_600, "26 hours")],
)  # fmt: skip
def test_durations_are_told_in_the_unit_that_a_person_would_take(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_what_is_expected_is_told_in_words() -> None:
    assert DAILY.words == "every day by 06:30 (Europe/Prague)"
    assert Expectation("r", 2 * DAY, time(6), PRAGUE).words == "every 2 days by 06:00 (Europe/Prague)"
    assert Expectation("r", 3600).words == "every 1 hour"
