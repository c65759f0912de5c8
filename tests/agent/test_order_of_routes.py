"""Event types before agent events, wherever the event types are at this moment."""

from __future__ import annotations

import io
import json
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import World, rows
from watcher.agent.queue.drop_watcher import DropWatcher, Look
from watcher.core.model import Route
from watcher.core.order import ANY, blocked, present_of
from watcher.core.route import compiled_glob
from watcher.disk.drop import Drop
from watcher.disk.others import strangers
from watcher.disk.owner import OWNER_FILE
from watcher.report.stream import Stream
from watcher.sandbox.server import Answer, Request

TYPES = Route(
    "event-types", (compiled_glob("event_types*.json"),), "http://wfm/t", "application/json", "json"
)
EVENTS = Route(
    "agent-events", (compiled_glob("*.csv"),), "http://wfm/e", "text/csv", "csv", after=("event-types",)
)
TOKEN = "00000000-0000-4000-8000-000000000000"


def zipped(name: str) -> bytes:
    """A zip with this file in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, b"[1, 2, 3]" * 50)
    return made.getvalue()


def look_at(drop: Path) -> Look:
    """One look at a drop folder with both routes, and at the work folders of others in it."""
    watcher = DropWatcher(
        Drop(drop, [], network=False),
        [TYPES, EVENTS],
        quiet=5.0,
        rescan=30.0,
        ignore_unmatched=False,
        events=False,
        wake=lambda: None,
        stream=Stream(),
        elsewhere=lambda: strangers(drop / ".uploading" / "agent-ours"),
    )
    return watcher.look()


def why_not(look: Look) -> str | None:
    """Why no agent events may go, as far as a look tells."""
    return blocked(EVENTS, present=present_of(look.waiting), under_way={}, elsewhere=look.elsewhere)


def others_file(drop: Path, name: str, content: bytes = b"[]") -> Path:
    """A file in the work folder of another agent."""
    path = drop / ".uploading" / "agent-other" / TOKEN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_zip_that_is_still_being_copied_counts_for_every_route(tmp_path: Path) -> None:
    whole = zipped("event_types.json")
    (tmp_path / "monday.zip").write_bytes(whole[:-30])

    found = look_at(tmp_path)

    assert present_of(found.waiting) == {ANY: 1}
    assert "a file whose route cannot be told" in (why_not(found) or "")
    assert blocked(TYPES, present=present_of(found.waiting), under_way={}) is None


@pytest.mark.parametrize(
    ("member", "expected"),
    [("event_types.json", "waits for event-types"), ("agents.csv", None), ("x.txt", None)],
)
def test_a_zip_that_can_be_read_counts_for_the_route_of_what_is_in_it(
    tmp_path: Path, member: str, expected: str | None
) -> None:
    (tmp_path / "monday.zip").write_bytes(zipped(member))

    assert why_not(look_at(tmp_path)) == expected


def test_files_wait_for_those_in_the_work_folder_of_another_agent(tmp_path: Path) -> None:
    others_file(tmp_path, "event_types.json")

    assert "another agent" in (why_not(look_at(tmp_path)) or "")


def test_files_of_other_routes_and_markers_in_the_work_folders_of_others_hold_up_nobody(
    tmp_path: Path,
) -> None:
    others_file(tmp_path, "agents.csv")
    others_file(tmp_path, "notes.txt")
    part = tmp_path / ".uploading" / "agent-other"
    (part / OWNER_FILE).write_text("{}")
    (part / f"{TOKEN}.report").write_text("half a report")

    assert why_not(look_at(tmp_path)) is None


def test_a_zip_of_event_types_in_the_work_folder_of_another_agent_counts_by_what_is_in_it(
    tmp_path: Path,
) -> None:
    others_file(tmp_path, "monday.zip", zipped("event_types.json"))

    assert "another agent" in (why_not(look_at(tmp_path)) or "")


def test_agent_events_wait_until_the_other_agent_is_through_with_its_event_types(world: World) -> None:
    theirs = others_file(world.path("drop"), "event_types.json")
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=0.5) == 4
    assert set(world.files("drop")) == {"agent_events.csv"}

    theirs.unlink()

    assert world.run_once() == 0
    assert set(world.files("done")) == {"agent_events.csv"}


def test_event_types_that_come_back_to_the_drop_folder_are_not_overtaken(world: World) -> None:
    """They are written to while they are sent, so they go back, and go first again."""
    held_open = threading.Event()

    def touched(request: Request, take: object) -> Answer:
        # Other bytes of the same size and time: in the drop folder it looks as it did before.
        (claimed,) = world.work_files()
        claimed.write_bytes(b"[2]")
        os.utime(claimed, ns=(1, 1))
        held_open.set()
        return Answer(503, b"")

    world.settings["rescan"] = "30s"  # nothing but outcomes bring a look forward
    types = world.drop("event_types.json", b"[1]")
    os.utime(types, ns=(1, 1))
    world.drop("agent_events.csv", rows(2))
    world.server.script.append(touched)

    assert world.run_once() == 0

    assert held_open.is_set()
    assert [(row["name"], row["state"]) for row in reversed(world.history())] == [
        ("event_types.json", "returned"),
        ("event_types.json", "done"),
        ("agent_events.csv", "done"),
    ]


def test_a_stranded_file_is_seen_for_as_long_as_it_lies_there(world: World) -> None:
    """Its agent does not live: its owner file is old."""
    theirs = others_file(world.path("drop"), "event_types.json")
    owner = theirs.parent.parent / OWNER_FILE
    owner.write_text('{"host": "acd-7"}')
    os.utime(owner, (1, 1))

    found = json.loads(watcher(world, "status", "--json").stdout)
    said = watcher(world, "status")
    checked = watcher(world, "check", "--offline")

    (stranded,) = found["stranded"]
    assert stranded == {
        "name": "event_types.json",
        "path": str(theirs),
        "agent": "agent-other",
        "host": "acd-7",
        "since": "1970-01-01T00:00:01.000Z",
    }
    assert said.returncode == 1
    assert "acd-7" in said.stdout
    assert f"1 file of agents of which nothing was heard for long: {theirs}" in checked.stdout


def test_the_files_of_an_agent_that_lives_are_not_stranded(world: World) -> None:
    theirs = others_file(world.path("drop"), "event_types.json")
    (theirs.parent.parent / OWNER_FILE).write_text('{"host": "acd-7"}')

    assert json.loads(watcher(world, "status", "--json").stdout)["stranded"] == []


def test_an_agent_says_that_it_lives_as_long_as_it_has_files_and_leaves_nothing_behind(world: World) -> None:
    seen: list[dict[str, object]] = []

    def look(request: Request, take: Callable[[Request], Answer | None]) -> Answer | None:
        (owner,) = world.path("drop").glob(".uploading/agent-*/.owner")
        seen.append(json.loads(owner.read_text()))
        return take(request)

    world.server.script.append(look)
    world.drop("agent_events.csv", rows(2))

    assert world.run_once() == 0

    assert seen[0]["pid"] == os.getpid()
    assert not (world.path("drop") / ".uploading").exists()
