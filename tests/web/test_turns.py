"""Answers that come late, in a real browser: what an older one says never takes the place of a newer one."""

from __future__ import annotations

from typing import Any

from tests.agent.test_agent import gated, until
from tests.conftest import World, rows
from tests.web.conftest import Open
from tests.web.page import page, running

_ROUND_TRIP = "fetch('icon.svg').then((answer) => answer.text())"


class Late:
    """A route that holds the first answer back, as it was when it was asked for."""

    def __init__(self, tab: Any, pattern: str) -> None:
        self._has_begun = False  # to hold one: a second may come while that is fetched
        self._held: tuple[Any, Any] | None = None
        self._tab = tab
        tab.route(pattern, self)

    def __call__(self, route: Any) -> None:
        if self._has_begun:
            route.continue_()
        else:
            self._has_begun = True
            self._held = (route, route.fetch())

    def wait(self) -> None:
        """Wait until there is one."""
        until(self._is_held)

    def _is_held(self) -> bool:
        self._tab.evaluate(_ROUND_TRIP)  # what came meanwhile is dealt with
        return self._held is not None

    def arrive(self) -> None:
        """Let it come now, and the page deal with it."""
        assert self._held is not None
        route, answer = self._held
        with self._tab.expect_request_finished(lambda request: request == route.request):
            route.fulfill(response=answer)
        self._tab.evaluate(_ROUND_TRIP)


def test_an_older_answer_that_comes_late_puts_no_older_state_over_a_files_view(
    world: World, opened: Open
) -> None:
    gate = gated(world)
    with running(world) as url:
        tab = opened(url)
        world.drop("agent_events.csv", rows(12))
        assert gate.reached.wait(20)
        late = Late(tab, "**/api/file?*")
        tab.locator("#way").get_by_role("link", name="agent_events.csv").click()
        tab.get_by_text("Looking it up").wait_for()
        late.wait()
        gate.open.set()
        tab.locator("#file-state.good", has_text="done").wait_for()
        late.arrive()
        assert tab.locator("#file-state").inner_text() == "done"
        tab.close()


def test_an_older_answer_that_comes_late_puts_no_older_list_over_a_newer_one(
    world: World, opened: Open
) -> None:
    with page(world) as served:
        tab = opened(served.url)
        late = Late(tab, "**/api/now")
        tab.reload()
        tab.get_by_text("The drop folder is empty.").wait_for()
        late.wait()
        world.drop("agent_events.csv", rows(1))
        tab.locator("#waiting a.name").wait_for()
        late.arrive()
        assert tab.locator("#waiting a.name").count() == 1
        tab.close()
