"""Which lines are records, in every pass: blank ones, rows of nothing but delimiters, marks between files."""

from __future__ import annotations

import codecs
import csv
import io
import random
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.content.content import BLOCK_BYTES, Content
from watcher.content.inspect import prepare
from watcher.content.lines import LineCount
from watcher.content.records import quotes_and_newlines
from watcher.content.spans import Spans
from watcher.content.split import cut
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TWO = (Column("agent"), Column("n"))


def prepared(data: bytes, name: str = "a.csv", **changes: Any) -> Content:
    """The preflight of `data` as a CSV file."""
    route = Route("r", (), "http://x", "text/csv", "csv", **changes)
    return prepare(io.BytesIO(data), name, route, scratch=io.BytesIO, now=NOW)


def refused(data: bytes, **changes: Any) -> Unfit:
    """The reason why `data` is not sent."""
    with pytest.raises(Unfit) as caught:
        prepared(data, **changes)
    assert caught.value.what_to_do
    return caught.value


def bodies(content: Content, limit: int = 1 << 20) -> list[bytes]:
    """The bodies that go out."""
    found, position, last = [], content.opening.start, False
    while not last:
        chunk = cut(content.file, position, limit, content.opening, max_record=1 << 20)
        found.append(chunk.body)
        position, last = chunk.end, chunk.last
    return found


def sent(content: Content) -> bytes:
    """What goes out."""
    return b"".join(bodies(content))


@pytest.mark.parametrize("part", range(2))
def test_records_are_counted_as_a_reader_counts_them(part: int) -> None:
    chance = random.Random(part)
    pieces = [
        b"a,1\n",
        b"\n",
        b"\r\n",
        b" \t\n",
        b",\n",
        b" , \r\n",
        b'"x\n\n,\ny",1\n',
        b',"\n',
        b'a"',
        b"a",
        b"",
    ]
    for _ in range(20_000):
        data = b"".join(chance.choices(pieces, k=chance.randrange(9)))
        if data.count(b'"') % 2:
            continue
        count, inside, at = LineCount(b","), False, 0
        while at < len(data):
            block = data[at : at + chance.randrange(1, 9)]
            count.feed(block, quotes_and_newlines(block), inside=inside)
            inside ^= bool(block.count(b'"') & 1)
            at += len(block)
        count.finish()
        records = bare = 0
        text, quoted = b"", False
        for line in data.splitlines(keepends=True):
            text += line
            quoted ^= bool(line.count(b'"') & 1)
            if not quoted:
                bare += b"," in text and not text.strip(b" \t,\r\n")
                records += bool(text.strip(b" \t,\r\n"))
                text = b""
        assert (count.records, count.bare) == (records, bare), data


@pytest.mark.parametrize("header", ["none", "first", "drop", "every"])
@pytest.mark.parametrize("columns", [(), TWO])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_blank_lines_are_no_records_in_any_pass(
    header: str, columns: tuple[Column, ...], delimiter: str
) -> None:
    data = b'\nagent,n\n\n  \na,"1\n\n"\r\n\r\n \t\r\n\x0c\nb,2\n\n'.replace(b",", delimiter.encode())

    content = prepared(data, header=header, columns=columns, delimiter=delimiter)

    assert content.records == (3 if header == "none" else 2)
    if delimiter == "," and header == "none":
        assert sent(content) == data


@pytest.mark.parametrize("limit", [40, 1000, 1_000_000])
@pytest.mark.parametrize("keys", [{}, {"columns": TWO}, {"header": "every"}, {"delimiter": ";"}])
def test_no_chunk_is_nothing_but_blank_lines(limit: int, keys: dict[str, Any]) -> None:
    mark = keys.get("delimiter", ",").encode()
    blank = b"\n" * 3_000 + b" \r\n" * 60_000
    data = b"agent,n\na,1\n" + blank + b'b,"2\n\n"\n' + blank + b"c,3\n" + blank
    data = data.replace(b",", mark)

    content = prepared(data, chunk_bytes=limit, **keys)

    found = bodies(content, limit)
    assert all(body.strip() for body in found)
    rows = list(csv.reader(io.StringIO(b"".join(found[:1]).decode(), newline="")))
    assert rows[-3:] == [["a", "1"], ["b", "2\n\n"], ["c", "3"]]
    assert content.line_in_source(2) == 2
    assert content.line_in_source(3) == 63_003


@pytest.mark.parametrize("end", [b"\n", b"\r\n\r\n", b" \n\n"])
@pytest.mark.parametrize("records", range(1, 30))
def test_blank_lines_at_the_end_go_with_a_record_before_them(end: bytes, records: int) -> None:
    data = b"a,1\n" * records + end

    found = bodies(prepared(data, chunk_bytes=20), 20)

    assert b"".join(found) == data
    assert all(body.strip() and len(body) <= 20 for body in found)


@pytest.mark.parametrize("seed", range(4))
def test_no_chunk_is_without_a_record_wherever_the_limit_falls_among_blank_lines(seed: int) -> None:
    chance = random.Random(seed)
    records = [b"a,1", b'b,"2\n\n"', b"c," + b"x" * 30, b'd,"x\n \n' + b"y" * 20 + b'"']
    for _ in range(4_000):
        ends = chance.choice([[b"\n"], [b"\r\n"], [b"\n", b"\r\n"]])
        blanks = [b"", b"", b" ", b"\t", b"\x0c"]
        data = b"agent,n" + chance.choice(ends)
        for _ in range(chance.randrange(1, 8)):
            data += b"".join(chance.choice(blanks) + chance.choice(ends) for _ in range(chance.randrange(4)))
            data += chance.choice(records) + chance.choice(ends)
        data += b"".join(chance.choice(blanks) + chance.choice(ends) for _ in range(chance.randrange(12)))
        data += chance.choice([b"", b"", b"   "])
        limit, header = chance.randrange(1, 90), chance.choice(["none", "first", "drop", "every"])
        content = prepared(data, chunk_bytes=chance.choice([limit, 1_000]), header=header)

        found = bodies(content, limit)

        content.file.seek(content.opening.start)
        header_bytes = len(content.opening.repeat)
        assert b"".join(body[header_bytes:] for body in found) == content.file.read(), data
        for body in found:
            rows = list(csv.reader(io.StringIO(body[header_bytes:].decode(), newline=""), strict=True))
            whole = sum(any(field.strip() for field in row) for row in rows)
            assert whole == 1 or (whole and len(body) <= limit), (data, limit, found)


@pytest.mark.parametrize("blank", [b" " * 3_000_000, b"\n" + b" " * 3_000_000 + b"\n", b"\n" * 9_000 + b" "])
def test_blank_lines_that_would_fill_a_chunk_are_not_sent_with_a_line_end_or_without(blank: bytes) -> None:
    data = b"a,1\n" * 2_000 + blank

    content = prepared(data, chunk_bytes=4_000)

    assert sent(content) == b"a,1\n" * 2_000


def test_a_few_blank_lines_go_out_as_they_are() -> None:
    data = b"a,1\n" * 2_000 + b"\n\n" + b"b,2\n" * 2_000 + b"\r\n\r\n"
    content = prepared(data)

    assert sent(content) == data
    assert content.sha256 == content.source_sha256


BARE = b"agent,n\na,1\n,\nb,\n , \n"


def test_a_row_of_nothing_but_delimiters_is_refused_with_its_line_and_the_setting() -> None:
    for keys in ({}, {"columns": TWO}, {"header": "first", "columns": TWO, "reorder": True}):
        fault = refused(BARE, **keys)
        assert fault.lines == "3"
        assert "nothing but delimiters" in fault.reason
        assert "empty_rows: drop" in fault.what_to_do


@pytest.mark.parametrize("keys", [{}, {"columns": TWO}, {"delimiter": ";"}])
def test_rows_of_nothing_but_delimiters_are_left_out_where_the_route_says_so(keys: dict[str, Any]) -> None:
    data = BARE.replace(b",", keys.get("delimiter", ",").encode())

    content = prepared(data, empty_rows="drop", **keys)

    assert sent(content) == b"agent,n\na,1\nb,\n"
    assert content.records == 3
    assert content.line_in_source(3) == 4
    assert prepared(b",\n,,\n", empty_rows="drop").empty


def test_rows_of_nothing_but_delimiters_are_records_where_the_route_says_so() -> None:
    content = prepared(BARE, empty_rows="send")

    assert sent(content) == BARE
    assert content.records == 5


def test_fields_in_quotes_and_commas_in_text_are_no_row_of_delimiters() -> None:
    data = b'"",""\n"a\n,\n",1\n'

    assert sent(prepared(data)) == data


@pytest.mark.parametrize("keys", [{}, {"columns": TWO, "header": "first"}, {"delimiter": ";"}])
def test_a_delimiter_at_the_end_of_each_line_can_be_declared(keys: dict[str, Any]) -> None:
    data = b'agent,n,\r\na,"1",\r\n\r\nb,,\r\n'.replace(b",", keys.get("delimiter", ",").encode())

    content = prepared(data, trailing_delimiter=True, **keys)

    rows = list(csv.reader(io.StringIO(sent(content).decode())))
    assert [row for row in rows if row] == [["agent", "n"], ["a", "1"], ["b", ""]]


def test_a_trailing_delimiter_that_is_not_declared_is_told_with_the_setting() -> None:
    fault = refused(b"agent,n,\na,1,\n", columns=TWO, header="first")
    assert fault.reason == "line 1: there is a delimiter behind the last column, n"
    assert "trailing_delimiter: true" in fault.what_to_do
    assert "trailing_delimiter: true" in refused(b"a,1,\n", columns=TWO).reason


@pytest.mark.parametrize("end", [b"\x1a", b"\x1a\r\n", b"\r\n\x1a", b"\x1a" * 100])
def test_the_end_mark_of_dos_is_none_of_the_text(end: bytes) -> None:
    for keys in ({}, {"columns": TWO}, {"header": "every"}):
        content = prepared(b"a,1\nb,2\n" + end, **keys)
        assert sent(content).rstrip() == b"a,1\nb,2"
    assert prepared(b"\x1a").empty
    assert prepared(codecs.BOM_UTF16_LE + "a,1\n\x1a".encode("utf-16-le")).records == 1
    route = Route("r", (), "http://x", "application/json", "json")
    content = prepare(io.BytesIO(b"[1]" + end), "a.json", route, scratch=io.BytesIO, now=NOW)
    assert content.file.read(99).rstrip() == b""
    assert content.records == 1


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a,1\nb,2\n\xef\xbb\xbfc,3\n", 3),
        (b"a,1\nb,2\xef\xbb\xbfc,3\n", 2),
        (b"\xef\xbb\xbfa,1\n\xef\xbb\xbfb,2\n", 2),
        (b'a,1\n\xef\xbb\xbf"b",2\n', 2),
        (b"a,1\n\x1ab,2\n\x1a", 2),
        (b"a,1\n" * (BLOCK_BYTES // 4) + b"\xef\xbb\xbfb,2\n", BLOCK_BYTES // 4 + 1),
        (b"x" * (BLOCK_BYTES - 3) + b"\nx\xef\xbb\xbfb,2\n", 2),
        (b"x" * (BLOCK_BYTES - 2) + b"\xef\xbb\xbfb,2\n", 1),
    ],
)
def test_the_mark_between_two_files_that_were_joined_is_refused_with_its_line(data: bytes, line: int) -> None:
    fault = refused(data)

    assert fault.lines == str(line)
    assert "as `copy a+b` leaves it" in fault.reason


def test_files_in_utf16_that_were_joined_are_refused_too() -> None:
    part = codecs.BOM_UTF16_LE + "a,1\n".encode("utf-16-le")

    assert refused(part + part).lines == "2"


@pytest.mark.parametrize(("codec", "text"), [("iso2022_jp", "田中,休憩\n"), ("iso2022_kr", "김,휴식\n")])
def test_text_in_iso_2022_is_no_ascii_and_names_the_setting(codec: str, text: str) -> None:
    data = b"agent,event\n" + text.encode(codec)

    fault = refused(data)

    assert "escape sequences of ISO 2022" in fault.reason
    assert f"encoding: {codec}" in fault.what_to_do
    assert sent(prepared(data, encoding=codec)) == b"agent,event\n" + text.encode()


def test_a_zip64_of_one_file_is_a_zip_of_one_file() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.csv", b"a,1\n")
    data = made.getvalue()
    at = data.rfind(b"PK\x05\x06")
    size, offset = (int.from_bytes(data[at + place : at + place + 4], "little") for place in (12, 16))
    # As programs write it that do not know how much is to come: all that counts is in the ZIP64 records.
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + b"\x2d\0\x2d\0" + bytes(8)
    record += b"".join(number.to_bytes(8, "little") for number in (1, 1, size, offset))
    locator = b"PK\x06\x07" + bytes(4) + at.to_bytes(8, "little") + (1).to_bytes(4, "little")
    end = b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + b"\0\0"

    assert sent(prepared(data[:at] + record + locator + end, "a.zip")) == b"a,1\n"
    many = record[:24] + b"".join(number.to_bytes(8, "little") for number in (9999, 9999, size, offset))
    with pytest.raises(Unfit, match="very many files"):
        prepared(data[:at] + many + locator + end, "a.zip")


def test_spans_are_what_was_added() -> None:
    chance, spans, expected, line = random.Random(1), Spans(), [], 0
    for _ in range(5_000):
        first = line + chance.choice((1, 2, 127, 128, 129, 70_000))
        line = first + chance.choice((0, 1, 200, 20_000))
        spans.add(first, line)
        expected.append((first, line))

    assert list(spans) == expected
    assert not Spans()
