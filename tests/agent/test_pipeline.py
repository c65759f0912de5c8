"""The life of a file, through the real agent and a real server on the loopback."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

import pytest

from tests.conftest import World, answer, lose_answer, lose_request, rows, works
from watcher.agent.by_hand.overview import collect
from watcher.sandbox.server import Answer
from watcher.settings.config import load


def test_a_dropped_file_reaches_the_server_whole_and_is_moved_to_done(world: World) -> None:
    text = rows(12)
    world.drop("agent_events.csv", text)

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.body == text.encode()
    assert operation.completed
    assert len(operation.chunks) == 3
    assert world.files("done") == {"agent_events.csv": text.encode()}
    assert world.files("drop") == {}
    assert not (world.path("drop") / ".uploading").exists()


def test_the_request_is_exactly_as_the_api_page_has_it(world: World) -> None:
    world.drop("agent_events.csv", rows(8))

    world.run_once()

    pushes = [seen for seen in world.server.requests() if "pushToken" in seen.query]
    assert [seen.query["lastChunk"] for seen in pushes] == ["false", "true"]
    assert {seen.path for seen in pushes} == {"/_rest/scheduling/adherence/agent-events"}
    assert {seen.query["acdType"] for seen in pushes} == {"genesis"}
    (token,) = {seen.query["pushToken"] for seen in pushes}
    assert uuid.UUID(token).version == 4
    for seen in pushes:
        assert seen.method == "POST"
        assert set(seen.query) == {"pushToken", "acdType", "lastChunk"}
        assert seen.headers["tenant-id"] == "demo"
        assert seen.headers["content-type"] == "text/csv"
        assert re.fullmatch(r"wfm-watcher/\d+\.\d+\.\d+", seen.headers["user-agent"])


def test_a_json_file_goes_out_in_one_request_without_a_byte_changed(world: World) -> None:
    text = b'{ "types": [1.50,\r\n  "\xc3\xbc"] }\n'
    world.drop("event_types.json", text)

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.chunks == [text]
    assert world.server.pushes()[0]["lastChunk"] == "true"


def test_event_types_go_before_reason_codes_before_agent_events_whatever_their_age(world: World) -> None:
    for age, name in enumerate(["event_types.json", "reason_codes.json", "agent_events.csv"]):
        path = world.drop(name, "[]" if name.endswith("json") else rows(2))
        os.utime(path, (1_000_000 - age, 1_000_000 - age))

    assert world.run_once() == 0

    kinds = [operation.kind for operation in world.server.operations()]
    assert kinds == ["event-types", "reason-codes", "agent-events"]


def test_within_a_route_the_oldest_goes_first(world: World) -> None:
    for name, age in (("agent_events_b.csv", 5), ("agent_events_a.csv", 1), ("agent_events_c.csv", 9)):
        path = world.drop(name, rows(1) + f"{name},2\n")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))

    world.run_once()

    order = [operation.body.decode().split("\n")[1][:18] for operation in world.server.operations()]
    assert order == ["agent_events_c.csv", "agent_events_b.csv", "agent_events_a.csv"]


def test_a_byte_order_mark_is_allowed_and_not_sent(world: World) -> None:
    world.drop("agent_events.csv", b"\xef\xbb\xbfa,1\n")

    assert world.run_once() == 0

    assert world.server.operations()[0].body == b"a,1\n"


def test_a_header_can_be_repeated_in_every_chunk_or_left_out(world: World) -> None:
    world.settings["routes"][2] |= {"header": "every", "columns": ["agent", "n"]}
    world.drop("agent_events.csv", "agent,n\n" + rows(8))

    assert world.run_once() == 0

    chunks = world.server.operations()[0].chunks
    assert len(chunks) == 2
    assert all(chunk.startswith(b"agent,n\nagent-") for chunk in chunks)
    assert b"".join(chunk.removeprefix(b"agent,n\n") for chunk in chunks) == rows(8).encode()


def test_a_bad_file_fails_before_anything_is_sent_and_its_report_names_the_line(world: World) -> None:
    world.drop("agent_events.csv", 'a,1\nb,"2\nc,3\n')

    assert world.run_once() == 1

    assert world.server.operations() == []
    report = world.report("agent_events.csv")
    assert list(report) == [
        "file",
        "failed_at",
        "reason",
        "what_to_do",
        "route",
        "push_token",
        "chunks_delivered",
        "lines",
        "status",
        "server_said",
    ]
    assert report["file"] == "agent_events.csv"
    assert "line 2" in report["reason"]
    assert report["lines"] == "2"
    assert (world.path("failed") / "agent_events.csv.error.txt").read_bytes().count(b"\r\n") == 10


def test_a_file_that_no_route_matches_fails_with_a_reason(world: World) -> None:
    world.drop("holiday.xls", "?")

    assert world.run_once() == 1

    assert "no route matches" in world.report("holiday.xls")["reason"]
    assert world.history()[0]["route"] is None


def test_a_file_that_no_route_matches_can_be_left_alone(world: World) -> None:
    world.settings["unmatched"] = "ignore"
    world.drop("holiday.xls", "?")

    assert world.run_once() == 0

    assert set(world.files("drop")) == {"holiday.xls"}


@pytest.mark.parametrize(("empty", "code", "folder"), [("fail", 1, "failed"), ("done", 0, "done")])
def test_an_empty_file_is_judged_by_the_routes_setting(
    world: World, empty: str, code: int, folder: str
) -> None:
    world.settings["routes"][2]["empty"] = empty
    world.drop("agent_events.csv", b"")

    assert world.run_once() == code

    assert world.files(folder)["agent_events.csv"] == b""
    assert world.server.operations() == []


@pytest.mark.parametrize("status", [400, 409, 415, 422, 418])
def test_a_refusal_of_the_data_fails_the_file_with_the_servers_words(world: World, status: int) -> None:
    world.server.script.extend([works, answer(status, 'column "end"\nis wrong')])
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 1

    report = world.report("agent_events.csv")
    assert (report["status"], report["server_said"]) == (status, 'column "end"\nis wrong')
    assert (report["chunks_delivered"], report["lines"]) == (1, "6-10")
    assert world.completed() == []


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504, 403, 404, 405, 302])
def test_a_fault_outside_the_file_holds_and_sends_the_same_chunk_again(
    world: World, lines: list[str], status: int
) -> None:
    world.server.script.extend([works, answer(status), answer(status)])
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.body == rows(12).encode()
    assert len(world.server.pushes()) == 5
    assert sum("holding" in line for line in lines) == 1
    assert sum("is back after" in line for line in lines) == 1


def test_a_server_error_without_another_file_to_compare_with_holds_the_file_and_fails_nothing(
    world: World, lines: list[str]
) -> None:
    world.server.always = answer(500, "boom")
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=1) == 4

    assert len(world.server.pushes()) > 3
    assert world.files("failed") == {}
    (held,) = [line for line in lines if "holding" in line]
    assert "file agent_events.csv" in held
    assert "failed on this chunk 3 times; no other file shows yet whose fault it is" in held


def test_a_server_error_that_passes_costs_nothing(world: World) -> None:
    world.server.script.extend([answer(500), answer(501), works])
    world.drop("agent_events.csv", rows(2))

    assert world.run_once() == 0


def test_413_halves_the_chunk_and_the_route_remembers_it(world: World) -> None:
    world.settings["upload"]["chunk_bytes"] = 100_000
    world.server.script.extend([answer(413)])
    world.drop("agent_events_1.csv", rows(10_000))
    world.drop("agent_events_2.csv", rows(10_000))

    assert world.run_once() == 0

    sizes = [len(chunk) for operation in world.server.operations() for chunk in operation.chunks]
    assert max(sizes) == 50_000
    assert [operation.body for operation in world.completed()] == [rows(10_000).encode()] * 2
    assert [seen.status for seen in world.server.requests()].count(413) == 1


def test_a_single_record_that_is_too_large_for_the_server_fails_the_file(world: World) -> None:
    world.settings["upload"]["chunk_bytes"] = 50_000
    world.server.always = answer(413)
    world.drop("agent_events.csv", b'"' + b"x" * 60_000 + b'"\n' + rows(3).encode())

    assert world.run_once() == 1

    assert "one record" in world.report("agent_events.csv")["reason"]


@pytest.mark.parametrize("lose", [lose_request, lose_answer])
def test_a_lost_answer_is_resent_under_the_same_token(world: World, lose: object) -> None:
    world.server.script.extend([works, lose])  # type: ignore[list-item]
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.completed
    # What the server does with a chunk that it gets twice is not known; this one keeps both.
    twice = 1 if lose is lose_answer else 0
    assert operation.chunks[1] * (1 + twice) == operation.body[100 : 200 + 100 * twice]
    assert world.history()[0]["chunks"] == 3


@pytest.mark.parametrize("lose", [lose_request, lose_answer])
def test_a_lost_answer_can_start_the_file_over_under_a_new_token(world: World, lose: object) -> None:
    world.settings["upload"]["lost_answer"] = "new_token"
    world.server.script.extend([works, lose])  # type: ignore[list-item]
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == rows(12).encode()
    assert world.history()[0]["push_token"] == operation.push_token
    assert len(world.server.operations()) == 2


def test_409_for_the_repeated_last_chunk_means_that_it_had_landed(world: World) -> None:
    world.server.script.extend([works, works, lose_answer])
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == rows(12).encode()
    assert "had landed" in world.history()[0]["note"]


def test_an_expired_token_is_renewed_once_and_the_same_chunk_sent_again(world: World) -> None:
    def expire(request: object, take: object) -> object:
        world.server.forget_tokens()
        return take(request)  # type: ignore[operator]

    world.server.script.extend([works, expire])  # type: ignore[list-item]
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    assert world.server.operations()[0].body == rows(12).encode()
    assert sum(seen.path.endswith("/token") for seen in world.server.requests()) == 2


def test_a_token_endpoint_that_refuses_is_a_hold_and_never_the_files_fault(
    world: World, lines: list[str]
) -> None:
    world.server.tokens.extend(
        [answer(401, '{"error_description": "nope"}'), answer(503), answer(200, "<html>")]
    )
    world.drop("agent_events.csv", rows(2))

    assert world.run_once() == 0

    assert world.files("failed") == {}
    (begin,) = [line for line in lines if "holding" in line]
    assert "nope" in begin
    assert "wfm.client_id" in begin


def test_a_hold_that_does_not_end_exits_with_4_and_the_next_run_goes_on_where_it_was(world: World) -> None:
    world.server.script.extend([works])
    world.server.always = answer(503)
    world.drop("agent_events.csv", rows(12))

    assert world.run_once(patience=0.3) == 4
    assert len(world.work_files()) == 1
    world.server.always = None
    assert world.run_once() == 0

    (operation,) = world.server.operations()
    assert operation.body == rows(12).encode()
    assert world.history()[0]["chunks"] == 3


def test_while_a_server_is_held_no_further_file_is_claimed(world: World) -> None:
    world.server.always = answer(503)
    for number in range(5):
        world.drop(f"agent_events_{number}.csv", rows(2))

    assert world.run_once(patience=0.3) == 4

    assert len(world.files("drop")) == 4
    assert world.files("failed") == {}


def test_a_taken_name_in_done_gets_a_stamp_and_nothing_is_overwritten(world: World) -> None:
    (world.path("done") / "agent_events.csv").write_text("older")
    world.drop("agent_events.csv", rows(2))

    world.run_once()

    done = world.files("done")
    assert done.pop("agent_events.csv") == b"older"
    ((name, content),) = done.items()
    assert re.fullmatch(r"agent_events\.\d{8}T\d{6}Z\.csv", name)
    assert content == rows(2).encode()


def test_the_modification_time_is_kept(world: World) -> None:
    path = world.drop("agent_events.csv", rows(2))
    os.utime(path, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))

    world.run_once()

    assert (world.path("done") / "agent_events.csv").stat().st_mtime_ns == 1_600_000_000_123_456_789


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev,
    reason="needs a second file system",
)
def test_done_may_be_on_another_file_system(world: World) -> None:
    other = Path("/dev/shm") / f"watcher-test-{uuid.uuid4()}"
    other.mkdir()
    try:
        world.settings["folders"]["done"] = str(other)
        path = world.drop("agent_events.csv", rows(2))
        os.utime(path, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))

        assert world.run_once() == 0

        (found,) = other.iterdir()
        assert found.name == "agent_events.csv"
        assert found.read_text() == rows(2)
        assert found.stat().st_mtime_ns == 1_600_000_000_123_456_789
    finally:
        for left in other.iterdir():
            left.unlink()
        other.rmdir()


def test_a_done_folder_that_is_away_holds_the_file_and_it_goes_on_when_it_is_back(
    world: World, lines: list[str]
) -> None:
    (world.path("done")).rename(world.path("elsewhere"))
    # Not the first start: a missing folder is not made then.
    world.run_once()
    world.path("done").rmdir() if world.path("done").exists() else None
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=1) == 4
    assert world.history()[0]["state"] == "delivered"
    world.path("elsewhere").rename(world.path("done"))
    assert world.run_once() == 0

    assert set(world.files("done")) == {"agent_events.csv"}
    assert len(world.server.operations()) == 1
    assert any("holding folder" in line for line in lines)


def test_a_marker_is_waited_for_and_goes_along_with_its_file(world: World) -> None:
    world.settings["routes"][2]["marker"] = ".ok"
    world.drop("agent_events.csv", rows(2))

    assert world.run_once(patience=0.3) == 4
    assert set(world.files("drop")) == {"agent_events.csv"}
    world.drop("agent_events.csv.ok", "")
    assert world.run_once() == 0

    assert set(world.files("done")) == {"agent_events.csv", "agent_events.csv.ok"}


def test_a_link_is_no_marker_and_a_file_in_its_place_is_one(world: World) -> None:
    world.settings["routes"][2]["marker"] = ".ok"
    world.drop("agent_events.csv", rows(2))
    marker = world.path("drop") / "agent_events.csv.ok"
    marker.symlink_to("/etc/hostname")

    assert world.run_once(patience=0.3) == 4
    assert marker.is_symlink()
    assert world.server.operations() == []
    marker.unlink()
    marker.touch()
    assert world.run_once() == 0

    assert set(world.files("done")) == {"agent_events.csv", "agent_events.csv.ok"}


def test_that_files_go_without_a_failed_one_is_told_once_on_that_one_until_another_came(world: World) -> None:
    world.drop("event_types.json", "{")
    world.drop("agent_events.csv", rows(2))

    assert world.run_once() == 1

    receipt = next(row for row in world.history() if row["name"] == "agent_events.csv")
    assert (receipt["state"], receipt["note"]) == ("done", None)
    settings, _ = load(world.config, {})
    (failed,) = collect(settings)["failed"]
    assert failed["name"] == "event_types.json"
    assert failed["went_without"] == ["reason-codes", "agent-events"]
    world.drop("event_types_new.json", "[]")
    assert world.run_once() == 0
    (failed,) = collect(settings)["failed"]
    assert failed["went_without"] == []


def test_links_pipes_and_folders_are_never_opened(world: World) -> None:
    secret = world.path("secret.csv")
    secret.write_text(rows(2))
    drop = world.path("drop")
    (drop / "agent_events_link.csv").symlink_to(secret)
    os.mkfifo(drop / "agent_events_pipe.csv")
    (drop / "agent_events_folder.csv").mkdir()

    assert world.run_once() == 0

    assert world.server.operations() == []
    assert len(list(drop.iterdir())) == 3


def test_ignored_names_stay_where_they_are(world: World) -> None:
    for name in (".agent_events.csv", "~$agent_events.csv", "agent_events.csv.part", "Thumbs.db", "x.TMP"):
        world.drop(name, "x")

    assert world.run_once() == 0

    assert len(world.files("drop")) == 5


def test_a_file_that_changes_while_it_is_sent_is_never_completed_and_goes_back(world: World) -> None:
    def grow(request: object, take: object) -> object:
        (path,) = world.work_files()
        with path.open("a") as file:
            file.write("late,1\n")
        return take(request)  # type: ignore[operator]

    world.server.script.append(grow)  # type: ignore[arg-type]
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    first, second = world.server.operations()
    assert not first.completed
    assert second.completed
    assert second.body == rows(12).encode() + b"late,1\n"
    assert [row["state"] for row in world.history()] == ["done", "returned"]


def test_a_file_that_is_rewritten_while_its_last_chunk_waits_is_never_completed(world: World) -> None:
    """What must be true of the file when the last chunk goes out is looked at after all waiting."""

    def rewrite(_request: object, _take: object) -> Answer:
        (path,) = world.work_files()
        path.write_bytes(path.read_bytes().replace(b"agent", b"AGENT"))
        return Answer(503)

    world.server.script.extend([works, works, rewrite])  # type: ignore[list-item]
    world.drop("agent_events.csv", rows(12))

    assert world.run_once() == 0

    first, second = world.server.operations()
    assert (len(first.chunks), first.completed) == (2, False)
    assert second.body == rows(12).encode().replace(b"agent", b"AGENT")
    assert [row["state"] for row in world.history()] == ["done", "returned"]


def test_names_are_data(world: World, lines: list[str]) -> None:
    names = ["agent_events {0}.csv", "agent_events\nERROR forged.csv", "agent_events [red]x[].csv"]
    for name in names:
        world.drop(name, rows(2))
    bad = os.fsencode(world.path("drop")) + b"/agent_events_m\xfcller.csv"
    Path(os.fsdecode(bad)).write_text(rows(2))

    assert world.run_once() == 0

    assert len(world.files("done")) == 4
    assert not any(line.startswith("ERROR") or "\n" in line for line in lines)
