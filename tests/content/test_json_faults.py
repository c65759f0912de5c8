"""What is wrong with JSON is told by line and column, in words of people, and in little memory."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.content.content import Content
from watcher.content.inspect import prepare
from watcher.content.json_schema import unchecked_formats
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OF_PYTHON = ("Expecting", "Extra data", "delimiter:", "char ", "index out of range", "Unterminated", "Errno")


def prepared(data: bytes, name: str = "a.json", **changes: Any) -> Content:
    """The preflight of `data` as a JSON file."""
    route = Route("r", (), "http://x", "application/json", "json", **changes)
    return prepare(io.BytesIO(data), name, route, scratch=io.BytesIO, now=NOW)


def refused(data: bytes, name: str = "a.json", **changes: Any) -> Unfit:
    """The reason why `data` is not sent, in words of our own."""
    with pytest.raises(Unfit) as caught:
        prepared(data, name, **changes)
    assert not any(word in caught.value.reason for word in OF_PYTHON)
    return caught.value


@pytest.mark.parametrize("split", [None, 5])
@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b'[{"a": "NaN"},\n{"a": NaN}]', 2, "NaN is no JSON number"),
        (b'[1,\n"-Infinity",\n-Infinity]', 3, "-Infinity is no JSON number"),
        (b'[1,\n"[[[",\n' + b"[" * 100_000 + b"]" * 100_001, 3, "nested too deeply"),
        (
            b'[1,\n"' + b"9" * 5000 + b'",\n' + b"9" * 5000 + b"]",
            3,
            "more than 4,300 digits",
        ),
        (b"[1,\n]", 2, ""),
        (b"[1\n2]", 2, "no comma"),
        (b'[{"a"\n1}]', 2, "no colon"),
        (b'[{"a":1,\n}]', 2, ""),
        (b"[{\na:1}]", 2, "no name in double quotes"),
        (b'[1,\n"abc]', 2, "never closed"),
        (b'[1,\n"a\tb"]', 2, "a control character"),
        (b'[1,\n"a\\xb"]', 2, "a backslash"),
        (b"[1]\n[2", 2, "something follows"),
        (b"[1,\n", 2, ""),
        (b"[1]\n\xef\xbb\xbf[2]", 2, "a byte order mark (U+FEFF) in the middle"),
    ],
)
def test_a_fault_is_told_with_its_line_in_words_of_people(
    data: bytes, line: int, words: str, split: int | None
) -> None:
    fault = refused(data, split=split)

    assert fault.lines == str(line)
    assert f"line {line}, column " in fault.reason
    assert words in fault.reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"agent,event\n1,READY\n", "it looks like CSV"),
        (b"{'a': 1}", "no name in double quotes"),
        (b"'a'", "single quotes"),
        (b"hello", "no value of JSON"),
    ],
)
def test_what_is_no_json_from_the_beginning_is_said_to_be_so(data: bytes, words: str) -> None:
    assert words in refused(data).reason


def test_a_damaged_zip_is_told_in_words_of_people() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.json", b"[1]")
    data = made.getvalue()

    nameless = data.replace(b"a.json", b"\0.json")
    for damaged in (nameless, data[:-5], data.replace(b"[1]", b"[2]"), data[:40]):
        assert "damaged or not whole: it" in refused(damaged, "a.zip").reason


def test_formats_of_a_schema_are_checked() -> None:
    formats = {
        "date-time": ("2026-11-23T08:00:00Z", "2026-11-23 8:00"),
        "date": ("2026-11-23", "2026-02-30"),
        "time": ("08:00:00+01:00", "25:00:00Z"),
        "duration": ("PT1H30M", "P"),
        "email": ("a@example.com", "a.example.com"),
        "hostname": ("a.example.com", "-a.example.com"),
        "ipv4": ("192.0.2.1", "192.0.2.256"),
        "ipv6": ("2001:db8::1", "2001:db8"),
        "regex": ("a+", "(a"),
        "uri": ("https://example.com/a", "example.com"),
        "uuid": ("9397b2d7-f884-4446-bb5f-cdf2b89c2e2f", "9397b2d7"),
    }
    for name, (good, bad) in formats.items():
        schema = json.dumps({"items": {"format": name}})
        assert prepared(json.dumps([good, 5]).encode(), schema=schema).records == 2
        assert f"is not a '{name}'" in refused(json.dumps([good, bad]).encode(), schema=schema).problems[0]
    assert unchecked_formats('{"items": {"format": "int32", "not": {"format": "date"}}}') == ["int32"]


def test_an_array_is_checked_an_element_at_a_time_where_its_schema_is_about_those() -> None:
    data = b'[{"id": 1},\n{"id": "x"}]'
    schema = {"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}

    assert (
        refused(data, schema=json.dumps(schema)).problems[0].startswith("line 2, [1].id: 'x' is not of type")
    )
    whole = json.dumps({**schema, "maxItems": 1})
    assert "is too long" in " ".join(refused(data, schema=whole).problems)
    assert "is not of type 'array'" in refused(b'{"id": 1}', schema=json.dumps(schema)).reason


MANY = b'{"id": 1, "name": "x", "tags": []}'


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\n".join([MANY] * 30_000), "a.jsonl"),
        (b"[" + b",".join([MANY] * 30_000) + b"]", "a.json"),
        (b'{"all": [' + b",".join([MANY] * 30_000) + b"]}", "a.json"),
        (b"[" + b",".join([b"[]"] * 100_000) + b"]", "a.json"),
    ],
    ids=["lines", "array", "object", "lists"],
)
def test_json_takes_little_more_memory_than_its_text(data: bytes, name: str) -> None:
    file = io.BytesIO(data)
    out = io.BytesIO(bytes(4_000_000))  # made before, so that it does not count
    route = Route("r", (), "http://x", "application/json", "json", max_json=20_000_000)
    tracemalloc.start()
    try:
        prepare(file, name, route, scratch=lambda: out, now=NOW)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000


def test_very_many_bad_records_take_little_memory() -> None:
    data = b"1\nx\n" * 50_000
    route = Route(
        "r", (), "http://x", "text/csv", "csv", columns=(Column("n", "integer"),), bad_records="set_aside"
    )
    tracemalloc.start()
    try:
        content = prepare(io.BytesIO(data), "a.csv", route, scratch=lambda: Nowhere(), now=NOW)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert content.bad == 50_000
    assert content.line_in_source(50_000) == 99_999
    assert peak < 13_500_000


class Nowhere(io.BytesIO):
    """A scratch file that keeps nothing."""

    def write(self, data: Any) -> int:
        """Take the bytes and forget them."""
        return len(data)
