"""A file whose end looks cut off is in doubt, and half a record is never sent as a whole one."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.content.content import Content
from watcher.content.cut_off import doubt_of
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

ROWS = b"".join(b"%d,agent %d,ready\n" % (number, number) for number in range(2000))
QUOTED = b"".join(b'"%d","says ""hi"",\nand more","ready"\n' % number for number in range(1000))
EVENTS = [{"id": number, "tags": ["[", "}"], "in": {"a": [1, 2]}} for number in range(500)]


def csv_route(**changes: Any) -> Route:
    return Route("events", (), "http://x", "text/csv", "csv", **changes)


JSON = Route("types", (), "http://x", "application/json", "json")


def doubt(data: bytes, name: str = "a.csv", route: Route | None = None) -> str | None:
    return doubt_of(io.BytesIO(data), name, route or csv_route())


def sent(data: bytes, name: str = "a.csv", **changes: Any) -> Content:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return prepare(io.BytesIO(data), name, csv_route(**changes), scratch=io.BytesIO, now=now)


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        ROWS[:-1],
        ROWS[:30] + b"\r\n\r\n",
        ROWS.replace(b"\n", b"\r\n")[:-2],
        ROWS.replace(b"\n", b"\r")[:-1],
        QUOTED,
        QUOTED[:-1],
        ROWS + b"\x1a\x1a",
        "a,ü\nb,€".encode(),
        b"",
        b"alone",
        b"alone,with,three",
        b"a,b,c\nd,e\nf,g,h\ni,j",  # ragged anyway
        b"a\nb\nc",
        ROWS + b"  ",
        b"a,b\n" + b"c" * 100_000,  # no telling
    ],
)
def test_what_ends_as_files_end_is_not_in_doubt(data: bytes) -> None:
    assert doubt(data) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ROWS + b"2000,agent", "its last line has 2 fields and no line end, all others have 3"),
        (ROWS + b"20", "its last line has 1 field and no line end, all others have 3"),
        (b"a,b,c\n1,2", "its last line has 2 fields and no line end, all others have 3"),
        (QUOTED + b'"1"', "its last line has 1 field and no line end, all others have 3"),
        (QUOTED + b'"1","says', "it ends within quotes"),
        (QUOTED + b'"1","says ""hi"",\n', "it ends within quotes"),
        (ROWS + b"1,2,M\xc3", "it ends within a character"),
        (ROWS + b"\0", "it ends in NUL bytes"),
        (ROWS[:5000] + bytes(5000), "it ends in NUL bytes"),
        (ROWS + b"2000,ag\x1a", "its last line has 2 fields and no line end, all others have 3"),
    ],
)
def test_a_csv_that_ends_within_a_record_is_in_doubt(data: bytes, words: str) -> None:
    assert doubt(data) == words


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (b"a;b;c\n1;2;3\n4;5", {"delimiter": "auto"}),
        (b"sep=;\na;b;c\n1;2;3\n4;5", {}),
        (b'a,b"c,d\ne,f,g\nh,"i', {"quotes": "none"}),
        (b'"a\\"b","c,d","e"\n"f","g","h"\n"i","j\\", k"', {"escape": "\\"}),
    ],
)
def test_it_is_in_doubt_however_its_fields_are_written(data: bytes, changes: dict[str, Any]) -> None:
    assert doubt(data, route=csv_route(**changes)) is not None
    with pytest.raises(Unfit, match=r"^line \d: the file ends here after [12] fields?, without a line end"):
        sent(data, **changes)


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_zero_bytes_that_belong_to_a_wide_encoding_are_no_doubt(codec: str) -> None:
    data = ROWS.decode().encode(codec)

    assert doubt(data) is None
    assert doubt(data + bytes(512)) == "it ends in NUL bytes"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(1, len(QUOTED) - 1))
def test_wherever_quoted_records_are_cut_only_a_cut_that_cannot_be_seen_passes(at: int) -> None:
    cut = QUOTED[:at]
    # The last field may be empty; and the first record has no others to be compared with.
    alone = at < QUOTED.index(b"ready") and cut.count(b'"') % 2 == 0

    assert (doubt(cut) is None) == (cut.endswith((b'"ready"', b'"ready"\n', b'more",')) or alone)


def test_half_a_record_at_the_end_fails_the_file_with_its_line() -> None:
    with pytest.raises(Unfit) as caught:
        sent(ROWS + b"2000,agent")

    assert caught.value.lines == "2001"
    assert "after 2 fields, without a line end, and all other records have 3" in caught.value.reason
    assert "put a line end behind it" in caught.value.what_to_do


@pytest.mark.parametrize(
    "data", [ROWS[:-1], b"a,b,c\nd,e\nf,g,h\ni,j\n", b"a,b\nc,d,e\nf", b"x", b"a,b,c\nd,e\n"]
)
def test_files_with_their_last_line_end_and_ragged_ones_go_out_as_they_are(data: bytes) -> None:
    assert sent(data).size == len(data)


def test_columns_and_set_aside_keep_their_say_on_short_records() -> None:
    columns = tuple(map(Column, ("id", "name", "state")))

    found = sent(ROWS + b"2000,agent", columns=columns, bad_records="set_aside")

    assert (found.records, found.bad) == (2000, 1)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_in_doubt_wherever_it_is_cut(indent: int | None) -> None:
    for document in (EVENTS[:20], {"events": EVENTS[:20]}):
        data = json.dumps(document, indent=indent).encode()
        assert doubt(data, "a.json", JSON) is None
        assert doubt(data + b"\n \n", "a.json", JSON) is None
        for at in range(1, len(data)):
            assert doubt(data[:at], "a.json", JSON) == "the JSON in it does not end", at
        assert doubt(data[:100] + bytes(50), "a.json", JSON) == "it ends in NUL bytes"


def test_json_lines_are_in_doubt_where_the_last_one_is_cut() -> None:
    data = b"".join(json.dumps(event).encode() + b"\n" for event in EVENTS)

    assert doubt(data, "a.jsonl", JSON) is None
    assert doubt(data[:-1], "a.jsonl", JSON) is None
    assert doubt(data[:-2], "a.jsonl", JSON) == "its last line is JSON that does not end"


@pytest.mark.parametrize("size", [1_000, 2_000_000])
def test_a_gzip_that_is_cut_is_in_doubt(size: int) -> None:
    noise = random.Random(1)
    data = gzip.compress("".join(f"{noise.random()},{noise.random()}\n" for _ in range(size // 38)).encode())

    assert doubt(data, "a.csv.gz") is None
    for at in (10, 20, len(data) // 3, len(data) // 2, len(data) - 9, len(data) - 5):
        assert doubt(data[:at], "a.csv.gz") == "the .gz has no end"
        assert doubt(data[:at] + bytes(len(data) - at), "a.csv.gz") == "the .gz has no end"


def test_a_zip_that_is_cut_is_in_doubt_whatever_its_route() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", ROWS)
    data = packed.getvalue()

    assert doubt_of(io.BytesIO(data), "a.zip", None) is None
    assert doubt_of(io.BytesIO(data[:-1]), "a.zip", None) == "the .zip has no end"
    assert doubt_of(io.BytesIO(data[:500] + bytes(len(data) - 500)), "a.zip", None) == "the .zip has no end"
