"""The drop folder over time: a clock that the tests move, and real files."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from watcher.agent.queue.drop_watcher import SHORTEST_PAUSE_SECONDS, DropWatcher
from watcher.core.errors import Outside
from watcher.core.model import Fingerprint, Route
from watcher.core.order import Waiting
from watcher.core.route import compiled_glob
from watcher.core.settle import EMPTY_PATIENCE, Ready, Wait, in_doubt
from watcher.disk.drop import Drop
from watcher.report.stream import Stream

QUIET, RESCAN = 2.0, 30.0
LONG = 10.0  # seconds of real time to wait for what must happen
linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux")


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Folder:
    """A drop folder, a watcher on it, and the clock between."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.woken = threading.Event()
        self.opened: list[DropWatcher] = []
        path.mkdir()

    def watcher(self, *, marker: str | None = None, **options: Any) -> DropWatcher:
        route = Route(
            "agent-events", (compiled_glob("*.csv"),), "http://127.0.0.1:1/", "text/csv", "csv", marker=marker
        )
        settings = {"quiet": QUIET, "rescan": RESCAN, "ignore_unmatched": False, "events": False}
        self.opened.append(
            DropWatcher(
                Drop(self.path, ["*.tmp"], network=False),
                [route],
                wake=self.woken.set,
                stream=Stream(),
                clock=self.clock,
                **(settings | options),
            )
        )
        return self.opened[-1]

    def write(self, name: str, content: bytes = b"a,1\n") -> Path:
        path = self.path / name
        path.write_bytes(content)
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "drop")
    yield made
    for watcher in made.opened:
        watcher.stop()


def only(waiting: Sequence[Waiting]) -> Waiting:
    (file,) = waiting
    return file


def is_ready(watcher: DropWatcher) -> bool:
    return isinstance(only(watcher.look().waiting).verdict, Ready)


@pytest.mark.parametrize("age", [10.0, 86_400.0 * 365, -86_400.0], ids=["new", "old", "from the future"])
def test_quiet_counts_from_the_first_look_whatever_the_modification_time(folder: Folder, age: float) -> None:
    path = folder.write("a.csv")
    when = path.stat().st_mtime - age
    os.utime(path, (when, when))  # Explorer keeps the old time of what it copies
    watcher = folder.watcher()

    assert not is_ready(watcher)
    folder.clock.now += QUIET - 0.01
    assert not is_ready(watcher)
    folder.clock.now += 0.01
    assert is_ready(watcher)


def test_a_file_whose_end_is_in_doubt_waits_as_an_empty_one_does_from_when_it_was_first_still(
    folder: Folder,
) -> None:
    path = folder.write("a.csv", b"a,1\nb")
    watcher = folder.watcher()
    watcher.look()
    folder.clock.now += QUIET
    assert is_ready(watcher)

    words = watcher.doubts.ask(path, Fingerprint.of(path.stat()), only(watcher.look().waiting).route)
    file = only(watcher.look({"a.csv": folder.clock.now}).waiting)

    assert words == "its last line has 1 field and no line end, all others have 2"
    assert file.verdict == Wait(f"perhaps not written to its end: {words}", 1000.0 + QUIET * EMPTY_PATIENCE)
    folder.clock.now = 1000.0 + QUIET * EMPTY_PATIENCE
    assert is_ready(watcher)
    assert only(watcher.look().waiting).doubt == words


def test_one_in_doubt_that_was_in_use_or_went_on_is_quiet_anew(folder: Folder) -> None:
    path = folder.write("a.csv", b"a,1\nb")
    watcher = folder.watcher()
    route = only(watcher.look().waiting).route
    watcher.doubts.ask(path, Fingerprint.of(path.stat()), route)
    watcher.look({"a.csv": 1000.0})
    folder.clock.now = 1000.0 + QUIET * EMPTY_PATIENCE

    file = only(watcher.look({"a.csv": folder.clock.now}).waiting)
    assert file.verdict == Wait(in_doubt(file.doubt or ""), folder.clock.now + QUIET * EMPTY_PATIENCE)
    path.write_bytes(b"a,1\nb,2\n")
    file = only(watcher.look().waiting)
    assert (file.verdict, file.doubt) == (Wait("still being written", folder.clock.now + QUIET), None)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"b,2\n")


def replace(path: Path) -> None:
    """Another file of the same size and time under the same name."""
    status = path.stat()
    fresh = path.with_name("fresh.tmp")
    fresh.write_bytes(path.read_bytes())
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(fresh, path)


def fill(path: Path) -> None:
    """Size as before, content not: what Explorer does."""
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("change", [append, replace, fill])
def test_any_change_starts_the_quiet_time_anew(folder: Folder, change: Callable[[Path], None]) -> None:
    path = folder.write("a.csv")
    watcher = folder.watcher()
    watcher.look()
    folder.clock.now += QUIET - 0.5

    change(path)

    assert not is_ready(watcher)
    folder.clock.now += QUIET - 0.01
    assert not is_ready(watcher)
    folder.clock.now += 0.01
    assert is_ready(watcher)


def test_a_name_that_was_gone_at_one_look_begins_anew(folder: Folder) -> None:
    path = folder.write("a.csv")
    watcher = folder.watcher()
    watcher.look()
    hidden = path.rename(path.with_name("a.tmp"))
    folder.clock.now += QUIET
    assert watcher.look().waiting == []

    hidden.rename(path)

    assert not is_ready(watcher)


def test_a_file_of_zero_bytes_waits_five_times_as_long(folder: Folder) -> None:
    folder.write("a.csv", b"")
    watcher = folder.watcher()
    watcher.look()

    folder.clock.now += QUIET * EMPTY_PATIENCE - 0.01
    assert only(watcher.look().waiting).verdict == Wait("empty so far", 1000.0 + QUIET * 5)
    folder.clock.now += 0.01
    assert is_ready(watcher)


def test_a_file_waits_for_its_marker_and_the_marker_is_no_file(folder: Folder) -> None:
    folder.write("a.csv")
    watcher = folder.watcher(marker="{name}.ok")
    watcher.look()
    folder.clock.now += QUIET
    assert only(watcher.look().waiting).verdict == Wait("waits for its marker a.csv.ok")

    folder.write("a.csv.ok", b"")

    look = watcher.look()
    assert isinstance(only(look.waiting).verdict, Ready)
    assert look.odd == [("a.csv.ok", "a marker file")]


@pytest.mark.parametrize("what", ["link", "dangling link", "folder"])
def test_what_is_no_file_is_no_marker_either_and_is_named(folder: Folder, what: str) -> None:
    """It could not go along with its file, and would vouch for the next one of that name."""
    folder.write("a.csv")
    marker = folder.path / "a.csv.ok"
    if what == "folder":
        marker.mkdir()
        (marker / "b.csv").touch()
    else:
        marker.symlink_to("a.csv" if what == "link" else "nowhere")
    watcher = folder.watcher(marker="{name}.ok")
    watcher.look()
    folder.clock.now += QUIET

    look = watcher.look()

    assert only(look.waiting).verdict == Wait("waits for its marker a.csv.ok")
    assert [name for name, _ in look.misplaced] == ["a.csv.ok"]


def test_a_marker_in_another_case_is_found_as_the_file_is(folder: Folder) -> None:
    folder.write("A.CSV")
    folder.write("a.csv.OK", b"")
    watcher = folder.watcher(marker="{name}.ok")
    watcher.look()
    folder.clock.now += QUIET

    look = watcher.look()

    assert isinstance(only(look.waiting).verdict, Ready)
    assert only(look.waiting).marker == "a.csv.OK"
    assert look.odd == [("a.csv.OK", "a marker file")]


def test_a_name_that_no_route_matches_is_told_or_left(folder: Folder) -> None:
    folder.write("holiday.xls")

    assert only(folder.watcher().look().waiting).route is None
    leaving = folder.watcher(ignore_unmatched=True)
    look = leaving.look()
    assert look.waiting == []
    assert [name for name, _ in look.odd] == ["holiday.xls"]
    assert "unmatched: ignore" in look.odd[0][1]


def test_what_may_not_be_opened_is_told_and_gone_when_it_is_gone(folder: Folder) -> None:
    link = folder.path / "a.csv"
    link.symlink_to("elsewhere.csv")
    watcher = folder.watcher()

    look = watcher.look()
    assert look.waiting == []
    assert [name for name, _ in look.odd] == ["a.csv"]
    link.unlink()
    assert watcher.look().odd == []


def test_the_first_look_is_due_at_once_and_the_next_with_the_rescan(folder: Folder) -> None:
    watcher = folder.watcher()
    assert watcher.due_at == 1000.0

    watcher.look()

    assert watcher.due_at == 1000.0 + RESCAN


def test_the_next_look_is_due_when_the_first_file_may_be_whole(folder: Folder) -> None:
    folder.write("a.csv")
    watcher = folder.watcher()
    watcher.look()
    assert watcher.due_at == 1000.0 + QUIET

    folder.clock.now += 1.5
    folder.write("b.csv", b"")
    watcher.look()
    assert watcher.due_at == 1000.0 + QUIET
    folder.clock.now += 0.5
    watcher.look()
    assert watcher.due_at == 1001.5 + QUIET * EMPTY_PATIENCE


def test_a_file_that_is_in_use_is_quiet_anew(folder: Folder) -> None:
    folder.write("a.csv")
    watcher = folder.watcher()
    watcher.look()
    folder.clock.now += QUIET
    assert is_ready(watcher)

    again = {"a.csv": folder.clock.now, "gone.csv": folder.clock.now}
    watcher.again_soon()

    assert watcher.due_at == folder.clock.now + QUIET
    folder.clock.now += QUIET - 0.01
    assert not isinstance(only(watcher.look(again).waiting).verdict, Ready)
    folder.clock.now += 0.01
    assert is_ready(watcher)


def test_a_hint_brings_the_look_forward_but_not_within_the_shortest_pause(folder: Folder) -> None:
    watcher = folder.watcher()
    watcher.look()
    assert not folder.woken.is_set()
    watcher.soon()
    assert watcher.due_at == 1000.0 + RESCAN

    watcher.hint()
    assert folder.woken.is_set()
    watcher.soon()
    assert watcher.due_at == 1000.0 + SHORTEST_PAUSE_SECONDS

    watcher.look()
    folder.clock.now += 10
    watcher.soon()
    assert watcher.due_at == 1000.0 + RESCAN  # that hint is used up
    watcher.hint()
    watcher.soon()
    assert watcher.due_at == 1010.0


def test_a_burst_of_hints_wakes_once_until_the_next_look(folder: Folder) -> None:
    watcher = folder.watcher()
    watcher.hint()
    folder.woken.clear()
    watcher.hint()
    assert not folder.woken.is_set()

    watcher.look()
    watcher.hint()

    assert folder.woken.is_set()


def test_a_slow_look_is_followed_by_twice_its_time(folder: Folder) -> None:
    watcher = folder.watcher()
    scan = watcher._drop.scan

    def slow() -> Any:
        folder.clock.now += 7
        return scan()

    watcher._drop.scan = slow  # type: ignore[method-assign] - a folder of a million files
    watcher.look()
    watcher.hint()
    watcher.soon()

    assert watcher.due_at == 1007.0 + 14


def test_a_folder_that_is_away_is_outside_and_what_was_known_stays_known(folder: Folder) -> None:
    folder.write("a.csv")
    watcher = folder.watcher()
    watcher.look()
    away = folder.path.rename(folder.path.with_name("away"))
    with pytest.raises(Outside):
        watcher.look()

    away.rename(folder.path)
    folder.clock.now += QUIET

    assert is_ready(watcher)


@linux
def test_events_of_the_folder_are_hints(folder: Folder) -> None:
    watcher = folder.watcher(events=True)
    watcher.look()

    folder.write("a.csv")

    assert folder.woken.wait(LONG)
    watcher.soon()
    assert watcher.due_at < 1000.0 + 1


@linux
def test_a_folder_that_was_replaced_between_two_looks_is_watched_anew(
    folder: Folder, lines: list[str]
) -> None:
    watcher = folder.watcher(events=True)
    watcher.look()
    folder.path.rename(folder.path.with_name("away"))
    folder.path.mkdir()

    watcher.look()
    folder.woken.clear()
    folder.write("a.csv")

    assert folder.woken.wait(LONG)
    watcher.look()
    assert sum("watching anew" in line for line in lines) == 1


@linux
def test_a_folder_that_was_away_for_some_looks_is_watched_again(folder: Folder, lines: list[str]) -> None:
    del lines  # the log must not go to the terminal
    watcher = folder.watcher(events=True)
    watcher.look()
    folder.path.rename(folder.path.with_name("away"))
    for _ in range(3):
        with pytest.raises(Outside):
            watcher.look()
    folder.path.mkdir()

    watcher.look()
    folder.woken.clear()
    folder.write("a.csv")

    assert folder.woken.wait(LONG)
