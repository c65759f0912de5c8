"""Finished files under their outcome: free names, markers, and going on after a crash anywhere."""

import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.disk.test_files import elsewhere
from tests.made import made_row
from watcher.core.errors import Gone, Outside
from watcher.core.model import FileState, Fingerprint, Row
from watcher.disk import filing
from watcher.disk.failed import failed_files
from watcher.disk.filing import plan, put_back, report_text
from watcher.disk.places import Places

__all__ = ["elsewhere"]
NOW = datetime(2026, 11, 23, 19, 24, 39, tzinfo=UTC)
OLD = 1_600_000_000_123_456_700  # a modification time, in nanoseconds
STAMP = "20261123T192439Z"
TOKEN = "2f1c7f3e"


class World:
    """The folders, and one claimed file with its marker."""

    def __init__(self, root: Path, name: str = "a.csv") -> None:
        self.drop, self.done, self.failed = root / "drop", root / "done", root / "failed"
        self.own = root / "work" / "agent" / TOKEN
        for folder in (self.drop, self.done, self.failed, self.own):
            folder.mkdir(parents=True)
        self.source = self.own / name
        self.source.write_bytes(b"1,2\n")
        (self.own / f"{name}.ok").write_bytes(b"")
        os.utime(self.source, ns=(OLD, OLD))
        self.look = Fingerprint.of(self.source.stat())

    def entry(self, state: FileState, target: Path, **changes: Any) -> Row:
        """The row of the claimed file."""
        facts = {
            "name": self.source.name,
            "source": str(self.source),
            "push_token": TOKEN,
            "fingerprint": self.look,
            "target": str(target),
            "finished_at": "2026-11-23T19:24:39.000Z",
            "reason": "HTTP 400: the server refused the data",
            "what_to_do": "mend it",
        }
        return made_row(state, **(facts | changes))

    def files(self) -> dict[str, list[str]]:
        """Everything in the folders, by folder."""
        return {
            folder.name: sorted(path.name for path in folder.iterdir())
            for folder in (self.drop, self.done, self.failed, self.own.parent)
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The folders with one claimed file."""
    return World(tmp_path)


def finish(entry: Row) -> bool:
    """Move the file of a row; done has no folders by day here."""
    return filing.finish(Places(*[Path("nowhere")] * 5), entry)


# -- names --------------------------------------------------------------------------------------------


def test_a_free_name_is_kept_and_a_taken_one_gets_a_stamp_then_a_number(world: World) -> None:
    assert plan(world.done, "a.csv", NOW) == world.done / "a.csv"
    (world.done / "a.csv").touch()
    assert plan(world.done, "a.csv", NOW) == world.done / f"a.{STAMP}.csv"
    (world.done / f"a.{STAMP}.csv").touch()
    assert plan(world.done, "a.csv", NOW) == world.done / f"a.{STAMP}-2.csv"


def test_a_dangling_link_takes_a_name_too(world: World) -> None:
    (world.done / "a.csv").symlink_to("nowhere")

    assert plan(world.done, "a.csv", NOW) == world.done / f"a.{STAMP}.csv"


def test_a_failed_files_name_is_free_only_if_its_reports_name_is(world: World) -> None:
    (world.failed / "a.csv.error.txt").touch()

    assert plan(world.failed, "a.csv", NOW, with_report=True) == world.failed / f"a.{STAMP}.csv"
    assert plan(world.failed, "a.csv", NOW) == world.failed / "a.csv"


def test_two_long_names_with_one_beginning_get_two_reports(world: World) -> None:
    for last in "xy":
        name = "n" * 250 + last + ".csv"
        target = plan(world.failed, name, NOW, with_report=True)
        source = world.own.parent / last / name
        source.parent.mkdir()
        source.write_bytes(last.encode())
        assert finish(world.entry(FileState.REJECTED, target, name=name, source=str(source)))

    reports = [path for path in world.failed.iterdir() if path.name.endswith(".error.txt")]
    assert {yaml.safe_load(path.read_bytes())["file"][250] for path in reports} == {"x", "y"}


def test_a_marker_whose_name_would_be_too_long_with_the_stamp_holds_nothing_up(tmp_path: Path) -> None:
    """Otherwise its folder is held for ever: a name too long looks like a fault of the folder."""
    name = "n" * 244 + ".csv"
    world = World(tmp_path, name)
    (world.failed / name).touch()
    target = plan(world.failed, name, NOW, with_report=True)

    assert finish(world.entry(FileState.REJECTED, target))
    assert target.exists()
    assert world.files()["agent"] == []


def test_a_folder_that_is_away_holds_and_nothing_moves(world: World) -> None:
    world.done.rmdir()

    with pytest.raises(Outside) as caught:
        plan(world.done, "a.csv", NOW)
    assert str(caught.value.target) == f"folder {world.done}"
    with pytest.raises(Outside):
        finish(world.entry(FileState.DELIVERED, world.done / "a.csv"))
    assert world.source.exists()
    assert not world.done.exists()


# -- outcomes -----------------------------------------------------------------------------------------


def test_a_delivered_file_and_its_marker_go_to_done_with_the_old_time(world: World) -> None:
    assert finish(world.entry(FileState.DELIVERED, world.done / "a.csv"))

    assert world.files() == {"drop": [], "done": ["a.csv", "a.csv.ok"], "failed": [], "agent": []}
    assert (world.done / "a.csv").read_bytes() == b"1,2\n"
    assert (world.done / "a.csv").stat().st_mtime_ns == OLD


def test_a_rejected_file_has_its_report_beside_it(world: World) -> None:
    entry = world.entry(FileState.REJECTED, world.failed / f"a.{STAMP}.csv")

    assert finish(entry)
    assert world.files()["failed"] == [f"a.{STAMP}.csv{end}" for end in ("", ".error.txt", ".ok")]
    assert (world.failed / f"a.{STAMP}.csv.error.txt").read_bytes().decode() == report_text(entry)
    assert world.files()["agent"] == []


def test_a_changed_file_and_its_marker_go_back_to_the_drop_folder(world: World) -> None:
    assert finish(world.entry(FileState.CHANGED, world.drop / "a.csv"))

    assert world.files() == {"drop": ["a.csv", "a.csv.ok"], "done": [], "failed": [], "agent": []}


def test_a_marker_that_goes_back_is_never_taken_for_that_of_another_file(world: World) -> None:
    """A new `a.csv` is being written there by now: with the old marker beside it, it would be sent half."""
    (world.drop / "a.csv").write_bytes(b"half")

    assert finish(world.entry(FileState.CHANGED, world.drop / f"a.{STAMP}.csv"))
    assert "a.csv.ok" not in world.files()["drop"]


def test_a_target_that_was_taken_meanwhile_is_left_alone_and_another_one_is_asked_for(world: World) -> None:
    (world.done / "a.csv").write_bytes(b"other")

    assert not finish(world.entry(FileState.DELIVERED, world.done / "a.csv"))
    assert (world.done / "a.csv").read_bytes() == b"other"
    assert world.source.exists()


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_what_came_in_the_place_of_a_marker_keeps_no_file_from_its_place(
    world: World, tmp_path: Path, request: pytest.FixtureRequest, far: bool, what: str
) -> None:
    """As a link put there right before the claim, which cannot be copied to another disk."""
    done = request.getfixturevalue("elsewhere") if far else world.done
    marker, secret = world.own / "a.csv.ok", tmp_path / "secret"
    secret.touch()
    marker.unlink()
    {"link": lambda: marker.symlink_to(secret), "pipe": lambda: os.mkfifo(marker), "folder": marker.mkdir}[
        what
    ]()

    assert finish(world.entry(FileState.DELIVERED, done / "a.csv"))

    assert [path.name for path in done.iterdir()] == ["a.csv"]
    assert os.path.lexists(marker) == (what == "folder")
    assert secret.exists()


def test_a_file_that_is_in_neither_place_is_gone(world: World) -> None:
    world.source.unlink()

    with pytest.raises(Gone):
        finish(world.entry(FileState.DELIVERED, world.done / "a.csv"))


def test_a_work_folder_that_is_away_is_a_hold_and_not_a_loss(world: World) -> None:
    world.own.parent.rename(world.own.parent.with_name("unmounted"))

    with pytest.raises(Outside):
        finish(world.entry(FileState.DELIVERED, world.done / "a.csv"))


# -- crashes ------------------------------------------------------------------------------------------


def linked(world: World, target: Path) -> None:
    os.link(world.source, target)


def moved(world: World, target: Path) -> None:
    world.source.rename(target)


def marker_linked(world: World, target: Path) -> None:
    moved(world, target)
    os.link(world.own / "a.csv.ok", target.with_name("a.csv.ok"))


def marker_moved(world: World, target: Path) -> None:
    moved(world, target)
    (world.own / "a.csv.ok").rename(target.with_name("a.csv.ok"))


def report_half_written(world: World, target: Path) -> None:
    marker_moved(world, target)
    world.own.with_name(f"{TOKEN}.report").write_bytes(b"file: a")


def report_linked(world: World, target: Path) -> None:
    marker_moved(world, target)
    draft = world.own.with_name(f"{TOKEN}.report")
    draft.write_bytes(report_text(world.entry(FileState.REJECTED, target)).encode())
    os.link(draft, target.with_name(f"{target.name}.error.txt"))


def finished(world: World, target: Path) -> None:
    finish(world.entry(FileState.REJECTED, target))


@pytest.mark.parametrize(
    "crashed_after",
    [linked, moved, marker_linked, marker_moved, report_half_written, report_linked, finished],
)
def test_a_crash_between_any_two_steps_leaves_nothing_undone_and_nothing_twice(
    crashed_after: Callable[[World, Path], None], world: World
) -> None:
    target = world.failed / "a.csv"
    entry = world.entry(FileState.REJECTED, target)
    crashed_after(world, target)

    assert finish(entry)
    assert world.files() == {
        "drop": [],
        "done": [],
        "failed": ["a.csv", "a.csv.error.txt", "a.csv.ok"],
        "agent": [],
    }
    assert target.stat().st_mtime_ns == OLD
    assert target.with_name("a.csv.error.txt").read_bytes() == report_text(entry).encode()


def test_a_file_that_lies_where_the_report_should_go_is_kept(world: World) -> None:
    (world.failed / "a.csv.error.txt").write_bytes(b"somebody's notes")

    assert finish(world.entry(FileState.REJECTED, world.failed / "a.csv"))
    assert (world.failed / "a.csv.error.txt").read_bytes() == b"somebody's notes"
    assert "a.csv.error.txt.1" in world.files()["failed"]


# -- back into the drop folder ------------------------------------------------------------------------


def test_a_file_is_put_back_under_its_name_or_a_stamped_one_with_its_time(world: World) -> None:
    target = put_back(world.source, world.drop, "a.csv", NOW)
    assert (target, target.stat().st_mtime_ns) == (world.drop / "a.csv", OLD)

    world.source.write_bytes(b"again")
    assert put_back(world.source, world.drop, "a.csv", NOW) == world.drop / f"a.{STAMP}.csv"
    assert world.files()["drop"] == [f"a.{STAMP}.csv", "a.csv"]


# -- bad records --------------------------------------------------------------------------------------


def zipped(tmp_path: Path, inner: str, name: str = "events.csv.zip") -> World:
    """A delivered zip whose bad records wait for their place."""
    world = World(tmp_path, name)
    with zipfile.ZipFile(world.source, "w") as archive:
        archive.writestr(inner, "1,2\n")
    os.utime(world.source, ns=(OLD, OLD))
    world.look = Fingerprint.of(world.source.stat())
    Path(filing.aside_draft(str(world.source))).write_bytes(b"bad\n")
    return world


def chosen(world: World, **changes: Any) -> Row:
    """The row with the place that is chosen for its bad records."""
    places = Places(world.drop, world.own.parent, world.done, world.failed, Path("nowhere"))
    row = world.entry(FileState.DELIVERED, world.done / "nowhere", **changes)
    place = filing.choose(places, row, NOW)
    return world.entry(FileState.DELIVERED, Path(str(place.target)), aside=place.aside)


@pytest.mark.parametrize(
    ("inner", "name"),
    [
        ("mine.csv", "mine.csv"),
        ("x" * 300 + ".csv", "events.csv"),
        ("ü" * 150 + ".csv", "events.csv"),
        (".bad.part", "events.csv"),
        ("a.csv.error.txt", "events.csv"),
        ("C:events.csv", "events.csv"),
    ],
)
def test_bad_records_have_the_name_that_is_in_the_zip_unless_no_file_of_ours_may_have_it(
    tmp_path: Path, inner: str, name: str
) -> None:
    world = zipped(tmp_path, inner)

    assert finish(chosen(world))

    assert sorted(path.name for path in world.failed.iterdir()) == [name, f"{name}.error.txt"]
    assert [path.name for path in failed_files(world.failed)] == [name]


def test_bad_records_of_a_zip_that_is_named_like_half_a_copy_are_seen(tmp_path: Path) -> None:
    world = zipped(tmp_path, ".bad.part", ".events.part.zip")

    assert finish(chosen(world))

    assert [path.name for path in failed_files(world.failed)] == ["events.part"]


def test_a_place_whose_name_is_too_long_is_chosen_anew(tmp_path: Path) -> None:
    """As an earlier version took it from a zip: the delivered file was held for ever."""
    world = zipped(tmp_path, "x" * 300 + ".csv")
    planned = str(world.failed / ("x" * 300 + ".csv"))

    assert not finish(world.entry(FileState.DELIVERED, world.done / world.source.name, aside=planned))
    assert finish(chosen(world, aside=planned))

    assert [path.name for path in failed_files(world.failed)] == ["events.csv"]
    assert [path.name for path in world.done.iterdir() if path.suffix == ".zip"] == [world.source.name]
