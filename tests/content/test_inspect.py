"""A bad file is found before anything is sent, and the reason names the line."""

import codecs
import csv
import gc
import hashlib
import io
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.content.content import BLOCK_BYTES, Content
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

CSV = Route("events", (), "http://x", "text/csv", "csv")
COLUMNS = tuple(map(Column, ("agent", "event", "start")))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD_LINE = b'1001,"READY ""now""",2026-11-23T08:00:00Z\n'


def inspected(data: bytes, **changes: Any) -> Content:
    """Inspect `data` as a file of a CSV route."""
    settings_of_route = {"header": "none", "max_record": CSV.max_record, **changes}
    route = Route("events", (), "http://x", "text/csv", "csv", **settings_of_route)
    return prepare(io.BytesIO(data), "a.csv", route, scratch=io.BytesIO, now=NOW)


def inspected_json(data: bytes, max_json: int = 10_000_000) -> Content:
    """Inspect `data` as a file of a JSON route."""
    route = Route("types", (), "http://x", "application/json", "json", max_json=max_json)
    return prepare(io.BytesIO(data), "a.json", route, scratch=io.BytesIO, now=NOW)


def refused(data: bytes, **changes: Any) -> Unfit:
    """Inspect a CSV file that is unfit, and return why."""
    with pytest.raises(Unfit) as caught:
        inspected(data, **changes)
    assert caught.value.what_to_do
    return caught.value


def test_a_good_file_is_told_by_its_hash_and_size() -> None:
    data = codecs.BOM_UTF8 + "a,ü\r\nb,€".encode()

    found = inspected(data)
    assert (found.source_sha256, found.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (found.empty, found.records) == (False, 2)


@pytest.mark.parametrize(("data", "line"), [(b"a\nb\nc\xe4\n", 3), (b"\xff\n", 1), (b"a\r\nb\xc3\r\nc", 2)])
def test_bytes_that_are_not_utf8_are_refused_with_their_line(data: bytes, line: int) -> None:
    fault = refused(data)

    assert fault.lines == str(line)
    assert f"line {line}: byte 0x" in fault.reason
    assert "UTF-8" in fault.what_to_do


def test_a_file_that_ends_inside_a_character_is_refused() -> None:
    assert refused("a\nb€".encode()[:-1]).lines == "2"


@pytest.mark.parametrize("before", range(5))
def test_a_character_across_the_end_of_a_block_is_whole(before: int) -> None:
    filler = b"x" * 63 + b"\n"
    begin = filler * (BLOCK_BYTES // 64)
    data = begin[: BLOCK_BYTES - before] + "\U0001f600,€\n".encode()

    assert inspected(data).size == len(data)


def test_a_character_cut_short_at_the_end_of_a_block_is_refused_with_its_line() -> None:
    begin = (b"x" * 63 + b"\n") * (BLOCK_BYTES // 64)
    data = begin[:-2] + b"\xe2\x82" + b"\nnext line\n"

    assert refused(data).lines == str(BLOCK_BYTES // 64)


def test_a_nul_byte_is_refused_with_its_line_wherever_it_is() -> None:
    assert refused(b"a\nb\nc\0\n").lines == "3"
    long = GOOD_LINE * (1 + BLOCK_BYTES // len(GOOD_LINE))
    assert refused(long + b"\0\n").lines == str(long.count(b"\n") + 1)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_unclosed_quote_is_told_by_its_own_line_though_well_quoted_lines_follow(end: bytes) -> None:
    good = GOOD_LINE.replace(b"\n", end)
    bad = b'1002,"NOT READY,2026-11-23T08:00:00Z' + end

    fault = refused(good * 500 + bad + good * 500)

    assert fault.lines == "501"
    assert fault.reason == "line 501: the quote that opens here is never closed"


def test_an_unclosed_quote_is_found_across_blocks() -> None:
    count = 2 * BLOCK_BYTES // len(GOOD_LINE)

    assert refused(GOOD_LINE * count + b'1002,"NOT READY\n' + GOOD_LINE * count).lines == str(count + 1)


def test_a_record_over_max_record_is_refused_with_the_line_it_begins_on() -> None:
    data = b"1,2\n" * 10 + b'1,"' + b"x\n" * 60 + b'"\n' + b"1,2\n" * 10

    fault = refused(data, max_record=100)

    assert fault.lines == "11"
    assert "the record that begins on line 11 is longer than 100 bytes" in fault.reason
    assert inspected(data, max_record=125)


def test_a_record_over_max_record_is_found_across_blocks() -> None:
    before = GOOD_LINE * (BLOCK_BYTES // len(GOOD_LINE) - 1)
    data = before + b'1,"' + b"x\n" * BLOCK_BYTES + b'"\n' + GOOD_LINE

    assert refused(data, max_record=2 * BLOCK_BYTES).lines == str(before.count(b"\n") + 1)
    assert inspected(data, max_record=2 * BLOCK_BYTES + 5)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(1, 60))
def test_max_record_is_kept_to_the_byte(lengths: list[int], max_record: int) -> None:
    data = b"".join(b"x" * length + b"\n" for length in lengths)

    too_long = [at for at, length in enumerate(lengths, start=1) if length + 1 > max_record]
    if too_long:
        assert refused(data, max_record=max_record).lines == str(too_long[0])
    else:
        assert inspected(data, max_record=max_record).size == len(data)


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\r\n", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n"])
def test_blank_files_count_as_empty(data: bytes) -> None:
    assert inspected(data).empty
    assert inspected_json(data).empty


@pytest.mark.parametrize("header", ["drop", "first", "every"])
@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8], ids=["plain", "bom"])
def test_a_header_alone_counts_as_empty(header: str, bom: bytes) -> None:
    for data in (b"h1,h2", b"h1,h2\n", b"h1,h2\r\n\r\n"):
        assert inspected(bom + data, header=header).empty
        assert not inspected(bom + data, header="none").empty
    assert not inspected(bom + b"h1,h2\n1,2", header=header).empty


def test_a_record_with_the_wrong_number_of_fields_is_refused_with_its_line() -> None:
    data = b'1,"two\nlines",3\n\n4,5,6\n7,8\n9,10,11\n'

    fault = refused(data, columns=COLUMNS)

    assert fault.lines == "5"
    assert fault.reason == "line 5: 2 fields where the route has 3 columns"


def test_columns_are_counted_with_the_delimiter_of_the_route() -> None:
    assert inspected(b"1;2,5;3\n", columns=COLUMNS, delimiter=";")
    assert refused(b"1,2,3\n", columns=COLUMNS, delimiter=";").lines == "1"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"agent,event", "missing: start"),
        (b"agent,event,start,end", "unexpected: end"),
        (b"agent,event,begin", "missing: start; unexpected: begin"),
        (b"event,agent,start", "another order"),
    ],
)
def test_a_header_with_other_columns_is_refused_with_what_differs(header: bytes, words: str) -> None:
    fault = refused(header + b"\n1,2,3\n", columns=COLUMNS, header="drop")

    assert fault.lines == "1"
    assert words in fault.reason
    assert "agent,event,start" in fault.what_to_do


def test_a_header_may_have_a_bom_blanks_quotes_and_another_case() -> None:
    data = codecs.BOM_UTF8 + b'"Agent", EVENT ,start\r\n1,2,3\r\n'

    assert not inspected(data, columns=COLUMNS, header="first").empty


def test_a_file_that_is_refused_for_its_columns_is_let_go_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps the reason (a log, a traceback) must not keep a reader that still wants the file."""
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: unraisable.append(what.exc_value))
    file = io.BytesIO(b"1,2,3\n7,8\n9,10,11\n")
    with pytest.raises(Unfit) as caught:
        prepare(file, "a.csv", replace(CSV, columns=COLUMNS), scratch=io.BytesIO, now=NOW)

    assert not file.closed
    file.close()
    del caught
    gc.collect()
    assert unraisable == []


def test_a_field_longer_than_csvs_own_limit_is_counted_too() -> None:
    csv.field_size_limit(131_072)  # what Python begins with
    data = b"1," + b"x" * 131_073 + b",3\n"

    assert inspected(data, columns=COLUMNS).size == len(data)


@pytest.mark.parametrize(
    ("data", "line"),
    [(b'{"a": 1,\n "b": }', 2), (b"[1, 2\n\n", 3), (b"[1]\n[2]", 2), (b"{'a': 1}", 1), (b"[1,]", 1)],
)
def test_json_that_does_not_parse_is_refused_with_its_line(data: bytes, line: int) -> None:
    with pytest.raises(Unfit, match=f"line {line}, column") as caught:
        inspected_json(data)

    assert caught.value.lines == str(line)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[NaN]", "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "not JSON that can be read"),
        (b'["\xe4"]', "is not UTF-8"),
        (b'["\0"]', "NUL"),
        (b"[" + b"1" * 99 + b"]", "larger than 100 bytes"),
    ],
    ids=["NaN", "Infinity", "deep", "digits", "latin-1", "nul", "large"],
)
def test_json_that_cannot_be_sent_is_refused_with_words(data: bytes, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        inspected_json(data, max_json=100 if words.startswith("larger") else 10_000_000)


def test_json_with_a_bom_is_good() -> None:
    data = codecs.BOM_UTF8 + '{"ü": [1.5e3, null]}'.encode()

    found = inspected_json(data)
    assert (found.source_sha256, found.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (found.empty, found.records) == (False, 1)
