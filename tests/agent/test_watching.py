"""What is said of how the drop folder is watched: which of the three ways tells that a file is open."""

from __future__ import annotations

import os
import sys

import pytest

from tests.agent.test_open_files import somebody
from watcher.agent.start.watching import Watching

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux")
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="it takes two users")


@linux
@as_root
@pytest.mark.parametrize(
    ("events", "words"),
    [
        (True, "events and looks; open files by lease, those of other users by events"),
        (
            False,
            "looks alone; open files by lease; of those of other users nothing tells, such a file must be "
            "still for 30 s",
        ),
    ],
)
def test_an_ordinary_user_is_told_what_becomes_of_the_files_of_others(events: bool, words: str) -> None:
    with somebody():
        assert Watching(quiet=2.0, network=False, events=events, unsure=30.0).words == words


@pytest.mark.parametrize(("quiet", "seconds"), [(5.0, "30"), (60.0, "60")])
def test_on_a_share_nothing_tells_whoever_asks(quiet: float, seconds: str) -> None:
    how = Watching(quiet=quiet, network=True, events=False, unsure=30.0)

    assert how.open_files == (f"nothing tells which files are open, a file must be still for {seconds} s")
