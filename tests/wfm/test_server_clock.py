"""What time it is by the login server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from watcher.wfm.server_clock import ServerClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAID = "Mon, 23 Nov 2026 13:00:00 GMT"


class Times:
    """Two clocks of one machine."""

    def __init__(self) -> None:
        self.steady, self.day = 0.0, NOON
        self.server = ServerClock(lambda: self.steady, lambda: self.day)

    def pass_by(self, seconds: float, *, asleep: bool = False) -> None:
        """Time passes for both; the steady one stands still while the machine sleeps."""
        self.steady += 0 if asleep else seconds
        self.day += timedelta(seconds=seconds)


def test_it_goes_on_from_the_last_answer_whatever_this_machines_clock_says() -> None:
    times = Times()
    times.server.hear(SAID)
    times.pass_by(90)

    assert times.server.now() == NOON + timedelta(hours=1, seconds=90)
    assert times.server.ahead == -3600


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_it_is_not_known_before_a_server_told_it(date: str | None) -> None:
    times = Times()
    assert times.server.now() is None
    times.server.hear(date)
    assert times.server.now() is None
    assert times.server.ahead is None


def test_it_is_not_known_after_this_machines_clock_was_set_or_the_machine_slept() -> None:
    times = Times()
    times.server.hear(SAID)
    times.day += timedelta(hours=1)
    assert times.server.now() is None

    times.server.hear(SAID)
    times.pass_by(3600, asleep=True)
    assert times.server.now() is None

    times.server.hear(SAID)
    assert times.server.now() is not None
