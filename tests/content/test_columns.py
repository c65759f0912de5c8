"""Columns: the header, the order, and a rule for each field; bad records fail the file or are set aside."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import World
from watcher.content.by_column import by_column
from watcher.content.columns import RecordCheck
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route
from watcher.disk import filing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = {
    "text": ["", "anything, ü"],
    "integer": ["0", "-12", "+7", "007"],
    "number": ["1", "1.50", "-.5", "1e3", "3."],
    "utc_time": ["2026-11-23T08:00:00Z", "2026-11-23T08:00Z", "2026-11-23T08:00:00.123+00:00"],
    "uuid": [str(uuid.UUID(int=5)), "A" * 8 + "-aaaa-aaaa-aaaa-" + "1" * 12],
}
BAD = {
    "integer": ["1.0", "1 ", "x", "١"],
    "number": ["1,5", "NaN", "1e", "0x1"],
    "utc_time": [
        "2026-11-23 08:00:00Z", "2026-11-23T08:00:00", "2026-11-23T08:00:00+01:00", "2026-02-30T08:00:00Z",
        "2026-11-23T25:00:00Z", "2026-W48-1T08:00:00Z", "23.11.2026", "2026-11-23T08-00-00Z",
    ],
    "uuid": ["5", "a" * 32],
}  # fmt: skip


def problems(column: Column, *values: str) -> dict[int, list[str]]:
    """What is wrong with records of one field."""
    return dict(RecordCheck([column], NOW).problems([[value] for value in values]))


@pytest.mark.parametrize("kind", GOOD)
def test_fields_that_keep_to_a_kind_are_good_and_an_empty_one_is_unless_required(kind: Any) -> None:
    assert problems(Column("c", kind), *GOOD[kind], *GOOD[kind]) == {}
    assert problems(Column("c", kind), "") == {}
    assert problems(Column("c", kind, required=True), "") == {0: ["column 1 (c): '': is empty"]}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in BAD for value in BAD[kind]])
def test_a_field_that_does_not_keep_to_a_kind_is_told_with_its_column(kind: Any, value: str) -> None:
    good = GOOD[kind][0]

    found = problems(Column("c", kind), good, value, good)

    assert list(found) == [1]
    assert found[1][0].startswith(f"column 1 (c): '{value}': is no ")


def test_one_of_and_pattern_say_what_they_want() -> None:
    states = Column("event", "one_of", one_of=("READY", "AWAY"))
    assert problems(states, "READY", "ready") == {1: ["column 1 (event): 'ready': is none of READY, AWAY"]}
    code = Column("code", "pattern", pattern="[A-Z]{3}")
    assert problems(code, "ABC", "ABCD") == {1: ["column 1 (code): 'ABCD': does not match [A-Z]{3}"]}


def test_times_may_be_kept_within_a_span_around_the_claim() -> None:
    column = Column("t", "utc_time", not_future=300, not_older=30 * 86400)

    assert problems(column, "2026-11-23T12:05:00Z", "2026-10-24T12:00:00Z") == {}
    assert problems(column, "2026-11-23T12:05:01Z", "2026-10-24T11:59:59Z") == {
        0: ["column 1 (t): '2026-11-23T12:05:01Z': lies in the future"],
        1: ["column 1 (t): '2026-10-24T11:59:59Z': is older than 30 days"],
    }


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("a\nb\n", [0, 1]),  # together they have three fields and a line end between them
        ("a,b,c\na\nb\n", [1, 2]),
        ("a,b\nc,d,e,f\n", [0, 1]),
        ("1,2,3\n\n4,5,6\n", []),
        ("1,2,3\n4,5\n", [1]),
    ],
)
def test_short_and_long_lines_are_bad_records_however_they_add_up(text: str, bad: list[int]) -> None:
    columns = tuple(map(Column, "abc"))
    route = Route("r", (), "http://x", "text/csv", "csv", columns=columns)
    lines = [number + 1 for number in bad]

    if bad:
        with pytest.raises(Unfit) as caught:
            prepare(io.BytesIO(text.encode()), "a.csv", route, scratch=io.BytesIO, now=NOW)
        assert caught.value.lines == ", ".join(map(str, lines))
    else:
        assert prepare(io.BytesIO(text.encode()), "a.csv", route, scratch=io.BytesIO, now=NOW).records == 2


VALUES = st.sampled_from(
    [
        "",
        "1",
        "-1",
        "a",
        "2026-11-23T08:00:00Z",
        "2026-11-23T08:00:61Z",
        "2026-11-23T08:00Z",
        "2027-01-01T00:00:00Z",
    ]
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=8), st.booleans())
def test_looking_at_whole_columns_finds_what_looking_at_each_field_finds(
    rows: list[list[str]], required: bool
) -> None:
    columns = [
        Column("a", "integer", required=required),
        Column("b", "utc_time", not_future=60.0),
    ]
    check = RecordCheck(columns, NOW)
    # Beside a bad record every record is looked at by itself.
    one_by_one = {number for number, row in enumerate(rows) if 0 in check.problems([row, ["x"]])}

    found = check.problems(rows)

    assert set(found) == one_by_one
    text = "".join(",".join(row) + "\n" for row in rows)
    quick = by_column(text, 2, ",")
    if quick:
        assert check.all_sound(quick) == (not found)
    elif rows and all(len(row) == 2 for row in rows):
        pytest.fail("records of two fields are not taken apart")


def test_a_problem_names_line_column_and_value_and_all_are_counted(world: World) -> None:
    world.settings["routes"][2]["columns"] = [
        "agent",
        {"name": "event", "one_of": ["READY"]},
        {"name": "timestamp", "is": "utc_time", "required": True},
    ]
    lines = ['"4711\n",READY,2026-11-23T08:00:00Z'] * 3 + ["4711,GONE,"] * 20 + ["1,2"]
    world.drop("agent_events.csv", "\n".join(lines) + "\n")

    assert world.run_once() == 1

    report = world.report("agent_events.csv")
    assert report["reason"] == (
        "21 of 24 records are bad; the first: line 7, column 2 (event): 'GONE': is none of READY"
    )
    assert report["problem_2"] == "line 7, column 3 (timestamp): '': is empty"
    assert "problem_10" in report
    assert "problem_11" not in report
    assert report["lines"].startswith("7, 8, 9")
    assert world.server.operations() == []


def test_columns_in_another_order_are_refused_unless_reorder_puts_them_right(world: World) -> None:
    keys = {"header": "first", "columns": ["agent", {"name": "n", "is": "integer"}, "event"]}
    world.settings["routes"][2] |= keys
    text = 'N, event ,"Agent"\n1,"a,b",x\n2,c,"y"\n'
    world.drop("agent_events.csv", text)
    assert world.run_once() == 1
    report = world.report("agent_events.csv")
    assert "they are in another order" in report["reason"]
    assert "reorder: true" in report["what_to_do"]

    world.settings["routes"][2]["reorder"] = True
    world.drop("agent_events.csv", text)
    assert world.run_once() == 0
    (operation,) = world.completed()
    assert operation.body.decode() == 'Agent,N, event \nx,1,"a,b"\ny,2,c\n'


def test_with_reorder_a_problem_still_names_the_column_of_the_file() -> None:
    columns = (Column("agent"), Column("n", "integer"))
    route = Route("r", (), "http://x", "text/csv", "csv", columns=columns, reorder=True, header="drop")

    with pytest.raises(Unfit, match=r"line 2, column 1 \(n\): 'x': is no whole number"):
        prepare(io.BytesIO(b"n,agent\nx,a\n"), "a.csv", route, scratch=io.BytesIO, now=NOW)


def test_many_bad_records_take_little_memory() -> None:
    columns = (Column("a", "integer"),)
    route = Route("r", (), "http://x", "text/csv", "csv", columns=columns)
    tracemalloc.start()
    try:
        with pytest.raises(Unfit, match="30,000 of 30,000 records are bad"):
            prepare(io.BytesIO(b"x\n" * 30_000), "a.csv", route, scratch=io.BytesIO, now=NOW)
        assert tracemalloc.get_traced_memory()[1] < 15_500_000
    finally:
        tracemalloc.stop()


# -- bad records set aside ---------------------------------------------------------------------------


def set_aside(world: World, **keys: Any) -> None:
    """Records need two fields, the second a number."""
    columns = ["agent", {"name": "n", "is": "integer"}]
    world.settings["routes"][2] |= {"bad_records": "set_aside", "columns": columns} | keys


def test_bad_records_are_set_aside_as_they_were_and_the_good_ones_delivered(world: World) -> None:
    set_aside(world, header="first")
    text = 'agent,n\r\na,"1"\r\n"b\r\nb",two\r\nc,3\r\nd\r\n'
    world.drop("agent_events.csv", text)

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == b'agent,n\r\na,"1"\r\nc,3\r\n'
    assert world.files("done") == {"agent_events.csv": text.encode()}
    assert world.files("failed")["agent_events.csv"] == b'agent,n\r\n"b\r\nb",two\r\nd\r\n'
    report = world.report("agent_events.csv")
    assert report["reason"].startswith("2 of 4 records set aside: line 3, column 2 (n): 'two'")
    assert (report["lines"], report["problem_2"]) == (
        "3-4, 6",
        "line 6: 1 fields where the route has 2 columns",
    )
    assert "copy it into the drop folder" in report["what_to_do"]
    (row,) = world.history()
    assert (row["state"], row["records"]) == ("done", 2)
    assert "set aside" in row["reason"]


def test_what_was_set_aside_can_be_mended_and_dropped_again(world: World) -> None:
    set_aside(world, header="first", delimiter=";", encoding="cp1252")
    world.drop("agent_events.csv", "agent;n\nü;x\nb;2\n".encode("cp1252"))
    assert world.run_once() == 0
    aside = world.files("failed")["agent_events.csv"]
    assert aside == "agent;n\nü;x\n".encode("cp1252")

    world.drop("agent_events.csv", aside.replace(b"x", b"7"))
    assert world.run_once() == 0

    assert [op.body.decode() for op in world.completed()] == ["agent,n\nb,2\n", "agent,n\nü,7\n"]


def test_a_file_with_no_good_record_fails_as_a_whole(world: World) -> None:
    set_aside(world)
    world.drop("agent_events.csv", "a,x\nb,y\n")

    assert world.run_once() == 1
    assert world.files("failed")["agent_events.csv"] == b"a,x\nb,y\n"
    assert world.files("done") == {}


def test_a_taken_name_in_failed_gets_a_stamp_for_what_is_set_aside(world: World) -> None:
    set_aside(world)
    (world.path("failed") / "agent_events.csv").write_text("older")
    world.drop("agent_events.csv", "a,1\nb,y\n")

    assert world.run_once() == 0

    names = sorted(world.files("failed"))
    assert len(names) == 3
    assert world.files("failed")["agent_events.csv"] == b"older"
    (stamped,) = [name for name in names if name.endswith("Z.csv")]
    assert world.files("failed")[stamped] == b"b,y\n"
    assert yaml.safe_load(world.files("failed")[f"{stamped}.error.txt"])["file"] == "agent_events.csv"


def test_what_is_set_aside_keeps_the_sep_line_and_the_name_of_what_is_in_a_zip(world: World) -> None:
    set_aside(world)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("agent_events.csv", b"sep=;\r\na;x\r\nb;1\r\n")
    world.drop("monday.zip", made.getvalue())

    assert world.run_once() == 0
    assert world.files("failed")["agent_events.csv"] == b"sep=;\r\na;x\r\n"


def test_what_is_set_aside_is_kept_though_somebody_takes_the_delivered_file(world: World) -> None:
    finish, taken = filing.finish, []

    def meddling(places: Any, entry: Any, **options: Any) -> bool:
        if not taken:
            taken.append(entry)
            Path(entry.file.source).unlink()
        return finish(places, entry, **options)

    set_aside(world)
    world.drop("agent_events.csv.gz", gzip.compress(b"a,x\nb,1\n"))
    filing.finish = meddling
    try:
        world.run_once()
    finally:
        filing.finish = finish

    assert world.history()[0]["state"] == "vanished"
    assert world.files("failed")["agent_events.csv"] == b"a,x\n"
    assert world.work_files() == []


def test_with_an_encoding_with_a_mark_every_line_aside_is_plain(world: World) -> None:
    set_aside(world, encoding="utf-8-sig")
    world.drop("agent_events.csv", "ü,x\na,1\nb,y\n")

    assert world.run_once() == 0
    assert world.files("failed")["agent_events.csv"].decode() == "ü,x\nb,y\n"
