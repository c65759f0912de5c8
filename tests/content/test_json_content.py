"""JSON: checked by a schema, sent in parts with every number as it was, and JSON Lines as an array."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Server, World, answer, works
from watcher.content.content import Content
from watcher.content.inspect import prepare
from watcher.content.json_text import READ_BYTES
from watcher.content.split import cut
from watcher.core.errors import ConfigError, Unfit
from watcher.core.model import Route
from watcher.settings.config import load

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCHEMA = {
    "type": "array",
    "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
}


def prepared(data: bytes, name: str = "a.json", **changes: Any) -> Content:
    """The preflight of `data`."""
    route = Route("r", (), "http://x", "application/json", "json", **changes)
    return prepare(io.BytesIO(data), name, route, scratch=io.BytesIO, now=NOW)


def bodies(content: Content, *, limit: int = 1_000_000, count: int | None = None) -> list[bytes]:
    """What goes out, a body each."""
    found, position, last = [], content.opening.start, content.empty
    while not last:
        chunk = cut(content.file, position, limit, content.opening, max_record=1 << 20, count=count)
        found.append(chunk.body)
        position, last = chunk.end, chunk.last
    return found


def test_an_array_goes_out_in_parts_with_numbers_and_strings_as_they_were() -> None:
    data = b'[ 1.50,1e400 ,\n 123456789012345678901234567890,\n{"a":\n "\\u00fc\\n"},"\xc3\xbc" ]\n'

    found = bodies(prepared(data, split=2), count=2)

    assert found == [
        b"[1.50,1e400]",
        b'[123456789012345678901234567890,{"a":  "\\u00fc\\n"}]',
        b'["\xc3\xbc"]',
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(JSON, max_size=8),
    st.integers(1, 4),
    st.integers(10, 200),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_whatever_the_array_its_parts_joined_are_the_array(
    values: list[Any], count: int, limit: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return

    found = bodies(prepared(data, split=count), limit=limit, count=count)

    assert [value for body in found for value in json.loads(body)] == values
    assert all(1 <= len(json.loads(body)) <= count for body in found)
    assert all(len(body) <= limit or len(json.loads(body)) == 1 for body in found)


def test_an_element_across_the_window_is_whole() -> None:
    values = ["x" * (READ_BYTES - 10), 12345678901234567890, "y" * (3 * READ_BYTES), 7]
    content = prepared(json.dumps(values).encode(), split=1)

    assert [json.loads(body)[0] for body in bodies(content, count=1)] == values


@pytest.mark.parametrize("number", ["1.5", "-0.25", "1e5", "1E+10", "12345"])
def test_a_number_across_the_window_is_whole_wherever_it_is_cut(number: str) -> None:
    for before in range(READ_BYTES - len(number) - 3, READ_BYTES + 1):
        data = b"[" + b" " * (before - 1) + number.encode() + b" , 7]"

        assert bodies(prepared(data, split=9)) == [f"[{number},7]".encode()]


def test_a_fault_far_into_a_large_array_is_told_at_once_with_line_and_column() -> None:
    good = b'{"a":1},' * 70_000
    with pytest.raises(Unfit, match=f"line 1, column {len(good) + 7}: not JSON: there is no value"):
        prepared(b"[" + good + b'{"a":oops},' + b"1," * 900_000 + b"1]", split=9, max_record=100_000)


def test_an_element_over_max_record_is_refused_before_anything_is_sent() -> None:
    for element in ('"' + "b" * 120_000 + '"', '"' + "€" * 40_000 + '"'):
        with pytest.raises(Unfit, match="the element that begins on line 2 is longer than 100,000 bytes"):
            prepared(f'["a",\n{element}]'.encode(), split=5, max_record=100_000)


def test_many_small_elements_are_split_in_a_time_that_grows_with_their_number() -> None:
    """Line breaks are counted once, not for each element from the beginning of the window."""
    content = prepared(b"[" + b"1," * 200_000 + b"1]", split=1000)

    assert content.records == 200_001


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a": 1}', "line 1: it holds no array at the top"),
        (b"[1,\n2", "line 2, column 2: not JSON: there is no comma"),
        (b"[1,\n]", "line 2, column 1: not JSON"),
        (b"[1]\n[2]", "line 2, column 1: not JSON: something follows"),
        (b"[1 2]", "line 1, column 4: not JSON"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'["' + b"x" * 2_000_000 + b'"]', "longer than 1,000,000 bytes"),
    ],
    ids=["object", "end", "comma", "extra", "no comma", "NaN", "deep", "long"],
)
def test_an_array_that_cannot_be_split_is_refused_with_its_line(data: bytes, words: str) -> None:
    with pytest.raises(Unfit, match=words.replace("(", r"\(")):
        prepared(data, split=10, max_record=1_000_000)


def test_an_empty_array_has_nothing_to_send() -> None:
    assert prepared(b" [ ] ", split=10).empty
    assert prepared(b" ", split=10).empty


def test_json_lines_are_sent_as_an_array(world: World) -> None:
    world.settings["routes"][0]["match"] = "event?types*.json*"
    world.drop("event_types.jsonl", '{"id": 1}\n\n  {"id": 2.50}\r\n')

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == b'[{"id": 1},{"id": 2.50}]'
    assert world.history()[0]["records"] == 2


def test_a_line_that_is_not_json_is_named() -> None:
    with pytest.raises(Unfit, match="line 3, column 2: not JSON"):
        prepared(b"1\n2\n{\n", "a.jsonl")


def test_a_split_array_is_one_operation_of_several_requests(world: World) -> None:
    with Server(json_in_parts=True) as server:
        world.settings["wfm"] |= {"api_url": server.url, "token_url": server.token_url}
        world.settings["routes"][0]["split"] = 3
        world.drop("event_types.json", json.dumps(list(range(8)), indent=1))

        assert world.run_once() == 0

        (operation,) = server.operations()
        assert [json.loads(chunk) for chunk in operation.chunks] == [[0, 1, 2], [3, 4, 5], [6, 7]]
        assert [push["lastChunk"] for push in server.pushes()] == ["false", "false", "true"]


def test_a_refused_part_is_told_by_its_elements(world: World) -> None:
    with Server(json_in_parts=True) as server:
        world.settings["wfm"] |= {"api_url": server.url, "token_url": server.token_url}
        world.settings["routes"][0]["split"] = 3
        server.script.extend([works, answer(422, "no")])
        world.drop("event_types.json", json.dumps(list(range(8)), indent=1))

        assert world.run_once() == 1

    assert world.report("event_types.json")["lines"] == "elements 4-6"


@pytest.fixture
def schema(world: World) -> Path:
    """A route with a schema."""
    path = world.path("types.schema.json")
    path.write_text(json.dumps(SCHEMA))
    world.settings["routes"][0]["schema"] = path.name
    return path


@pytest.mark.parametrize("split", [None, 2])
def test_a_document_that_does_not_fit_its_schema_fails_before_it_is_sent(
    world: World, schema: Path, split: int | None
) -> None:
    del schema
    world.settings["routes"][0] |= {"split": split} if split else {}
    world.drop("event_types.json", '[{"id": 1},\n {"id": "x"}, {}]')

    assert world.run_once() == 1

    report = world.report("event_types.json")
    assert "[1].id: 'x' is not of type 'integer'" in report["problem_1"]
    assert "[2]: 'id' is a required property" in report["problem_2"]
    assert "2 problems in all" in report["reason"]
    assert world.server.operations() == []


@pytest.mark.parametrize(
    ("text", "document", "words"),
    [
        ({"items": {"$ref": "#"}}, "[" * 400 + "]" * 400, "nested too deeply to be checked"),
        ({"items": {"multipleOf": 0.5}}, "[1e400]", "a number too large to be checked"),
    ],
)
def test_a_document_that_a_schema_cannot_check_fails_with_words(
    world: World, schema: Path, text: dict[str, Any], document: str, words: str
) -> None:
    schema.write_text(json.dumps(text))
    world.drop("event_types.json", document)

    assert world.run_once() == 1
    assert words in world.report("event_types.json")["reason"]


def test_a_schema_about_the_whole_array_and_split_contradict_each_other(world: World, schema: Path) -> None:
    schema.write_text(json.dumps({"minItems": 2}))
    world.settings["routes"][0]["split"] = 2

    with pytest.raises(ConfigError, match="minItems at the top is about the whole array"):
        load(world.config, {})


def test_a_schema_sees_json_lines_that_go_out_together_as_one_array(world: World, schema: Path) -> None:
    schema.write_text(json.dumps({"minItems": 2, "uniqueItems": True}))
    world.settings["routes"][0]["match"] = "event?types*.json*"
    world.drop("event_types.jsonl", "1\n2\n")
    assert world.run_once() == 0
    world.drop("event_types.jsonl", "1\n1\n")
    assert world.run_once() == 1


def test_a_document_that_fits_its_schema_is_sent_as_it_is(world: World, schema: Path) -> None:
    del schema
    world.drop("event_types.json", '[{"id":1.0}]')

    assert world.run_once() == 0
    assert world.completed()[0].body == b'[{"id":1.0}]'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON Schema"),
        ('{"type": "nothing"}', "is no JSON Schema: \\$.type"),
        ('{"$ref": "http://localhost/x.json"}', "only references within the file"),
        ('{"items": {"$ref": "#/$defs/nope"}}', "which is not in it"),
        (r'{"pattern": "\\p{L}"}', "is no JSON Schema"),
        ('{"patternProperties": {"^a": {}}, "allOf": [{"unevaluatedProperties": false}]}', "say additional"),
        ("[" * 50_000, "nested too deeply"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_schema_that_is_none_is_an_error_of_the_settings_with_its_line(
    world: World, schema: Path, text: str | None, words: str
) -> None:
    schema.unlink() if text is None else schema.write_text(text)

    with pytest.raises(ConfigError, match=rf"config.yaml:\d+: routes\[0\].schema: .*{words}"):
        load(world.config, {})


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"name": "a", "one_of": []}, "one_of is empty"),
        ({"name": "a", "pattern": ""}, "pattern is empty"),
        ({"name": " "}, "must not be empty"),
        (1, "put it in quotes"),
        ({"name": "a", "is": "utc_time", "not_older": "800000d"}, "more than 100 years"),
        ({"name": "a", "not_future": "5m"}, "need is: utc_time"),
        ({"name": "a", "is": "integer", "pattern": "x"}, "contradict each other"),
    ],
)
def test_a_rule_that_makes_no_sense_is_an_error_of_the_settings(
    world: World, column: Any, words: str
) -> None:
    world.settings["routes"][2]["columns"] = [column]
    with pytest.raises(ConfigError, match=rf"routes\[2\].columns\[0\].*{words}"):
        load(world.config, {})


def test_keys_for_the_other_format_are_errors(world: World) -> None:
    world.settings["routes"][0] |= {"columns": ["a"], "bad_records": "set_aside"}
    world.settings["routes"][2] |= {"split": 2, "reorder": True, "delimiter": ";;", "encoding": "latin-99"}
    with pytest.raises(ConfigError) as caught:
        load(world.config, {})

    text = str(caught.value)
    for key in (
        "[0].columns: is for CSV",
        "[2].split: is for JSON",
        "[2].reorder: needs columns",
        "[2].delimiter: must be one",
        "[2].encoding: is no text encoding",
    ):
        assert f"routes{key}" in text
