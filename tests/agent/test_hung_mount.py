"""A share whose server has gone: a real mount (FUSE) whose daemon is stopped, so that whoever looks waits."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import Gate, agent, log_of, until, watcher
from tests.conftest import World, answer, rows
from tests.web.page import page
from watcher.agent.by_hand.overview import collect
from watcher.agent.by_hand.putting_back import retry
from watcher.agent.by_hand.withdrawing import withdraw
from watcher.agent.engine.runs import Task
from watcher.agent.engine.workers import _Worker
from watcher.commands.check import check
from watcher.commands.explain import explain
from watcher.commands.upload_plan import plan
from watcher.core.errors import Outside
from watcher.core.target import Target
from watcher.disk import answering
from watcher.report import status_file
from watcher.sandbox.server import Request
from watcher.settings.config import load


class Refusal(Gate):
    """A gate behind which the request is refused."""

    def __call__(self, request: Request, take: Any) -> Any:
        super().__call__(request, lambda _request: None)
        return answer(422, "no")(request, take)


class Share:
    """A folder that answers, or does not."""

    def __init__(self, folder: Path) -> None:
        real = folder.with_name(f"{folder.name}-real")
        real.mkdir(mode=0o700)
        self._folder = folder
        never_cached = "attr_timeout=0,entry_timeout=0"
        command = ["bindfs", "-f", "-o", never_cached, str(real), str(folder)]
        self._daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(lambda: os.path.ismount(folder) or self._daemon.poll() is not None)
        if not os.path.ismount(folder):
            pytest.skip("no file system of a program may be mounted here")

    def hang(self) -> None:
        """From now on it does not answer."""
        self._daemon.send_signal(signal.SIGSTOP)

    def hang_behind(self, gate: Gate) -> threading.Thread:
        """It hangs when a request has come to the gate, which opens then; returns who sees to that."""

        def hang() -> None:
            gate.reached.wait(20)
            self.hang()
            gate.open.set()

        thread = threading.Thread(target=hang)
        thread.start()
        return thread

    def answer(self) -> None:
        """It answers again."""
        self._daemon.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Let go of it."""
        self.answer()
        subprocess.run(["umount", "-l", str(self._folder)], check=False, stderr=subprocess.DEVNULL)
        self._daemon.kill()
        self._daemon.wait()


@pytest.fixture
def share(world: World, request: pytest.FixtureRequest) -> Iterator[Share]:
    """The folder of the world that the test names, as a share."""
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("bindfs") is None:
        pytest.skip("needs root and bindfs (Debian: bindfs)")
    made = Share(world.path(request.param))
    yield made
    made.end()


@pytest.mark.parametrize("share", ["done"], indirect=True)
def test_a_done_folder_that_hangs_keeps_no_agent_from_ending_and_loses_nothing(
    world: World, share: Share
) -> None:
    with agent(world) as process:
        world.drop("agent_events_1.csv", rows(3))
        until(lambda: "delivered" in log_of(world))
        share.hang()
        world.drop("agent_events_2.csv", rows(4))
        until(world.work_files)
        assert watcher(world, "status").returncode == 0, "so far nobody has waited for long"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "stopped: asked to" in log_of(world)
    share.answer()
    with agent(world, "--once") as process:
        assert process.wait(20) == 0

    assert sorted(world.files("done")) == ["agent_events_1.csv", "agent_events_2.csv"]
    assert [operation.body for operation in world.completed()] == [rows(3).encode(), rows(4).encode()]


@pytest.mark.parametrize("share", ["drop", "failed"], indirect=True)
def test_commands_say_which_folder_does_not_answer_and_do_not_wait_for_it(
    world: World, share: Share, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(answering, "ACTING_SECONDS", 1.0)
    name = request.node.callspec.params["share"]
    folder, said = world.path(name), list[str]()
    config, warnings = load(world.config, {})
    share.hang()

    found = collect(config)
    assert [(hold["target"], hold["check"]) for hold in found["held"]] == [
        (f"folder {folder}", "is it still there?")
    ]
    silent = rf"folder {folder}: it has not answered for 1 s"
    with pytest.raises(Outside, match=silent):
        retry(config, [], said.append, everything=True)
    with pytest.raises(Outside, match=silent):
        withdraw(config, ["agent_events.csv"], said.append, user="somebody")
    with pytest.raises(Outside, match=silent):
        plan(config, [world.config], "agent-events", None, deep=False)
    assert explain(config, [folder / "agent_events.csv"], lambda line: said.append(line)) == 1
    assert check(config, warnings, said.append, offline=True, path=world.config) == 1
    share.answer()

    assert f"  file:    folder {folder}: it has not answered for 1 s; is it still there?" in said
    assert f"FAULT folders.{name} {folder}: it has not answered for 1 s; is it still there?" in said
    until(lambda: collect(config)["held"] == [])


@pytest.mark.parametrize("share", ["drop", "failed"], indirect=True)
def test_the_page_goes_on_telling_while_a_folder_does_not_answer(
    world: World, share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "PATIENCE_SECONDS", 1.0)
    before = set(threading.enumerate())
    with page(world) as served:
        share.hang()
        fault = Outside(Target("folder", "/a"), "it has not answered for 60 s")
        served.holds.failed(fault)
        for _ in range(3):
            told = json.loads(served.get("/api/now").text)
            assert (told["held"][0]["reason"], told["trouble"]) == (fault.reason, None)
        for kind in ("failed", "waiting"):
            assert served.get(f"/api/file?{kind}=agent_events.csv").status == 404
        asking = [thread for thread in set(threading.enumerate()) - before if thread.name == "asks-folder"]
        assert len(asking) == 1


@pytest.mark.parametrize(
    ("share", "records", "by"),
    [
        ("drop", 8, "none"),  # it is looked at right before the last chunk
        ("done", 8, "none"),  # its place is chosen before the last chunk
        ("done", 2, "none"),  # it is moved
        ("done", 2, "day"),
        ("failed", 2, "none"),
    ],
    indirect=["share"],
)
def test_the_folder_that_hangs_is_the_one_that_is_held_wherever_the_file_is_on_its_way(
    world: World, share: Share, records: int, by: str, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    name = request.node.callspec.params["share"]
    refused = name == "failed"
    monkeypatch.setattr(Task, "late_at", property(lambda task: task.asked_at + 3.0 + 1e9 * task.is_late))
    world.settings["settle"]["unsure"] = 0
    world.settings["done"] = {"by": by}
    gate = Refusal() if refused else Gate()
    world.server.script.append(gate)
    world.drop("agent_events.csv", rows(records))

    meanwhile = share.hang_behind(gate)
    assert world.run_once(patience=15 if name == "drop" else 6) == 4
    meanwhile.join()
    share.answer()
    # It is done, for nobody: a process would be gone.
    until(lambda: not any(each.is_busy for each in gc.get_objects() if type(each) is _Worker))

    held = [hold["target"] for hold in status_file.read(world.path("state"))["held"]]
    if name == "drop":  # the work folder in it, and then itself
        assert held.pop(0).startswith(f"folder {world.path('drop/.uploading')}")
    assert held == [f"folder {world.path(name)}"]
    assert world.run_once() == refused
    assert [each.name for each in world.path(name if refused else "done").rglob("agent_events.csv")]


@pytest.mark.parametrize("share", ["done"], indirect=True)
def test_an_agent_that_begins_while_the_done_folder_hangs_names_that_and_no_other(
    world: World, share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "late_at", property(lambda task: task.asked_at + 3.0 + 1e9 * task.is_late))
    gate = Gate()
    world.server.script.append(gate)
    world.drop("agent_events.csv", rows(2))

    meanwhile = share.hang_behind(gate)
    assert world.run_once(patience=6) == 4
    meanwhile.join()
    # A new one, and its settings have another done folder: where the file went is still looked at.
    world.settings["folders"]["done"] = "elsewhere"
    world.path("elsewhere").mkdir()
    assert world.run_once(patience=6) == 4
    held = [hold["target"] for hold in status_file.read(world.path("state"))["held"]]
    share.answer()
    until(lambda: not any(each.is_busy for each in gc.get_objects() if type(each) is _Worker))

    assert held == [f"folder {world.path('done')}"]
    assert world.run_once() == 0
    filed = [*world.path("done").iterdir(), *world.path("elsewhere").iterdir()]
    assert [each.name for each in filed] == ["agent_events.csv"]
