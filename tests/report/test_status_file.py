"""What the agent tells `watcher status` on a disk that has no room left: the truth, in the room there is."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watcher.core.errors import Outside
from watcher.core.holds import Hold
from watcher.core.target import Target
from watcher.report import status_file

SINCE = datetime(2026, 11, 23, tzinfo=UTC)


def tell(state: Path) -> None:
    hold = Hold(Target("folder", "/srv/two\nlines"), "the disk is full", SINCE, 0.0, check="make\nroom")
    status_file.write(state, waiting=[("a.csv", None, "held")], number=1, holds=[hold], started_at="then")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """No new file comes into being."""

    def refuse(_source: object, _target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)


def test_holds_are_told_by_the_words_of_their_targets(tmp_path: Path) -> None:
    tell(tmp_path)

    [held] = status_file.read(tmp_path)["held"]
    assert held["target"] == "folder /srv/two\\nlines"
    assert held["check"] == "make\\nroom"


def test_on_a_full_disk_what_is_held_goes_over_what_was_told_before(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    status_file.write(tmp_path, waiting=[], number=0, holds=[], started_at="then")
    request.getfixturevalue("full")

    tell(tmp_path)

    told = status_file.read(tmp_path)
    assert (len(told["held"]), told["waiting_count"], told["waiting"]) == (1, 1, [])


@pytest.mark.usefixtures("full")
def test_a_disk_that_was_full_from_the_start_is_said_to_be_full(tmp_path: Path) -> None:
    with pytest.raises(Outside) as caught:
        tell(tmp_path)

    assert (caught.value.target, caught.value.reason) == (
        Target("folder", str(tmp_path)),
        "the disk is full",
    )
