"""JSON whose elements are within an object, or are documents one behind the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Server, World
from tests.content.shaping import content, refusal
from tests.settings.test_route_settings import built, problem
from watcher.content.json_scan import READ_BYTES
from watcher.core.model import Route


def json_route(**changes: Any) -> Route:
    """A route for JSON with these settings."""
    return Route("types", (), "http://x", "application/json", "json", **changes)


def elements(data: bytes | str, **changes: Any) -> list[str]:
    """The text of each element that goes out."""
    found = content(data, json_route(**changes))
    found.file.seek(0)
    return found.file.read().decode().splitlines()


def test_an_array_within_an_object_goes_out_and_what_else_is_told() -> None:
    text = '{"total": 2, "conversations": [{"id": 1.50},\n {"id": "]"}], "nextUri": {"a": [1]}}'
    found = content(text, json_route(split_at="conversations"))

    assert elements(text, split_at="conversations") == ['{"id": 1.50}', '{"id": "]"}']
    assert (found.records, found.cuttable) == (2, False)
    assert found.changes.words == "left out: keys total, nextUri"
    assert content(text, json_route(split_at="conversations", split=1)).cuttable


def test_the_array_may_be_deeper_and_empty() -> None:
    assert elements('{"a": {"x": 1, "b": [1, 2]}, "c": 3}', split_at="a.b") == ["1", "2"]
    assert content('{"a": {"x": 1, "b": [1]}}', json_route(split_at="a.b")).changes.keys == ("a.x",)
    assert content('{"a": [ ]}', json_route(split_at="a")).empty


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "c": []}', "line 1: there is no array b, which `split_at` needs: it has a, c"),
        ("{}", "line 1: there is no array b, which `split_at` needs: it has nothing"),
        ('{"b": {}}', "line 1: there is no array b, which `split_at` needs: b is no array"),
        ("[1]", "line 1: there is no array b, which `split_at` needs: it is no object"),
        ('{"b": [],\n"b": []}', "line 2: there is no array b, which `split_at` needs: b is there twice"),
        ('{"b": [1],\n}', "line 2, column 1: not JSON: there is no name in double quotes"),
        ('{"b": [1}', "line 1, column 9: not JSON: there is no comma and no end where one must be"),
        ('{"b": [1]', "line 1, column 10: not JSON:"),
        ('{"b" [1]}', "line 1, column 6: not JSON: there is no colon behind a name"),
        ('{"b": [1]}\n{}', "line 2, column 1: not JSON: something follows the end of the document"),
        ('{"b": [1], "c": x}', "line 1, column 17: not JSON: "),
    ],
)
def test_an_object_without_the_array_is_refused_with_what_it_has(text: str, words: str) -> None:
    assert refusal(text, json_route(split_at="b")).reason.startswith(words)


@pytest.mark.parametrize("between", ["", "\n", " \r\n\n ", "\t"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_documents_one_behind_the_other_are_elements(between: str, end: str) -> None:
    texts = ['{"a": "}{"}', "[1, 2]", '{"b": 1.0}']

    assert elements(between.join(texts) + end, documents=True) == texts


def test_a_document_may_be_on_several_lines_and_a_fault_is_told_with_its_line() -> None:
    assert elements('{\n"a": 1\n}{"b": 2}', documents=True) == ['{ "a": 1 }', '{"b": 2}']
    fault = refusal('{"a": 1}\n{"b": 2,}\n', json_route(documents=True))
    assert fault.reason.startswith("line 2, column 9: not JSON")
    assert refusal('{"a": 1},{"b": 2}', json_route(documents=True)).reason.startswith("line 1, column 9: not")


def test_a_file_that_needs_the_setting_says_so() -> None:
    assert "set `format: jsonl`" in refusal('{"a": 1}\n{"b": 2}\n', json_route()).what_to_do


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, READ_BYTES), min_size=1, max_size=4), st.sampled_from(["", "\n"]))
def test_however_large_documents_are_they_come_out_as_they_are(sizes: list[int], between: str) -> None:
    texts = [json.dumps({"text": "x" * size, "n": [size, {"y": None}]}) for size in sizes]

    assert elements(between.join(texts), documents=True) == texts
    assert elements('{"z": {"q": "\\u00e9"}, "a": [' + ", ".join(texts) + "]}", split_at="a") == texts


JSON_ROUTE = ("content_type: application/json", "path: /types")


def test_a_route_says_where_its_elements_are(tmp_path: Path) -> None:
    assert built(tmp_path, *JSON_ROUTE, "split_at: data.items", "split: 5").split_at == "data.items"
    assert built(tmp_path, *JSON_ROUTE, "format: jsonl").documents
    assert not built(tmp_path, *JSON_ROUTE).documents
    assert problem(tmp_path, "split_at: a").startswith("13: routes[0].split_at: is for JSON routes")
    assert problem(tmp_path, *JSON_ROUTE, "split_at: a..b").startswith(
        "15: routes[0].split_at: must be a name"
    )
    assert "format: jsonl for many" in problem(tmp_path, *JSON_ROUTE, "split_at: a", "format: jsonl")


@pytest.mark.parametrize(
    ("keys", "file"),
    [
        (
            {"split_at": "all", "split": 2},
            b'{"all": [{"n": 1}, {"n": 2}, {"n": 3}], "t":0}',
        ),
        ({"format": "jsonl", "split": 2}, b'{"n": 1}{"n": 2}{"n": 3}'),
        ({"format": "jsonl", "split": 2}, b'{"n": 1}\n{"n": 2}\n{"n": 3}\n'),
    ],
)
def test_they_arrive_as_arrays_of_so_many_elements(world: World, keys: dict[str, Any], file: bytes) -> None:
    with Server(json_in_parts=True) as server:
        world.settings["wfm"] |= {"api_url": server.url, "token_url": server.token_url}
        world.settings["routes"][0].update(keys)
        world.drop("event_types.json", file)

        assert world.run_once() == 0
        (operation,) = server.operations()
    assert [json.loads(chunk) for chunk in operation.chunks] == [[{"n": 1}, {"n": 2}], [{"n": 3}]]
