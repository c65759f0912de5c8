"""Who may read a file may read it in done and failed, its report and bad records too, and nobody else."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tests.conftest import World, answer
from tests.disk.test_files import PART, elsewhere, source
from watcher.disk import system
from watcher.disk.files import move_new, write_private

__all__ = ["elsewhere", "source"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="there the folder decides")

NAME = "agent_events_1.csv"
GROUP = 12_345


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:04o}"


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o444])
def test_a_copy_on_another_disk_has_the_mode_of_the_file(source: Path, elsewhere: Path, kept: int) -> None:
    source.chmod(kept)

    move_new(source, elsewhere / "a.csv", part=PART)

    assert mode(elsewhere / "a.csv") == f"{kept:04o}"


def test_a_program_bit_for_another_user_is_not_kept(source: Path, elsewhere: Path) -> None:
    source.chmod(0o4755)

    move_new(source, elsewhere / "a.csv", part=PART)

    assert (elsewhere / "a.csv").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(("kept", "narrowed"), [(0o660, "0600"), (0o664, "0644"), (0o600, "0600")])
def test_where_it_cannot_have_the_group_of_the_file_that_one_may_do_what_everybody_may(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, narrowed: str
) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError

    if os.geteuid() != 0:
        pytest.skip("only root has groups to give")
    os.chown(source, -1, GROUP)
    source.chmod(kept)
    monkeypatch.setattr(os, "chown", refuse)

    write_private(tmp_path / "draft", io.BytesIO(b"x"), like=source.stat())

    assert mode(tmp_path / "draft") == narrowed


def test_a_new_file_of_ours_is_for_us_alone(tmp_path: Path) -> None:
    system.create_new(tmp_path / "a").close()
    write_private(tmp_path / "b", io.BytesIO(b"x"))

    assert (mode(tmp_path / "a"), mode(tmp_path / "b")) == ("0600", "0600")


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o644])
def test_a_failed_file_and_its_report_are_for_the_same_people(world: World, kept: int) -> None:
    world.server.script.append(answer(400, "no"))
    world.drop(NAME, "a,1\n").chmod(kept)

    assert world.run_once() == 1

    failed = world.path("failed")
    assert {path.name: mode(path) for path in failed.iterdir()} == {
        NAME: f"{kept:04o}",
        f"{NAME}.error.txt": f"{kept:04o}",
    }


def test_bad_records_and_their_report_are_for_those_who_may_read_the_file(world: World) -> None:
    columns = ["agent", {"name": "number", "is": "integer"}]
    world.settings["routes"][2] |= {"bad_records": "set_aside", "columns": columns}
    world.drop(NAME, "agent,number\na,1\nb,two\n").chmod(0o600)

    world.run_once()

    places = [*world.path("failed").iterdir(), *world.path("done").iterdir()]
    assert len(places) == 3
    assert {mode(path) for path in places} == {"0600"}
