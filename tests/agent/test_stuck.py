"""A file that waits for a reason of its own is seen everywhere, with what to do; what is no file, too."""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.commands.test_check import found as checked
from tests.conftest import World, rows
from tests.hook import hook
from tests.simulation import Simulation
from tests.web.page import running
from watcher.core.events import Event, Stuck, StuckEnded


def status(world: World) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(watcher(world, "status", "--json").stdout)
    return told


def waiting(told: dict[str, Any], name: str) -> dict[str, Any]:
    row: dict[str, Any]
    (row,) = [row for row in told["waiting"] if row["name"] == name]
    return row


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells who has a file open")
def test_an_open_file_is_told_with_what_waits_for_it_until_it_is_closed(world: World) -> None:
    world.settings["settle"]["patience"] = "300ms"
    with world.drop("event_types.json", "[]").open("ab"):
        world.drop("agent_events.csv", rows(1))
        with running(world) as url:
            until(lambda: "event_types.json: waits since" in log_of(world))
            until(lambda: waiting(status(world), "event_types.json")["blocked"])
            row = waiting(status(world), "event_types.json")
            until(lambda: "for it wait: agent_events.csv" in watcher(world, "status").stdout)
            shown = watcher(world, "status")
            with urllib.request.urlopen(f"{url}api/now") as answer:
                page = json.load(answer)
            with urllib.request.urlopen(f"{url}metrics") as answer:
                metrics = answer.read().decode()
            # Closing it makes no event: it is found with the next claim.
            os.truncate(world.path("drop") / "event_types.json", 2)

    assert "has it open" in row["why"]
    assert row["since"]
    assert (row["blocks"], row["blocked"]) == (["agent_events.csv"], 1)
    assert "end the program" in row["check"]
    assert shown.returncode == 1
    assert "stuck: event_types.json since" in shown.stdout
    assert "for it wait: agent_events.csv" in shown.stdout
    assert waiting(page, "event_types.json")["stuck"]
    assert not waiting(page, "agent_events.csv")["stuck"]
    assert "watcher_stuck_files 1.0" in metrics
    assert log_of(world).count("event_types.json: waits since") == 1


def test_status_exits_0_once_the_reason_is_gone(world: World) -> None:
    world.settings["settle"]["patience"] = "100ms"
    world.settings["routes"][2]["marker"] = ".ok"
    world.drop("agent_events.csv", rows(1))
    with agent(world):
        until(lambda: watcher(world, "status").stdout.count("stuck: agent_events.csv"))
        world.drop("agent_events.csv.ok", "")
        until(lambda: "agent_events.csv" in world.files("done"))
        until(lambda: watcher(world, "status").returncode == 0)
    assert "agent_events.csv: waits no longer for a reason of its own" in log_of(world)


def test_with_once_a_folder_and_a_link_are_a_warning_and_hold_nothing(world: World, lines: list[str]) -> None:
    world.drop("agent_events.csv", rows(1))
    (world.path("drop") / "export").mkdir()
    (world.path("drop") / "export" / "agent_events.csv").write_text(rows(1))
    (world.path("drop") / "agent_events_link.csv").symlink_to("/etc/hostname")

    assert world.run_once() == 0

    assert set(world.files("done")) == {"agent_events.csv"}
    (folder,) = [line for line in lines if "export: waits since" in line]
    assert "move the files in it into the drop folder itself" in folder
    assert any("agent_events_link.csv: waits since" in line for line in lines)


def test_a_folder_is_seen_by_status_check_and_explain_and_one_of_ours_is_not(world: World) -> None:
    world.settings["folders"]["done"] = "drop/done"
    export, done = world.path("drop") / "export", world.path("drop") / "done"
    for folder in (export, done):
        folder.mkdir()
        (folder / "agent_events.csv").write_text(rows(1))

    told = status(world)
    explained = watcher(world, "explain", str(export))
    warned = [item for item in checked(world, offline=True) if "export" in item["what"]]

    assert [row["name"] for row in told["waiting"]] == ["export"]
    assert "move the files in it" in told["waiting"][0]["why"]
    assert explained.returncode == 1
    assert "a folder: move the files in it into the drop folder itself" in explained.stdout
    assert "failed" not in explained.stdout
    assert [item["level"] for item in warned] == ["warn"]
    assert not any("done" in row["name"] for row in told["waiting"])


def test_ignored_files_are_counted_by_their_pattern(world: World) -> None:
    for name in ("a.tmp", "b.TMP", ".hidden"):
        world.drop(name, "x")

    assert status(world)["ignored"] == {"*.tmp": 2, ".*": 1}
    assert "ignored: 3 files, by settle.ignore: " in watcher(world, "status").stdout


def test_a_stuck_file_is_a_notice(world: World) -> None:
    with hook() as service:
        world.settings["notify"] = {"urls": [service.url]}
        (world.path("drop") / "agent_events.csv").symlink_to("/etc/hostname")

        assert world.run_once() == 0

    assert service.titles == [f"watcher, demo on {socket.gethostname()}: agent_events.csv is stuck"]
    assert "What to do: copy the file itself" in service.messages[0]["message"]


def test_what_is_stuck_is_told_after_fifteen_minutes_and_once(tmp_path: Path) -> None:
    here = Simulation(tmp_path / "world", marker=", marker: .ok")
    events: list[tuple[float, Event]] = []

    dropped: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Stuck | StuckEnded):
            events.append((here.now, event))

    def go_on() -> None:
        if here.now > 1100 + 100 * len(dropped):  # something moves, so that `--once` goes on
            dropped.append(f"event_types_{len(dropped)}.json")
            here.drop(dropped[-1], b"[]")
        if here.now > 3000:
            here.drop("agent_events.csv.ok", b"")
            here.on_sleep = lambda: None

    here.on_event, here.on_sleep = hear, go_on
    here.drop("agent_events.csv", b"a,1\n")

    assert here.run(seconds=10_000) == 0

    (at, stuck), (_, over) = events
    assert isinstance(stuck, Stuck)
    assert isinstance(over, StuckEnded)
    assert (stuck.name, over.name) == ("agent_events.csv", "agent_events.csv")
    assert 1900 <= at <= 1905
    assert "its marker" in stuck.check
