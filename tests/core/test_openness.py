"""What events tell of who has a file open for writing; as the kernel sends them (tried in `test_writers`)."""

from __future__ import annotations

import pytest

from watcher.core.openness import (
    CLOSE_NOWRITE,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    IGNORED,
    ISDIR,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    OPEN,
    Q_OVERFLOW,
    UNMOUNT,
    OpenFiles,
    Openness,
)

A, B = "a.csv", "b.csv.part"
WRITTEN = (CREATE, OPEN, MODIFY, CLOSE_WRITE)


def told(*masks: int) -> Openness:
    """What is known of a file behind these events of it."""
    files = OpenFiles()
    files.hear((mask, 0, A) for mask in masks)
    return files.openness(A)


@pytest.mark.parametrize(
    "events",
    [
        (CREATE, OPEN),
        (CREATE, OPEN, MODIFY),
        (CREATE, OPEN, MODIFY, OPEN, CLOSE_NOWRITE),
        (CREATE, OPEN, CLOSE_NOWRITE, MODIFY),
        (*WRITTEN, OPEN, MODIFY),
        (*WRITTEN, MODIFY, OPEN),
        (*WRITTEN, OPEN, OPEN, MODIFY, CLOSE_WRITE, MODIFY),
        (*WRITTEN, OPEN, CLOSE_NOWRITE, MODIFY, MODIFY),
        (OPEN, MODIFY),
        (MODIFY,),
        (DELETE, CREATE, OPEN, MODIFY),
    ],
    ids=[
        "created, nothing written yet",
        "created and written",
        "a reader came and went meanwhile",
        "its open and a reader's were one event",
        "opened again and written",
        "cut to nothing by its open",
        "two writers, one of which ended",
        "the same, opened again",
        "there before, and written since",
        "there before and open, and written since",
        "deleted and made again",
    ],
)
def test_a_file_that_was_written_and_not_closed_since_is_open(events: tuple[int, ...]) -> None:
    assert told(*events) is Openness.OPEN


@pytest.mark.parametrize(
    "events",
    [
        WRITTEN,
        (CREATE, OPEN, CLOSE_WRITE),
        (*WRITTEN, OPEN, CLOSE_NOWRITE),
        (*WRITTEN, OPEN),
        (*WRITTEN, OPEN, MODIFY, CLOSE_WRITE),
        (*WRITTEN, MODIFY, OPEN, MODIFY, CLOSE_WRITE),
        (MODIFY, CLOSE_WRITE),
        (CREATE, OPEN, MODIFY, OPEN, CLOSE_WRITE, CLOSE_NOWRITE),
        (CREATE, OPEN, OPEN, MODIFY, CLOSE_WRITE, MODIFY, CLOSE_WRITE),
    ],
    ids=[
        "written",
        "left empty",
        "read",
        "being read",
        "appended to",
        "written anew",
        "there before, and written since",
        "its reader went last",
        "two writers, both ended",
    ],
)
def test_a_file_that_all_its_writers_closed_is_closed(events: tuple[int, ...]) -> None:
    assert told(*events) is Openness.CLOSED


@pytest.mark.parametrize(
    "events",
    [
        (),
        (OPEN, CLOSE_NOWRITE),
        (CREATE,),
        (CREATE, OPEN, CLOSE_NOWRITE),
        (CREATE, OPEN, OPEN, CLOSE_NOWRITE),
        (*WRITTEN, MODIFY),
        (CREATE, OPEN, MODIFY, OPEN, CLOSE_WRITE),
        (*WRITTEN, DELETE),
    ],
    ids=[
        "there before",
        "there before, and read",
        "a second name of another file",
        "the same, and read",
        "the same, and read twice, with one end told for both",
        "cut to a length by its name",
        "one of two that have it open ended: was the other one a reader?",
        "deleted",
    ],
)
def test_of_what_was_not_seen_nothing_is_told(events: tuple[int, ...]) -> None:
    assert told(*events) is Openness.UNKNOWN


@pytest.mark.parametrize(("events", "openness"), [(WRITTEN[:3], Openness.OPEN), (WRITTEN, Openness.CLOSED)])
def test_a_rename_takes_along_what_is_known(events: tuple[int, ...], openness: Openness) -> None:
    files = OpenFiles()
    files.hear((mask, 0, B) for mask in events)
    files.hear((mask, 0, A) for mask in WRITTEN)

    files.hear([(MOVED_FROM, 7, B), (MODIFY, 0, "other.csv"), (MOVED_TO, 7, A)])

    assert (files.openness(A), files.openness(B)) == (openness, Openness.UNKNOWN)


def test_of_a_file_that_is_moved_in_from_elsewhere_nothing_is_known() -> None:
    files = OpenFiles()
    files.hear((mask, 0, A) for mask in WRITTEN)
    files.hear((MOVED_FROM, cookie, f"{cookie}.csv") for cookie in range(1000))  # claimed, all of them

    files.hear([(MOVED_TO, 5000, A)])

    assert files.openness(A) is Openness.UNKNOWN


@pytest.mark.parametrize(("mask", "ended"), [(Q_OVERFLOW, False), (IGNORED, True), (UNMOUNT, True)])
def test_when_events_are_lost_or_end_nothing_is_known_any_more(mask: int, *, ended: bool) -> None:
    files = OpenFiles()
    files.hear((event, 0, A) for event in WRITTEN)

    files.hear([(mask, 0, "")])

    assert (files.openness(A), files.ended) == (Openness.UNKNOWN, ended)


def test_folders_count_for_nothing() -> None:
    files = OpenFiles()

    files.hear([(CREATE | ISDIR, 0, A), (OPEN | ISDIR, 0, A), (OPEN | ISDIR, 0, "")])

    assert files.openness(A) is Openness.UNKNOWN


def test_the_end_of_a_writer_is_told_once() -> None:
    files = OpenFiles()

    assert not files.hear([(CREATE, 0, A), (OPEN, 0, A), (MODIFY, 0, A)])
    assert files.hear([(CLOSE_WRITE, 0, A)])
    assert not files.hear([(OPEN, 0, A), (CLOSE_NOWRITE, 0, A)])
