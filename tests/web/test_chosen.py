"""An act on the page is about the very file that was shown, whatever its name, and whatever has it now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.agent.test_agent import log_of, until
from tests.conftest import World, answer, rows
from tests.web.conftest import Open
from tests.web.page import Page, page, running
from tests.web.test_acts import ALL, LOGIN, PASSWORD, key, known_key, move, post

NAME = "agent_events.csv"
BAD = 'a,"b\n'


@pytest.fixture
def served(world: World) -> Iterator[Page]:
    """A page on which everything may be done."""
    with page(world, password=PASSWORD, actions=ALL) as found:
        yield found


def test_a_newer_file_that_failed_under_the_name_is_not_sent_again_in_the_place_of_the_one_shown(
    served: Page, world: World
) -> None:
    world.drop(NAME, BAD)
    assert world.run_once() == 1
    shown = known_key(served.url, "failed", NAME)
    for path in world.path("failed").iterdir():
        path.unlink()
    world.drop(NAME, 'other,"\n')
    assert world.run_once() == 1

    assert move(served.url, "retry", NAME, shown) == (
        409, f"{NAME}: it is not there any more as it was shown; look again"
    )  # fmt: skip
    assert world.files("failed")[NAME] == b'other,"\n'
    assert world.files("drop") == {}


def test_the_same_file_that_failed_once_more_is_another_row_than_the_one_shown(
    served: Page, world: World
) -> None:
    world.drop(NAME, BAD)
    assert world.run_once() == 1
    shown = known_key(served.url, "failed", NAME)
    assert move(served.url, "retry", NAME, shown)[0] == 200
    assert world.run_once() == 1  # the same bytes, inode and time

    assert move(served.url, "retry", NAME, shown)[0] == 409
    # A look is shown for a second or so.
    until(lambda: move(served.url, "retry", NAME, known_key(served.url, "failed", NAME))[0] == 200)


@pytest.mark.parametrize("how", ["replaced", "written over"])
def test_a_newer_file_that_waits_under_the_name_is_not_taken_out(
    served: Page, world: World, how: str
) -> None:
    assert world.run_once() == 0  # there is a journal
    world.drop(NAME, rows(1))
    path = world.path("drop") / NAME
    os.utime(path, (1, 1))
    shown = known_key(served.url, "waiting", NAME)
    if how == "replaced":
        other = world.root / "other"
        other.write_text(rows(1))
        os.utime(other, (1, 1))
        other.replace(path)
    else:
        path.write_text(rows(1))

    assert move(served.url, "withdraw", NAME, shown) == (
        409, f"{NAME}: it is not in the queue any more as it was shown; look again"
    )  # fmt: skip
    assert world.files("drop") == {NAME: rows(1).encode()}


def test_of_two_files_of_one_name_the_one_shown_is_taken_out_even_when_it_was_claimed_meanwhile(
    world: World,
) -> None:
    world.server.always = answer(503)
    world.settings["upload"]["retry_cap"] = "200ms"
    world.drop(NAME, rows(2))
    look = os.lstat(world.path("drop") / NAME)
    waited = f"{look.st_dev:x}-{look.st_ino:x}-{look.st_size:x}-{look.st_mtime_ns:x}"
    with running(world, password=PASSWORD, actions=ALL) as url:
        until(lambda: "holding" in log_of(world))
        world.drop(NAME, rows(5))
        assert move(url, "withdraw", NAME, waited)[0] == 200

    assert world.files("failed")[NAME] == rows(2).encode()
    assert set(world.files("failed")) == {NAME, f"{NAME}.error.txt"}


def test_an_act_that_does_not_say_which_file_of_the_name_does_nothing(served: Page, world: World) -> None:
    world.drop(NAME, BAD)
    assert world.run_once() == 1

    assert post(served.url, f"/api/acts/retry?name={quote(NAME)}", x_watcher_page=key(served.url)) == (
        422, "it was not said which file of that name; load the page anew"
    )  # fmt: skip
    assert NAME in world.files("failed")


def test_a_question_that_stays_open_while_the_file_is_replaced_is_answered_for_the_one_it_named(
    world: World, opened: Open
) -> None:
    world.drop(NAME, BAD)
    assert world.run_once() == 1
    with page(world, password=PASSWORD, actions=ALL) as found:
        tab = opened(found.url, http_credentials=LOGIN, expected="status of 409")
        tab.get_by_role("button", name=f"Send again: {NAME}").click()
        (world.path("failed") / NAME).write_text("newer")
        tab.locator("#ask-yes").click()
        tab.locator("#said .bad", has_text="as it was shown; look again").wait_for()
        tab.close()
    assert world.files("drop") == {}
