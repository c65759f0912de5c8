"""Restarts after which something is different: the settings, the folders, the device numbers, the journal."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, World, answer, lose_answer, rows, works
from tests.disk.test_files import elsewhere
from tests.simulation import Simulation
from watcher.content import split
from watcher.core.model import FileState
from watcher.disk.owner import OWNER_FILE
from watcher.journal.sqlite import SqliteJournal
from watcher.sandbox.server import Request

__all__ = ["elsewhere"]


def interrupted(world: World) -> None:
    """One chunk is delivered, then the server is away, and the agent stops."""
    world.server.script.append(works)
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))
    assert world.run_once(patience=0.2) == 4
    world.server.always = None


def test_a_server_that_is_another_one_now_never_gets_half_a_file(world: World) -> None:
    interrupted(world)
    with Server() as other:
        world.settings["wfm"] |= {"api_url": other.url, "token_url": other.token_url}

        assert world.run_once() == 0

        (operation,) = other.operations()
        assert operation.completed
        assert operation.body == rows(12).encode()


@pytest.mark.parametrize(
    "change", [{"params": {"source": "acd2"}}, {"acd_type": "avaya"}, {"header": "drop"}]
)
def test_a_route_that_sends_otherwise_now_begins_the_file_again(world: World, change: dict[str, Any]) -> None:
    interrupted(world)
    world.settings["routes"][2] |= change

    assert world.run_once() == 0

    whole = rows(12).encode()
    (operation,) = world.completed()
    if change.get("acd_type"):  # it is the file's, from the claim on
        assert operation.body == whole
    elif "header" in change:
        assert operation.body == whole.split(b"\n", 1)[1]
    else:
        assert operation.body == whole
        assert world.server.pushes()[-1]["source"] == "acd2"


def test_a_route_that_is_gone_sends_the_file_back_to_be_routed_anew(world: World) -> None:
    interrupted(world)
    world.settings["routes"][2]["name"] = "renamed"

    assert world.run_once() == 0

    assert [(row["route"], row["state"]) for row in world.history()] == [
        ("renamed", "done"),
        ("agent-events", "returned"),
    ]
    (operation,) = world.completed()
    assert operation.body == rows(12).encode()


def test_device_numbers_that_changed_with_a_reboot_do_not_send_a_file_twice(world: World) -> None:
    world.server.script.extend([works, works, lose_answer])
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))
    assert world.run_once(patience=0.2) == 4
    world.server.always = None
    connection = sqlite3.connect(world.path("state") / "journal.db")
    connection.execute("UPDATE files SET device = '999', inode = '999'")
    connection.commit()
    connection.close()

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.body == rows(12).encode()
    assert [row["state"] for row in world.history()] == ["done"]


def test_an_installation_that_moved_goes_on_where_it_was(world: World) -> None:
    interrupted(world)
    moved = world.root.with_name("moved")
    shutil.move(world.root, moved)
    world.root = moved

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.body == rows(12).encode()
    assert set(world.files("done")) == {"agent_events.csv"}


def test_a_lost_state_folder_is_told_and_no_claimed_file_lies_unseen(world: World, lines: list[str]) -> None:
    interrupted(world)
    (claimed,) = world.work_files()
    shutil.rmtree(world.path("state"))
    world.path("state").mkdir()
    os.utime(claimed.parent.parent / OWNER_FILE, (1, 1))

    assert world.run_once() == 0

    assert any(str(claimed) in line and "`watcher withdraw`" in line for line in lines)


def test_a_file_that_somebody_took_out_of_the_work_folder_is_told_as_vanished(
    world: World, lines: list[str]
) -> None:
    interrupted(world)
    (claimed,) = world.work_files()
    claimed.unlink()

    assert world.run_once() == 0

    assert [row["state"] for row in world.history()] == ["vanished"]
    assert any("somebody took it" in line for line in lines)
    assert world.completed() == []


def test_files_in_the_work_folder_that_the_journal_does_not_know_go_back_into_the_drop_folder(
    world: World,
) -> None:
    interrupted(world)
    connection = sqlite3.connect(world.path("state") / "journal.db")
    connection.execute("DELETE FROM files")
    connection.commit()
    connection.close()

    assert world.run_once() == 0

    assert set(world.files("done")) == {"agent_events.csv"}


def test_upload_as_the_very_first_command_does_not_keep_run_from_making_the_folders(world: World) -> None:
    from tests.agent.test_agent import watcher

    for name in ("drop", "done", "failed", "state"):
        world.path(name).rmdir()
    path = world.path("agent_events.csv")
    path.write_text(rows(2))

    assert watcher(world, "upload", str(path)).returncode == 0
    assert watcher(world, "run", "--once").returncode == 0

    assert world.path("drop").is_dir()


def test_a_disk_that_fails_between_two_chunks_repeats_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Simulation(tmp_path / "world")
    text = b"".join(b"agent-%02d,ready,1\n" % number for number in range(12))
    world.drop("agent_events.csv", text)
    cut, faults = split.cut, [OSError(errno.ESTALE, "Stale file handle")]

    def failing(*args: Any, **kwargs: Any) -> Any:
        if world.wire.operations() and faults:
            raise faults.pop()
        return cut(*args, **kwargs)

    monkeypatch.setattr(split, "cut", failing)
    assert world.run() == 0

    (operation,) = world.wire.operations()
    assert operation.body == text


@pytest.mark.parametrize("mtime", [-1, 2**34, 9_300_000_000])
def test_any_modification_time_is_fine(world: World, mtime: int) -> None:
    path = world.drop("agent_events.csv", rows(2))
    os.utime(path, (mtime, mtime))
    before = path.stat().st_mtime_ns  # a file system may keep fewer bits

    assert world.run_once() == 0

    assert (world.path("done") / "agent_events.csv").stat().st_mtime_ns == before


def test_an_acd_type_that_is_no_text_is_no_acd_type(world: World) -> None:
    world.settings["routes"][2] = {
        "name": "agent-events",
        "regex": r"(?P<acd_type>[^_]+)_events.*\.csv",
        "endpoint": "agent-events",
    }
    name = os.fsdecode(b"gen\xffsis_events.csv")
    world.drop(name, rows(2))
    world.drop("genesis_events.csv", rows(2))

    assert world.run_once() == 1

    assert world.completed()[0].acd_type == "genesis"
    assert len(world.files("done")) == 1


def test_a_file_that_changes_while_it_is_inspected_is_not_failed_for_it(world: World) -> None:
    def torn(request: Request, take: Any) -> Any:
        (path,) = world.work_files()
        with path.open("a") as file:
            file.write("late,1\n")
        return answer(400, "half a row")(request, take)

    world.server.script.append(torn)
    world.drop("agent_events.csv", rows(2))

    assert world.run_once() == 0

    assert [row["state"] for row in world.history()] == ["done", "returned"]


def test_once_waits_out_the_tries_of_a_server_error_however_short_its_patience(world: World) -> None:
    world.settings["upload"] |= {"attempts": 4, "retry_cap": "300ms"}
    world.server.always = answer(500)
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=0.1) == 4  # it was tried as often as it may be, and is a suspect

    assert len(world.server.pushes()) >= 4


def lost_rename(world: World, name: str, folder: str) -> Path:
    """A file is in the work folder again, though its row says that it was moved: the power was cut."""
    (row,) = world.history()
    with closing(sqlite3.connect(world.path("state") / "journal.db")) as journal:
        ((agent_id,),) = journal.execute("SELECT value FROM meta WHERE key = 'agent_id'")
    own = world.path("drop") / ".uploading" / agent_id / row["push_token"]
    own.mkdir(parents=True, exist_ok=True)
    for above in (own, own.parent, own.parent.parent):
        above.chmod(0o700)
    (world.path(folder) / name).rename(own / name)
    return own / name


def test_a_file_that_a_lost_rename_left_in_the_work_folder_is_not_sent_again(
    world: World, lines: list[str]
) -> None:
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 0
    lost_rename(world, "agent_events.csv", "done")

    assert world.run_once() == 0

    assert len(world.server.operations()) == 1
    assert set(world.files("done")) == {"agent_events.csv"}
    assert [row["state"] for row in world.history()] == ["done"]
    assert any("it was not sent again" in line for line in lines)
    assert world.work_files() == []


def test_one_whose_content_was_lost_with_it_is_in_failed_with_a_report_and_holds_nobody(world: World) -> None:
    """A power cut: the rename is taken back, and the blocks were never written."""
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 0
    lost_rename(world, "agent_events.csv", "done").write_bytes(b"")
    world.drop("agent_events_2.csv", rows(2))

    assert world.run_once() == 0

    assert len(world.server.operations()) == 2
    assert set(world.files("done")) == {"agent_events_2.csv"}
    assert "it changed after it was delivered" in world.report("agent_events.csv")["reason"]
    assert world.work_files() == []


def test_one_whose_place_is_taken_by_now_gets_another_name_and_the_journal_knows(world: World) -> None:
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 0
    lost_rename(world, "agent_events.csv", "done")
    (world.path("done") / "agent_events.csv").write_text("somebody else's")

    assert world.run_once() == 0

    (name,) = set(world.files("done")) - {"agent_events.csv"}
    assert world.files("done")[name] == rows(3).encode()
    with closing(sqlite3.connect(world.path("state") / "journal.db")) as journal:
        ((target,),) = journal.execute("SELECT target FROM files")
    assert os.fsdecode(target) == str(world.path("done") / name)
    assert len(world.server.operations()) == 1


def test_one_that_is_in_both_places_is_in_one_again(world: World) -> None:
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 0
    left = lost_rename(world, "agent_events.csv", "done")
    os.link(left, world.path("done") / "agent_events.csv")

    assert world.run_once() == 0

    assert not left.exists()
    assert set(world.files("done")) == {"agent_events.csv"}
    assert len(world.server.operations()) == 1


def test_a_failed_file_that_a_lost_rename_left_in_the_work_folder_fails_again_with_its_report(
    world: World,
) -> None:
    world.server.script.append(answer(422, "line 2 is wrong"))
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 1
    report = world.report("agent_events.csv")
    lost_rename(world, "agent_events.csv", "failed")

    world.run_once()

    assert set(world.files("failed")) == {"agent_events.csv", "agent_events.csv.error.txt"}
    assert world.report("agent_events.csv") == report
    assert world.files("drop") == world.files("done") == {}


@pytest.mark.parametrize("last", [False, True])
def test_one_that_somebody_took_and_that_is_there_again_is_sent_only_where_it_cannot_be_complete(
    world: World, last: bool
) -> None:
    world.server.script.append(lose_answer if last else works)
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(3 if last else 12))
    assert world.run_once(patience=0.2) == 4
    world.server.always = None
    (claimed,) = world.work_files()
    taken = world.path("failed") / claimed.name
    claimed.rename(taken)
    assert world.run_once() == 0
    assert [row["state"] for row in world.history()] == ["vanished"]
    lost_rename(world, claimed.name, "failed")

    world.run_once()

    assert len(world.completed()) == 1
    assert (claimed.name in world.files("failed" if last else "done")) is True
    if last:
        assert "import history" in world.report(claimed.name)["what_to_do"]


@pytest.mark.parametrize("crashed", [False, True])
@pytest.mark.parametrize("disk", ["one disk", "other disk"])
def test_two_equal_files_with_one_place_become_two_files(
    world: World, request: pytest.FixtureRequest, disk: str, crashed: bool
) -> None:
    """Planned while neither was moved. On another disk the copy of the one may be there after a crash, and
    is the same, byte for byte, as the other one."""
    if disk == "other disk":
        world.settings["folders"]["done"] = str(request.getfixturevalue("elsewhere"))
    for name in ("agent_events_1.csv", "agent_events_2.csv"):
        world.drop(name, rows(2))
        assert world.run_once() == 0
    with closing(SqliteJournal(world.path("state"))) as journal:
        both = journal.history()
        places = [Path(row.place.target or "") for row in both]
        for row, place in zip(both, places, strict=True):
            source = Path(row.file.source).with_name("agent_events.csv")
            source.parent.mkdir(parents=True)
            shutil.move(place, source)
            with journal._database.writing() as connection:
                connection.execute(
                    "UPDATE files SET state = ?, name = ?, source = ?, target = ? WHERE id = ?",
                    (
                        FileState.DELIVERED,
                        b"agent_events.csv",
                        os.fsencode(source),
                        os.fsencode(place.with_name("agent_events.csv")),
                        row.id,
                    ),
                )
        if crashed and disk == "other disk":
            shutil.copy2(source, place.with_name("agent_events.csv"))

    assert world.run_once() == 0

    lying = {str(path) for path in places[0].parent.iterdir()}
    told = {row["where"] for row in world.history()}
    assert len(told) == len(world.completed()) == 2
    # Both may find that the copy is perhaps the other's: a third file is no loss.
    assert told <= lying if crashed and disk == "other disk" else told == lying
