"""The command line from outside: what each command prints and how it exits."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.conftest import World, answer, rows
from tests.test_samples import blocks, is_sample, normal


def test_a_wrong_config_is_exit_1_with_every_problem_and_no_traceback(world: World) -> None:
    world.settings["routes"][2]["acd_typ"] = "x"
    world.settings["wfm"]["tenant"] = 42

    found = watcher(world, "run")

    assert found.returncode == 1
    assert found.stdout == ""
    problems = found.stderr.splitlines()
    assert len(problems) == 2
    assert all(re.match(r"\S*config\.yaml:\d+: [\w\[\].]+: .*;", problem) for problem in problems)


def test_wrong_usage_is_exit_2(world: World) -> None:
    for arguments in (["nonsense"], ["run", "--sinc"], ["history", "--since", "soon"], ["retry"], ["upload"]):
        assert watcher(world, *arguments).returncode == 2, arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["history", "--since", "800000d"], "more than 100 years"),
        (["history", "--since", "9" * 18], "more than 100 years"),
        (["history", "--limit", "9" * 30], "1000000000"),
        (["status", "--watch", "1e300"], "must be a duration"),
        (["status", "--watch", "9" * 18], "more than 100 years"),
        (["status", "--watch", "2d"], "at most 1d"),
        (["status", "--watch", "0.1"], "at least 0.2s"),
        (["status", "--watch", "nan"], "must be a duration"),
        (["run", "--once", "--patience", "800000d"], "more than 100 years"),
        (["upload", "--patience", "800000d", "a.csv"], "more than 100 years"),
        (["sandbox", "--token-life", "800000d"], "more than 100 years"),
        (["demo", "--web", "--seconds", "inf"], "must be a duration"),
        (["demo", "--web", "--seconds", "-1"], "must be a duration"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_duration_out_of_all_bounds_is_wrong_usage(world: World, arguments: list[str], words: str) -> None:
    found = watcher(world, *arguments)

    assert found.returncode == 2
    assert words in " ".join(found.stderr.split())


def test_a_hundred_years_of_history_can_be_asked_for(world: World) -> None:
    found = watcher(world, "history", "--since", "36500d")

    assert (found.returncode, found.stdout) == (0, "no uploads\n")


def test_check_says_what_works_and_changes_nothing(world: World) -> None:
    before = sorted(world.root.rglob("*"))

    found = watcher(world, "check")

    assert found.returncode == 0, found.stdout
    assert "got one, to be used for 240 s" in found.stdout
    assert "all is well" in found.stdout
    assert sorted({*world.root.rglob("*")} - {world.root / "config.yaml"}) == before


def test_check_finds_what_does_not_work_and_how_to_mend_it(world: World) -> None:
    world.path("done").rmdir()
    world.settings["wfm"]["client_secret"] = "wrong"

    found = watcher(world, "check")
    offline = watcher(world, "check", "--offline")

    assert found.returncode == offline.returncode == 1
    assert re.search(r"FAULT folders.done .*it is not there; create it", found.stdout)
    assert re.search(r"FAULT token .*refuses the client.*wfm.client_id", found.stdout)
    assert "2 faults" in found.stdout
    assert "FAULT token" not in offline.stdout


def test_explain_says_of_a_file_that_is_cut_off_how_long_it_would_wait_and_that_it_would_fail(
    world: World,
) -> None:
    world.settings["settle"] = {"quiet": "2s"}
    half = world.drop("agent_events.csv", rows(12) + "agent")

    found = watcher(world, "explain", str(half))

    assert found.returncode == 1
    assert (
        "not written to its end: its last line has 1 field and no line end, all others have 2" in found.stdout
    )
    assert "once it is unchanged for 10 s" in found.stdout
    assert "line 13: the file ends here after 1 field" in found.stdout


def test_explain_says_what_would_happen_and_sends_nothing(world: World) -> None:
    good, bad = world.drop("agent_events.csv", rows(12)), world.drop("agent_events_2.csv", 'a\n"b\n')
    odd = world.drop("holiday.xls", "x")

    fine = watcher(world, "explain", str(good))
    found = watcher(world, "explain", str(good), str(bad), str(odd), "nowhere.csv")

    assert fine.returncode == 0
    assert re.search(r"chunks: +3, of at most 100 bytes", fine.stdout)
    assert f"POST {world.server.url}/_rest/scheduling/adherence/agent-events" in fine.stdout
    assert found.returncode == 1
    assert "line 2: the quote that opens here is never closed" in found.stdout
    assert "none of the routes" in found.stdout
    assert "there is no such file" in found.stdout
    assert world.server.requests() == []
    assert len(world.files("drop")) == 3


def test_explain_shows_the_first_records_before_and_after_and_what_is_left_out(world: World) -> None:
    world.settings["routes"][2] |= {
        "lines": {"header": "^Agent", "footer": "^Total"},
        "others": "drop",
        "columns": [{"name": "at", "from": "At", "time": "epoch"}, {"name": "agent", "from": "Agent"}],
    }
    records = "".join(f"agent {number},x,{1547849700 + number}\n" for number in range(5))
    path = world.drop("agent_events.csv", f"title\nAgent,Note,At\n{records}Total\n")

    found = watcher(world, "explain", str(path))

    assert "  dropped: 1 line above the header, 1 line from the footer on, column Note\n" in found.stdout
    assert found.stdout.count("record:") == found.stdout.count("becomes:") == 3
    assert "  record:  agent 2,x,1547849702\n  becomes: 2019-01-18T22:15:02Z,agent 2\n" in found.stdout


def test_upload_sends_by_hand_and_the_files_stay_where_they_are(world: World) -> None:
    path = world.path("monday.csv")
    path.write_text(rows(12))
    types = world.path("event_types.json")
    types.write_text("[]")

    found = watcher(world, "upload", str(path), str(types), "--route", "agent-events", "--acd-type", "avaya")

    assert found.returncode == 0, found.stderr
    assert f"delivered\t{path}\tin 3 chunks, push token " in found.stdout
    assert path.read_text() == rows(12)
    assert {operation.acd_type for operation in world.completed()} == {"avaya"}
    assert [row["state"] for row in world.history()] == ["done", "done"]


def test_upload_sends_in_the_apis_order_beside_a_running_agent(world: World) -> None:
    csv, types = world.path("agent_events.csv"), world.path("event_types.json")
    csv.write_text(rows(2))
    types.write_text("[]")
    with agent(world):
        until(lambda: "watches" in log_of(world))
        found = watcher(world, "upload", str(csv), str(types))

    assert found.returncode == 0
    assert [operation.kind for operation in world.completed()] == ["event-types", "agent-events"]


def test_upload_names_the_reason_of_a_failure(world: World) -> None:
    path = world.path("agent_events.csv")
    path.write_text(rows(2))
    world.server.always = answer(400, "no such agent")

    refused = watcher(world, "upload", str(path))
    world.server.always = answer(503)
    held = watcher(world, "upload", str(path), "--patience", "300ms")
    unknown = watcher(world, "upload", str(world.path("config.yaml")))

    assert refused.returncode == held.returncode == unknown.returncode == 1
    assert refused.stdout.startswith(f"failed\t{path}\tHTTP 400")
    assert "503" in held.stdout
    assert "no route matches" in unknown.stderr
    assert [row["state"] for row in world.history()] == ["failed", "failed"]
    assert world.files("failed") == {}


def test_retry_moves_a_failed_file_back_under_its_own_name_and_takes_its_report_away(world: World) -> None:
    world.server.always = answer(400)
    (world.path("failed") / "agent_events.csv").write_text("an older one")
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 1
    world.server.always = None

    found = watcher(world, "retry", next(name for name in world.files("failed") if name.endswith("Z.csv")))

    assert found.returncode == 0
    assert set(world.files("drop")) == {"agent_events.csv"}
    assert world.files("failed") == {"agent_events.csv": b"an older one"}
    assert world.run_once() == 0


def test_retry_moves_files_in_the_order_in_which_they_go(world: World) -> None:
    """An agent that looks between two moves finds the event types before anything that waits for them."""
    for name in ("agent_events_1.csv", "event_types.json", "reason_codes.json", "unknown.txt"):
        (world.path("failed") / name).write_text("a,1\n")
    (world.path("failed") / "a.zip").write_bytes(b"not whole")

    found = watcher(world, "retry", "--all")

    assert [line.partition(":")[0] for line in found.stdout.splitlines()] == [
        "a.zip",
        "event_types.json",
        "reason_codes.json",
        "agent_events_1.csv",
        "unknown.txt",
    ]


def test_retry_all_and_retry_of_a_name_that_is_not_there(world: World) -> None:
    for number in range(3):
        world.drop(f"agent_events_{number}.csv", 'a"')
    assert world.run_once() == 1

    assert watcher(world, "retry", "nowhere.csv").returncode == 1
    assert watcher(world, "retry", "--all").returncode == 0

    assert len(world.files("drop")) == 3
    assert world.files("failed") == {}


def test_history_has_a_row_for_every_file_that_left_the_drop_folder(world: World) -> None:
    world.drop("agent_events.csv", rows(12))
    world.drop("agent_events_bad.csv", 'a"')
    world.drop("holiday.xls", "x")
    assert world.run_once() == 1

    everything = json.loads(watcher(world, "history", "--json").stdout)
    failed = json.loads(watcher(world, "history", "--failed", "--json", "--since", "7d").stdout)
    table = watcher(world, "history")

    assert {row["name"]: row["state"] for row in everything} == {
        "agent_events.csv": "done",
        "agent_events_bad.csv": "failed",
        "holiday.xls": "failed",
    }
    assert {row["name"] for row in failed} == {"agent_events_bad.csv", "holiday.xls"}
    wanted = {
        "name", "route", "push_token", "state", "bytes", "chunks", "started_at", "finished_at", "reason",
    }  # fmt: skip
    assert all(wanted <= set(row) for row in everything)
    delivered = next(row for row in everything if row["state"] == "done")
    assert (delivered["bytes"], delivered["chunks"]) == (240, 3)
    assert "holiday.xls" in table.stdout
    assert table.returncode == 0


def test_before_the_first_start_status_and_history_say_so(world: World) -> None:
    world.path("state").rmdir()
    world.drop("agent_events.csv", rows(2))

    status = watcher(world, "status", "--json")
    history = watcher(world, "history", "--json")

    assert status.returncode == 1
    assert json.loads(status.stdout)["running"] is False
    assert json.loads(status.stdout)["waiting"][0]["why"] == "the agent is not running"
    assert (history.returncode, json.loads(history.stdout)) == (0, [])
    assert not world.path("state").exists()


def test_the_very_first_run_makes_the_folders_and_no_later_one_does(world: World) -> None:
    for name in ("drop", "done", "failed", "state"):
        world.path(name).rmdir()

    assert watcher(world, "run", "--once").returncode == 0
    assert all(world.path(name).is_dir() for name in ("drop", "done", "failed", "state"))
    world.path("drop").rmdir()
    again = watcher(world, "run", "--once", "--patience", "300ms")

    assert again.returncode == 4
    assert "it is not there" in again.stderr
    assert not world.path("drop").exists()


def test_two_folders_that_are_one_by_a_link_are_refused(world: World) -> None:
    world.path("failed").rmdir()
    world.path("failed").symlink_to(world.path("drop"))

    run, check = watcher(world, "run", "--once"), watcher(world, "check", "--offline")

    assert run.returncode == check.returncode == 1
    assert "the same folder" in run.stderr
    assert "the same folder" in check.stdout


@pytest.mark.parametrize("how", ["damaged", "newer"])
def test_a_journal_that_is_damaged_or_newer_is_refused_and_nothing_is_touched(world: World, how: str) -> None:
    import sqlite3

    assert world.run_once() == 0
    journal = world.path("state") / "journal.db"
    if how == "damaged":
        journal.write_bytes(b"this is no database" * 1000)
    else:
        connection = sqlite3.connect(journal)
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
        connection.close()
    before = journal.read_bytes()
    world.drop("agent_events.csv", rows(2))

    found = watcher(world, "run", "--once")

    assert found.returncode == 1
    assert how in found.stderr
    assert "Traceback" not in found.stderr
    assert journal.read_bytes() == before
    assert set(world.files("drop")) == {"agent_events.csv"}


def test_log_lines_are_json_when_asked_for(world: World) -> None:
    world.drop("agent_events.csv", rows(2))

    found = watcher(world, "run", "--once", "--log-format", "json")

    events = [json.loads(line) for line in found.stderr.splitlines()]
    (delivered,) = [event for event in events if event["event"] == "delivered"]
    assert delivered["name"] == "agent_events.csv"
    assert delivered["route"] == "agent-events"
    assert (delivered["bytes"], delivered["chunks"]) == (40, 1)
    assert delivered["push_token"] == world.completed()[0].push_token


def test_a_log_file_is_written_when_the_settings_say_so(world: World) -> None:
    world.settings["log"] = {"file": "logs/watcher.log", "level": "debug"}

    assert watcher(world, "run", "--once").returncode == 0

    assert "watches" in (world.root / "logs" / "watcher.log").read_text()


def test_the_sandbox_prints_settings_that_work_and_ends_when_told_to(world: World) -> None:
    command = [sys.executable, "-u", "-m", "watcher", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while "client_secret" not in text:
            text += process.stdout.readline()
        world.settings |= yaml.safe_load(text[text.index("wfm:") :])
        world.drop("agent_events.csv", rows(2))
        assert world.run_once() == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_demo_runs_the_real_agent_and_leaves_nothing_behind(tmp_path: Path, world: World) -> None:
    found = watcher(world, "demo")

    assert found.returncode == 0, found.stdout
    assert "agent-events: 20," in found.stdout
    assert "complete" in found.stdout
    folder = re.search(r"all files are in (\S+)\.", found.stdout)
    assert folder is not None
    assert not Path(folder[1]).exists()
    assert is_sample(normal(blocks()["demo"]), normal(found.stdout)), "the README's sample is of another day"
