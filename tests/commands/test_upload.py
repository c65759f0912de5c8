"""`watcher upload`: what it refuses to send, and what it says where it does not know how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import Gate, until, watcher
from tests.conftest import Step, World, answer, lose_answer, rows, works
from tests.postgres import served
from watcher.commands.terminal import Terminal
from watcher.commands.upload import LOOK_SECONDS, _Sending, upload
from watcher.sandbox.server import Answer, Request
from watcher.settings.config import load

DOUBT = "it may be complete at the server; look into the import history of the WFM first"


def test_a_file_whose_last_answer_was_lost_is_not_said_to_be_unsent(world: World) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(2))
    world.server.script.append(lose_answer)
    world.server.always = answer(503)

    found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert len(world.completed()) == 1
    assert found.returncode == 1
    assert found.stdout.startswith(f"in doubt\t{path}\t")
    assert DOUBT in found.stdout
    assert "not sent" not in found.stdout + found.stderr
    [row] = world.history()
    assert "it may be complete at the server" in row["reason"]
    assert row["what_to_do"].startswith("look into the import history")


def test_a_file_of_which_a_chunk_is_missing_is_said_to_be_unsent(world: World) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(12))
    world.server.script.append(lose_answer)
    world.server.always = answer(503)

    found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert found.stdout.startswith(f"not sent\t{path}\tgave up waiting: ")
    assert "may be complete" not in found.stdout


@pytest.mark.skipif(os.name == "nt", reason="interrupts a child process")
def test_an_interrupted_upload_in_doubt_says_so_and_so_does_the_one_that_finds_a_killed_one(
    world: World,
) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(2))
    world.server.script.append(lose_answer)
    world.server.always = answer(503)
    told = [interrupted(world, path, signal.SIGINT), interrupted(world, path, signal.SIGKILL)]
    world.server.always = None
    assert watcher(world, "upload", str(path)).returncode == 0

    assert DOUBT in told[0]
    assert told[1] == ""
    reasons = [row["reason"] for row in world.history()[1:]]
    assert all("it may be complete at the server" in reason for reason in reasons), reasons


@pytest.mark.skipif(os.name == "nt", reason="interrupts its own process by a signal")
def test_ctrl_c_ends_an_upload_also_where_the_process_comes_to_it_late(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(2))
    world.server.always = answer(503)
    settings, _ = load(world.config, {})
    interrupt = _Sending._interrupt

    def late(self: _Sending, number: int, frame: object) -> None:
        threading.Event().wait(LOOK_SECONDS * 2)
        interrupt(self, number, frame)

    monkeypatch.setattr(_Sending, "_interrupt", late)

    def ctrl_c() -> None:
        until(world.server.pushes)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=ctrl_c)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        upload(
            settings,
            [path],
            route_name=None,
            acd_type=None,
            deep=False,
            patience=60,
            terminal=Terminal(stderr=True),
            say=print,
        )
    pressing.join()

    assert capsys.readouterr().out == f"not sent\t{path}\tinterrupted by hand\n"


def interrupted(world: World, path: Path, number: signal.Signals) -> str:
    """Send a file and end the command once its last chunk is in doubt; returns what it said."""
    world.server.script.append(lose_answer)
    before = len(world.server.pushes())
    command = [sys.executable, "-m", "watcher", "upload", str(path), "-c", str(world.config)]
    environ = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        until(lambda: len(world.server.pushes()) >= before + 2)
        process.send_signal(number)
        try:
            told, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says what each of its threads is at
            raise
    return told


def plain(world: World) -> str:
    return str(world.path("drop") / "agent_events.csv")


def relative(world: World) -> str:
    return os.path.relpath(plain(world))


def by_another_folder(world: World) -> str:
    return str(world.path("done") / ".." / "drop" / "agent_events.csv")


def by_a_linked_folder(world: World) -> str:
    world.path("shortcut").symlink_to("drop")
    return str(world.path("shortcut") / "agent_events.csv")


def by_a_link(world: World) -> str:
    world.path("agent_events.csv").symlink_to(plain(world))
    return str(world.path("agent_events.csv"))


def by_a_hard_link(world: World) -> str:
    os.link(plain(world), world.path("agent_events.csv"))
    return str(world.path("agent_events.csv"))


def under_way(world: World) -> str:
    folder = world.path("drop") / ".uploading" / "agent-1" / "token"
    folder.mkdir(parents=True)
    return str(Path(plain(world)).rename(folder / "agent_events.csv"))


def by_a_hard_link_of_what_is_under_way(world: World) -> str:
    os.link(under_way(world), world.path("agent_events.csv"))
    return str(world.path("agent_events.csv"))


@pytest.mark.parametrize(
    "way",
    [
        plain,
        relative,
        by_another_folder,
        by_a_linked_folder,
        by_a_link,
        by_a_hard_link,
        under_way,
        by_a_hard_link_of_what_is_under_way,
    ],
    ids=lambda way: way.__name__,
)
def test_a_file_in_drop_or_work_is_refused_whatever_way_leads_there(
    world: World, way: Callable[[World], str]
) -> None:
    world.drop("agent_events.csv", rows(2))
    other = world.path("agent_events_2.csv")
    other.write_text(rows(2))

    found = watcher(world, "upload", way(world), str(other))

    folder = "work" if way in (under_way, by_a_hard_link_of_what_is_under_way) else "drop"
    assert found.returncode == 1
    assert f"a file in the {folder} folder" in found.stderr
    assert "is refused: the agent sends it; to send it by hand, copy it to another folder" in found.stderr
    assert world.server.requests() == []


def test_a_file_in_a_folder_below_drop_is_the_agents_no_more_than_any_other(world: World) -> None:
    path = world.path("drop") / "archive" / "agent_events.csv"
    path.parent.mkdir()
    path.write_text(rows(2))

    assert watcher(world, "upload", str(path)).returncode == 0


def test_a_file_that_is_named_by_two_of_its_hard_links_is_sent_once(world: World) -> None:
    one, other = world.path("agent_events_1.csv"), world.path("agent_events_2.csv")
    one.write_text(rows(2))
    os.link(one, other)

    found = watcher(world, "upload", str(one), str(other))

    assert found.returncode == 0
    assert f"skipped {other}: it was named before" in found.stderr
    assert len(world.completed()) == 1


def folder_of(world: World) -> Path:
    """An export folder with files of two routes, and things that are none."""
    folder = world.path("exports")
    (folder / "older").mkdir(parents=True)
    for name in ("agent_events.csv", "older/agent_events_1.csv"):
        (folder / name).write_text(rows(2))
    (folder / "event_types.json").write_text("[]")
    (folder / "agent_events_2.csv.tmp").write_text("half")
    (folder / "notes.txt").write_text("not for the server")
    (folder / "agent_events_3.csv").symlink_to("notes.txt")
    return folder


def test_of_a_folder_the_files_of_a_route_go_in_the_apis_order_and_the_rest_is_said_to_be_skipped(
    world: World,
) -> None:
    folder = folder_of(world)

    found = watcher(world, "upload", str(folder))

    assert found.returncode == 0
    lines = [line.split("\t") for line in found.stdout.splitlines()]
    assert [line[:2] for line in lines] == [
        ["delivered", str(folder / "event_types.json")],
        ["delivered", str(folder / "agent_events.csv")],
    ]
    assert f"skipped {folder / 'agent_events_2.csv.tmp'}: ignored by settle.ignore" in found.stderr
    assert f"skipped {folder / 'notes.txt'}: no route matches its name" in found.stderr
    assert f"skipped {folder / 'agent_events_3.csv'}: a link or no regular file" in found.stderr
    assert f"skipped {folder / 'older'}: a folder; its files go, too, with --recursive" in found.stderr
    assert "2 delivered" in found.stderr


def test_the_folders_below_are_gone_through_when_asked_for_and_of_a_route_only_its_own_files(
    world: World,
) -> None:
    folder = folder_of(world)

    found = watcher(world, "upload", str(folder), "--recursive", "--route", "agent-events")

    assert {line.split("\t")[1] for line in found.stdout.splitlines()} == {
        str(folder / "agent_events.csv"),
        str(folder / "older" / "agent_events_1.csv"),
    }
    assert f"skipped {folder / 'event_types.json'}: of route event-types" in found.stderr


def test_the_folders_of_the_agent_are_refused_and_left_where_they_lie_below_another(world: World) -> None:
    world.drop("agent_events.csv", rows(2))

    named = watcher(world, "upload", str(world.path("drop")))
    below = watcher(world, "upload", str(world.root), "--recursive")

    assert named.returncode == 1
    assert "is refused: the agent sends it" in named.stderr
    assert "agent_events.csv: a file in the drop folder" in below.stderr
    assert below.stdout == ""
    assert world.server.requests() == []


@pytest.mark.skipif(os.name == "nt", reason="interrupts a child process")
@pytest.mark.parametrize(
    ("number", "code", "why"),
    [
        (signal.SIGINT, 130, "interrupted by hand"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_ctrl_c_says_of_every_file_whether_it_was_sent_and_the_journal_has_none_under_way(
    world: World, number: signal.Signals, code: int, why: str
) -> None:
    """And so do the other signals that end a command."""
    names = [f"agent_events_{number}.csv" for number in range(4)]
    for name in names:
        world.path(name).write_text(rows(12))
    gate = Gate()
    world.server.script.extend([works] * 4 + [gate])  # the first file, and a chunk of the second
    command = [sys.executable, "-m", "watcher", "upload", *names, "-c", str(world.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=world.root
    ) as process:
        assert gate.reached.wait(20)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        gate.open.set()

    assert process.returncode == code
    told = [line.split("\t") for line in out.splitlines()]
    assert [line[:2] for line in told] == [
        ["delivered", names[0]], ["not sent", names[1]], ["not sent", names[2]], ["not sent", names[3]],
    ]  # fmt: skip
    assert "the last chunk was not sent" in told[1][2]
    assert all(why in line[2] for line in told[1:])
    assert "interrupted: 1 delivered, 3 not sent" in err
    assert "Traceback" not in err
    assert [row["state"] for row in world.history()] == ["failed", "done"]
    assert len(world.completed()) == 1


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("done", "it was delivered; to send it once more, copy it to another folder"),
        ("failed", "it failed; mend it and `watcher retry` it, or copy it to another folder"),
        ("state", "what lies there is the agent's own; to send it by hand, copy it to another folder"),
    ],
)
def test_what_the_agent_keeps_is_refused_by_name_and_left_where_it_lies_below_another_folder(
    world: World, folder: str, why: str
) -> None:
    (world.path(folder) / "agent_events.csv").write_text(rows(2))
    named = watcher(world, "upload", str(world.path(folder) / "agent_events.csv"))
    assert named.returncode == 1
    assert f"a file in the {folder} folder {world.path(folder)} is refused: {why}" in named.stderr
    below = watcher(world, "upload", "--recursive", str(world.root))
    assert below.returncode == 0
    assert f"agent_events.csv: a file in the {folder} folder" in below.stderr
    assert world.server.pushes() == []


def test_a_file_that_is_named_twice_is_sent_once(world: World) -> None:
    path = world.root / "agent_events.csv"
    path.write_text(rows(2))
    (world.root / "shortcut.csv").symlink_to(path)
    found = watcher(world, "upload", str(path), f"{world.root}/./agent_events.csv", str(world.root))
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("delivered\t") == 1
    assert found.stderr.count("it was named before, and is sent once") == 2
    assert len(world.server.operations()) == 1


def journal_moved_away(world: World, then: Step) -> Step:
    """A step of the server at which the state folder goes away, under the running command."""

    def step(request: Request, take: Any) -> Answer | None:
        if world.path("state").exists():
            world.path("state").rename(world.path("away"))
        return then(request, take)

    return step


GONE = "this is not in the journal: the journal was moved away, or removed"


@pytest.mark.skipif(os.name == "nt", reason="an open file is not moved away there")
@pytest.mark.parametrize(
    ("then", "word"),
    [(works, "delivered"), (lose_answer, "in doubt"), (answer(400, "no such column"), "in doubt")],
    ids=["answered", "unanswered", "refused"],
)
def test_where_the_journal_goes_away_under_the_last_chunk_nothing_is_said_to_be_unsent(
    world: World, then: Step, word: str
) -> None:
    paths = [world.path(f"agent_events_{number}.csv") for number in range(2)]
    for path in paths:
        path.write_text(rows(2))
    world.server.script.append(journal_moved_away(world, then))
    world.server.always = answer(503)  # whatever else goes out

    found = watcher(world, "upload", *map(str, paths), "--patience", "300ms")

    first, second = (line.split("\t") for line in found.stdout.splitlines())
    assert (first[:2], second[:2]) == ([word, str(paths[0])], ["not sent", str(paths[1])])
    assert GONE in first[2]
    assert "push token" in first[2]
    assert "bring journal.db back" in first[2]
    assert "the journal was moved away" in second[2]
    assert found.returncode == 1
    assert "Traceback" not in found.stderr


@pytest.mark.skipif(os.name == "nt", reason="an open file is not moved away there")
def test_where_the_journal_goes_away_before_the_last_chunk_the_file_is_unsent_for_certain(
    world: World,
) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(12))
    world.server.script.append(journal_moved_away(world, works))

    found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert found.stdout.startswith(f"not sent\t{path}\tgave up waiting: ")
    assert GONE in found.stdout
    assert (found.returncode, found.stderr) == (1, "")
    assert world.completed() == []


def test_one_file_that_the_server_has_is_exit_1_where_the_journal_does_not_have_it(world: World) -> None:
    path = world.path("event_types.json")
    path.write_text("[]")
    world.server.script.append(journal_moved_away(world, works))

    found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert len(world.completed()) == 1
    assert found.stdout.startswith(f"delivered\t{path}\t")
    assert found.returncode == 1


def test_a_database_that_stops_under_an_upload_is_told_in_a_sentence(world: World) -> None:
    path = world.path("event_types.json")
    path.write_text("[]")
    with served() as database:
        world.settings["journal"] = database.url("postgres")

        def stopped(request: Request, take: Any) -> Answer | None:
            database.stop()
            return works(request, take)

        world.server.script.append(stopped)
        found = watcher(world, "upload", str(path), "--patience", "300ms")

    assert found.stdout.startswith(f"delivered\t{path}\t")
    assert "this is not in the journal" in found.stdout
    assert (found.returncode, found.stderr) == (1, "")


def test_an_upload_that_the_database_forgets_is_told_in_a_sentence(world: World) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(12))
    with served() as database:
        world.settings["journal"] = database.url("postgres")

        def forgotten(request: Request, take: Any) -> Answer | None:
            database.run("DELETE FROM watcher.files")
            return works(request, take)

        world.server.script.append(forgotten)
        found = watcher(world, "upload", str(path))

    assert found.stdout.startswith(f"not sent\t{path}\t")
    assert "this is not in the journal: it has forgotten this upload; was it restored?" in found.stdout
    assert world.completed() == []
    assert (found.returncode, found.stderr) == (1, "")


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_a_link_is_said_to_be_one_and_what_it_points_to_is_named(world: World) -> None:
    file, link, to_nothing = (world.path(name) for name in ("agent_events.csv", "link.csv", "nothing.csv"))
    file.write_text(rows(2))
    link.symlink_to(file)
    to_nothing.symlink_to("gone.csv")

    told = watcher(world, "upload", str(link), str(to_nothing))

    assert told.returncode == 1
    assert f"{link}: a symbolic link, which is never followed; name the file itself: {file}" in told.stderr
    assert f"{to_nothing}: a symbolic link to what is no file: {world.path('gone.csv')}" in told.stderr
    assert world.server.pushes() == []
    assert watcher(world, "upload", str(file)).returncode == 0
