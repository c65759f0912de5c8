"""How often the page's data are looked at: by a loop whose time is the test's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from watcher.web.feed import LOOK_SECONDS, REST_PER_LOOK, Feed


class MovedLoop(asyncio.SelectorEventLoop):
    """An event loop that a test moves forward."""

    seconds = 1000.0

    def time(self) -> float:
        return self.seconds


def looks(each: list[float], pauses: list[float]) -> list[int]:
    """The number of looks made after each pause, when the looks take so many seconds, one after the other."""
    loop = MovedLoop()
    made: list[float] = []

    async def look() -> dict[str, Any]:
        loop.seconds += each[len(made)]
        made.append(loop.seconds)
        return {"look": len(made)}

    async def ask() -> list[int]:
        feed, counts = Feed(look), []
        for pause in [0.0, *pauses]:
            loop.seconds += pause
            assert await feed.now() == f'{{"look":{len(made)}}}'
            counts.append(len(made))
        return counts

    try:
        return loop.run_until_complete(ask())
    finally:
        loop.close()


def test_a_short_look_is_made_once_a_second_however_many_ask() -> None:
    assert looks([0.0] * 9, [0.0, 0.0, LOOK_SECONDS, 0.5, 0.5]) == [1, 1, 1, 2, 2, 3]


def test_looks_that_take_long_take_a_tenth_of_the_time() -> None:
    rest = 3 * REST_PER_LOOK

    assert looks([3.0] * 9, [LOOK_SECONDS, rest - 1, 1, rest - 1, 1]) == [1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("slow", [0, 1, 4])
def test_one_look_that_took_long_does_not_keep_the_page_from_the_next(slow: int) -> None:
    each = [0.01] * 9
    each[slow] = 5.0

    assert looks(each, [LOOK_SECONDS] * 6) == [1, 2, 3, 4, 5, 6, 7]
