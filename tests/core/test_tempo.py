"""How fast a server lets us go, against servers that count."""

from __future__ import annotations

import pytest

from watcher.core.tempo import Tempo


@pytest.mark.parametrize("limit", [0.1, 1.0, 7.0])
def test_one_in_twenty_requests_is_refused_at_most_whatever_the_limit_is(limit: float) -> None:
    tempo, now, taken_at, refused = Tempo(), 0.0, float("-inf"), []
    for number in range(500):
        now = max(now, tempo.due_at)
        tempo.sent(now)
        if now - taken_at >= limit:
            tempo.passed()
            taken_at = now
        else:
            tempo.refused()
            refused.append(number)
            now += limit  # as `Retry-After` asks

    assert len([number for number in refused if number > 50]) <= 450 / 20
    assert tempo.gap < 3 * limit


def test_a_server_that_refuses_everything_for_a_while_does_not_slow_what_comes_behind() -> None:
    tempo = Tempo()
    for number in range(100):
        tempo.sent(float(number))
        tempo.refused()

    assert tempo.gap < 0.1


def test_without_refusals_nothing_waits() -> None:
    tempo = Tempo()
    tempo.sent(1000.0)
    tempo.passed()

    assert tempo.due_at <= 1000.0
