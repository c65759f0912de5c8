"""A name or a value that an expression finds no end on: it waits or is held alone, and the others go on."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from tests.agent.test_agent import watcher
from tests.agent.test_order_of_routes import TOKEN, zipped
from tests.conftest import World
from watcher.agent.queue.drop_watcher import DropWatcher
from watcher.agent.queue.routing import routed
from watcher.content.inspect import prepare
from watcher.core.errors import Outside
from watcher.core.model import Column, Route
from watcher.core.order import ANY, present_of
from watcher.core.route import compiled_glob, compiled_regex
from watcher.core.settle import Wait, remedy
from watcher.core.target import Target
from watcher.disk.drop import Drop
from watcher.disk.others import strangers
from watcher.report.stream import Stream

ENDLESS = r"(a|aa)+\.csv"
HOSTILE = "a" * 60 + ".txt"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROUTES = [
    Route("types", (compiled_glob("*.json"),), "http://wfm/t", "application/json", "json"),
    Route("events", (compiled_regex(ENDLESS),), "http://wfm/e", "text/csv", "csv", marker="{name}.ok"),
]


def drop_watcher(drop: Path) -> DropWatcher:
    return DropWatcher(
        Drop(drop, [], network=False),
        ROUTES,
        quiet=0.0,
        rescan=30.0,
        ignore_unmatched=True,
        events=False,
        wake=lambda: None,
        stream=Stream(),
        elsewhere=lambda: strangers(drop / ".uploading" / "agent-ours"),
    )


@pytest.mark.parametrize("name", [HOSTILE, HOSTILE + ".ok", HOSTILE + ".gz"])
def test_a_name_that_takes_too_long_waits_for_that_reason_and_may_be_of_any_route(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"a,1\n")
    (tmp_path / "a.json").write_bytes(b"[]")

    found = drop_watcher(tmp_path).look()

    verdicts = {file.name: file.verdict for file in found.waiting}
    assert verdicts[name] == Wait("the expression of route events takes too long on this name")
    assert present_of(found.waiting) == {ANY: 1, "types": 1}
    assert found.odd == []
    assert "make the expression simpler" in remedy("the expression of route events takes too long")


def test_a_zip_waits_as_well_for_the_name_of_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped(HOSTILE))
    watcher = drop_watcher(tmp_path)

    for _ in range(2):
        (file,) = watcher.look().waiting
        assert "takes too long" in getattr(file.verdict, "why", "")
        assert file.unknown


def test_in_the_work_folder_of_another_agent_it_counts_for_every_route(tmp_path: Path) -> None:
    path = tmp_path / ".uploading" / "agent-other" / TOKEN / HOSTILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a,1\n")

    assert drop_watcher(tmp_path).look().elsewhere == {ANY: 1}
    assert routed(path, ROUTES).unknown


def test_the_agent_goes_on_with_others_and_every_command_says_why_it_waits(
    world: World, lines: list[str]
) -> None:
    world.settings["routes"][1] |= {"regex": ENDLESS}
    del world.settings["routes"][1]["match"]
    world.drop(HOSTILE, "[]")
    world.drop("event_types.json", "[]")

    assert world.run_once(patience=0.3) == 4

    assert set(world.files("drop")) == {HOSTILE}
    assert set(world.files("done")) == {"event_types.json"}
    assert world.files("failed") == {}
    why = "the expression of route reason-codes takes too long on this name"
    assert any(why in line for line in lines)
    explained = watcher(world, "explain", str(world.path("drop") / HOSTILE))
    assert explained.returncode == 1
    assert f"{why}; it would wait: make the expression simpler, or rename the file" in explained.stdout
    world.path("by_hand").mkdir()
    copy = world.path("by_hand") / HOSTILE
    copy.write_text("[]")
    assert "name a route with --route" in watcher(world, "upload", str(copy)).stderr
    assert watcher(world, "status").returncode == 1
    assert watcher(world, "withdraw", HOSTILE).returncode == 0
    assert HOSTILE in world.files("failed")


def prepared(data: bytes, **changes: Any) -> object:
    """The preflight of a JSON or CSV file."""
    kind = "csv" if "columns" in changes else "json"
    route = Route("r", (), "http://x", "x", kind, **changes)
    return prepare(io.BytesIO(data), "a.b", route, scratch=io.BytesIO, now=NOW)


def of_schema(value: object) -> dict[str, Any]:
    return {"schema": json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "items": value})}


OBJECT = json.dumps([{"a" * 60 + ".txt": "a" * 61 + ".txt"}]).encode()
VALUE = {"pattern": f"^{ENDLESS}$"}


@pytest.mark.parametrize(
    ("data", "rules"),
    [
        (f"x,{HOSTILE}\n".encode(), {"columns": (Column("n"), Column("c", "pattern", pattern=ENDLESS))}),
        (OBJECT, of_schema({"additionalProperties": VALUE})),
        (OBJECT, of_schema({"propertyNames": VALUE})),
        (OBJECT, of_schema({"patternProperties": {VALUE["pattern"]: True}})),
        (OBJECT, of_schema({"patternProperties": {VALUE["pattern"]: True}, "additionalProperties": False})),
        (OBJECT, of_schema({"$schema": "http://json-schema.org/draft-07/schema#", "propertyNames": VALUE})),
    ],
    ids=["columns", "pattern", "propertyNames", "patternProperties", "additional", "with its own dialect"],
)
def test_a_value_that_takes_too_long_holds_its_file_alone(data: bytes, rules: dict[str, Any]) -> None:
    with pytest.raises(Outside) as caught:
        prepared(data, **rules)

    assert caught.value.target == Target("file", "a.b")
    assert ENDLESS in caught.value.reason
    assert "simpler" in caught.value.check


def test_a_file_that_is_held_for_a_value_fails_not_and_lets_the_others_go(world: World) -> None:
    rule = {"name": "code", "pattern": ENDLESS}
    world.settings["routes"][2]["columns"] = ["agent", rule]
    world.drop("agent_events_1.csv", f"1,{HOSTILE}\n")
    world.drop("agent_events_2.csv", "1,aaa.csv\n")

    assert world.run_once(patience=0.5) == 4

    assert set(world.files("done")) == {"agent_events_2.csv"}
    assert world.files("failed") == {}
    rule["pattern"] = r"[^,]*"  # mended
    assert world.run_once() == 0
    assert set(world.files("done")) == {"agent_events_1.csv", "agent_events_2.csv"}


def test_one_file_that_is_held_alone_does_not_end_the_patience_for_those_that_settle(world: World) -> None:
    world.settings |= {"settle": {"quiet": 0.3}}
    world.settings["routes"][2]["columns"] = ["agent", {"name": "code", "pattern": ENDLESS}]
    world.drop("agent_events_1.csv", f"1,{HOSTILE}\n")
    world.drop("agent_events_2.csv", "")  # such are given time to be written

    assert world.run_once(patience=0.1) == 4

    assert set(world.files("failed")) == {"agent_events_2.csv", "agent_events_2.csv.error.txt"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": False}, 2),
        ({"patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": {"type": "string"}}, 1),
        ({"patternProperties": {"^[nx]": True}, "additionalProperties": False}, 0),
        ({"properties": {"x": {"pattern": "^b"}}}, 1),
        ({"properties": {"x": {"pattern": "a$"}, "n_1": {"pattern": "o"}}}, 0),
        ({"propertyNames": {"pattern": "^.$"}}, 1),
    ],
)
def test_a_schema_means_what_it_meant(value: object, expected: int) -> None:
    from watcher.content.json_schema import validator

    found = list(validator(of_schema(value)["schema"]).iter_errors([{"n_1": "no", "x": "a"}]))

    assert len(found) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not known what a thread computes")
def test_a_file_that_takes_the_processor_for_long_is_held_alone_and_no_folder_is_said_to_hang(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.core.policy.PLAUSIBLE_SECONDS", 0.5)
    schema = {"type": "array", "uniqueItems": True, "items": {"type": "object"}}
    world.path("s.json").write_text(json.dumps(schema))
    world.settings["routes"][0]["schema"] = "s.json"
    world.settings["routes"][2]["after"] = []
    many = [{"id": number, "name": f"n{number}"} for number in range(1_000)]
    world.drop("event_types.json", json.dumps(many))
    world.drop("agent_events.csv", "k,1\n")

    logged: list[str] = []
    handler = logger.add(lambda message: logged.append(str(message)), format="{message}")

    assert world.run_once(patience=30.0) == 0

    logger.remove(handler)
    held = [line for line in logged if "holding" in line]
    assert len(held) == 1
    assert "holding file event_types.json: it has been looked through for " in held[0]
    ends = [line.split(":")[0] for line in logged if ": delivered to" in line]
    assert ends == ["agent_events.csv", "event_types.json"]
    assert any("file event_types.json is held no longer" in line for line in logged)
