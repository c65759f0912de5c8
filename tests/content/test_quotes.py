"""Quotes stand where RFC 4180 has them, or the file is refused; exports that write others say so by route."""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.content.content import BLOCK_BYTES, Content
from watcher.content.inspect import prepare
from watcher.content.quotes import QuoteCheck, first_misplaced
from watcher.content.split import cut
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def prepared(data: bytes, **changes: Any) -> Content:
    """The preflight of `data` as a CSV file."""
    route = Route("r", (), "http://x", "text/csv", "csv", **changes)
    return prepare(io.BytesIO(data), "a.csv", route, scratch=io.BytesIO, now=NOW)


def refused(data: bytes, **changes: Any) -> Unfit:
    """The reason why `data` is not sent."""
    with pytest.raises(Unfit) as caught:
        prepared(data, **changes)
    assert caught.value.what_to_do
    return caught.value


def sent(content: Content, limit: int = 64) -> list[bytes]:
    """The bodies that go out."""
    bodies, position, last = [], content.opening.start, False
    while not last:
        chunk = cut(content.file, position, limit, content.opening, max_record=1 << 20)
        bodies.append(chunk.body)
        position, last = chunk.end, chunk.last
    return bodies


@pytest.mark.parametrize(
    ("data", "delimiter", "line", "words"),
    [
        (b'anna\t"call back\t1\nbob\t5" pipe\t2\ncy\tx\t3\n', "\t", 1, "never closed"),
        (b'a,5" x\n"q\nz",6" y\nc,1\n', ",", 1, "within a field that does not begin with one"),
        (b'1;x\n"say \\"hi\\" now";1\n', ";", 2, "goes on behind its closing quote"),
        (b'"abc"def;1\n', ";", 1, "goes on behind its closing quote"),
        (b'a,5",6\nb,7",8\n', ",", 1, "within a field"),
        (b'a,b\nc,"d" \n', ",", 2, "goes on behind"),
        (b'a,b\nc, "d"\n', ",", 2, "within a field"),
        (b'a,b\r\n"c\r\nd"e,f\r\n', ",", 2, "never closed"),
        (b'a,b""c\n', ",", 1, "within a field"),
        (b'\xef\xbb\xbf"a"b,c\n', ",", 1, "goes on behind"),
        (b'sep=;\na;b\nc;5" d\n', ",", 3, "within a field"),
        (b'a,"b"', ",", 0, ""),
        (b'\xef\xbb\xbf"a",""\r\n"""","b ""c"" d"', ",", 0, ""),
    ],
)
def test_a_quote_in_the_wrong_place_is_refused_with_its_line_though_their_number_is_even(
    data: bytes, delimiter: str, line: int, words: str
) -> None:
    for columns in ((), (Column("x"), Column("y"), Column("z"))):
        if line:
            fault = refused(data, delimiter=delimiter, columns=columns)
            assert fault.lines == str(line)
            assert words in fault.reason
        elif not columns:
            assert prepared(data, delimiter=delimiter)


def test_the_way_out_names_the_setting_for_exports_that_quote_in_another_way() -> None:
    assert 'escape: "\\\\"' in refused(b'"say \\"hi\\"",1\n').what_to_do
    assert "quotes: none" in refused(b'a,5" pipe\n').what_to_do


@pytest.mark.parametrize("part", range(3))
def test_the_quick_look_at_quotes_sees_what_a_look_at_each_of_them_sees(part: int) -> None:
    chance = random.Random(part)
    pieces = ['"a","b"', '"a","b""",c', ',"x"\n', 'a"b"\n', '"q\n', "a,b\r\n", '""', ",", '"', "\r"]
    for _ in range(20_000):
        if part:
            data = "".join(chance.choices(pieces, k=chance.randrange(7))).encode()
        else:
            data = "".join(chance.choices('a,"\n\r;', k=chance.randrange(16))).encode()
        check, sound, at = QuoteCheck(b","), True, 0
        while at < len(data) and sound:
            block = data[at : at + chance.randrange(1, 12)]
            sound = check.feed(block, block.count(b'"'))
            at += len(block)
        sound = sound and check.finish()
        assert sound == (first_misplaced(io.BytesIO(data), b",") is None), data


def test_what_passes_is_cut_into_the_records_that_strict_readers_see() -> None:
    chance = random.Random(5)
    passed = 0
    for _ in range(8_000):
        data = "".join(chance.choices('ab,"\n', k=chance.randrange(1, 14))).encode()
        try:
            bodies = sent(prepared(data), limit=chance.randrange(1, 9))
        except Unfit:
            continue
        passed += 1
        whole = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
        parts = [csv.reader(io.StringIO(body.decode(), newline=""), strict=True) for body in bodies]
        assert [row for part in parts for row in part] == whole, data
    assert passed > 1_200


@pytest.mark.parametrize("before", range(4))
def test_quotes_at_the_end_of_a_block_are_judged_by_what_follows(before: int) -> None:
    line = b'1001,"READY ""now""",x\n'
    begin = line * (BLOCK_BYTES // len(line) - 1)
    filler = b"y" * (BLOCK_BYTES - len(begin) - 3 - before)

    for tail, sound in ((b'"""q"",r",1\n', True), (b'""q"",r",1\n', False), (b'"",1\n', True)):
        data = begin + filler + b"," + tail
        if sound:
            assert prepared(data).size == len(data)
        else:
            assert refused(data).lines == str(begin.count(b"\n") + 1)


def test_without_quotes_by_the_route_a_quote_is_text_and_goes_out_doubled() -> None:
    data = b'anna\t"call back\t1\nbob\t5" pipe\t2\ncy\tx, y\t3\n'

    content = prepared(data, delimiter="\t", quotes="none")

    assert b"".join(sent(content)) == b'anna,"""call back",1\nbob,"5"" pipe",2\ncy,"x, y",3\n'
    assert content.records == 3


def test_an_escaped_quote_goes_out_doubled_and_a_null_as_nothing() -> None:
    data = b'"say \\"hi\\", now",1,\\N\r\n\\"x\\\\y,"a\\\nb",2\r\n'

    content = prepared(data, escape="\\")

    assert list(csv.reader(io.StringIO(b"".join(sent(content)).decode(), newline=""), strict=True)) == [
        ['say "hi", now', "1", ""],
        ['"x\\y', "a\nb", "2"],
    ]


@pytest.mark.parametrize("keys", [{"quotes": "none"}, {"escape": "\\"}])
def test_where_there_is_nothing_special_the_file_goes_out_byte_for_byte(keys: dict[str, Any]) -> None:
    data = b"a,1\r\nb,2"
    content = prepared(data, **keys)

    assert b"".join(sent(content)) == data
    assert content.sha256 == content.source_sha256


def test_a_quote_that_is_not_escaped_is_refused_where_it_may_not_stand() -> None:
    fault = refused(b'a,1\n5\\" x,b"c\n', escape="\\")

    assert fault.reason.startswith("line 2: there is a quote within a field")


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b'a;5" x\nb;\nc;"y\n', {"quotes": "none"}),
        (b'a;"5\\" x"\nb;\nc;\\"y\n', {"escape": "\\"}),
    ],
)
def test_bad_records_are_set_aside_as_they_came(data: bytes, keys: dict[str, Any]) -> None:
    columns = (Column("name"), Column("size", required=True))

    content = prepared(data, delimiter=";", columns=columns, bad_records="set_aside", **keys)

    assert b"".join(sent(content)) == b'a,"5"" x"\nc,"""y"\n'
    assert content.aside is not None
    content.aside.seek(0)
    assert content.aside.read() == b"b;\n"
    assert content.line_in_source(2) == 3


def test_a_line_longer_than_a_record_may_be_is_refused_where_quotes_mean_nothing() -> None:
    fault = refused(b'a,b\n"' + b"x" * 200 + b"\n", quotes="none", max_record=100)

    assert fault.reason == "line 2 is longer than 100 bytes"
