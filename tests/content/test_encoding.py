"""Which encoding a file is in: what it says itself comes before what the route says."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.content.content import BLOCK_BYTES, Content
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Route

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def prepared(data: bytes, name: str = "a.csv", **changes: Any) -> Content:
    """The preflight of `data` as a CSV file."""
    route = Route("r", (), "http://x", "text/csv", "csv", **changes)
    return prepare(io.BytesIO(data), name, route, scratch=io.BytesIO, now=NOW)


def text(content: Content) -> bytes:
    """What is sent, and a byte order mark."""
    content.file.seek(0)
    return content.file.read()


@pytest.mark.parametrize(
    "declared", ["cp1252", "iso-8859-1", "cp1250", "shift_jis", "utf-16-le", "utf-32-be"]
)
def test_text_in_utf8_is_utf8_whatever_the_route_declares(declared: str) -> None:
    data = "agent,Müller\nagent,Dvořák\n".encode()

    content = prepared(data, encoding=declared)

    assert text(content) == data
    assert content.sha256 == content.source_sha256
    assert content.encoding.startswith("UTF-8, not ")
    assert text(prepared(gzip.compress(data), "a.csv.gz", encoding=declared)) == data


def test_utf8_is_known_as_such_though_its_only_odd_byte_is_the_last_character() -> None:
    data = b"agent,1\n" * (BLOCK_BYTES // 8) + "Müller".encode()

    assert text(prepared(data, encoding="cp1252")) == data


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        (b"M\xfcller,1\n", "cp1252", "Müller,1\n"),
        (b"M\xfcller,\xc3\xbc\n", "cp1252", "Müller,Ã¼\n"),  # one line is no UTF-8
        (b"abc,1\n", "cp1252", "abc,1\n"),
        (b"a,\xc3", "cp1252", "a,Ã"),  # UTF-8 would go on
        (b"a,1\n", "utf-16-le", "a,1\n"),  # has no zero byte
        (b"\x1b$B$\"\x1b(B,1\n", "iso2022_jp", "あ,1\n"),
        ("Müller,1\n".encode("utf-16-le"), "utf-16-le", "Müller,1\n"),
    ],
)  # fmt: skip
def test_what_is_not_utf8_throughout_is_what_the_route_declares(
    data: bytes, declared: str, expected: str
) -> None:
    assert text(prepared(data, encoding=declared)) == expected.encode()


def test_json_in_utf8_is_utf8_whatever_the_route_declares() -> None:
    route = Route("r", (), "http://x", "application/json", "json", encoding="cp1252")
    data = '{"name": "Müller"}'.encode()

    assert text(prepare(io.BytesIO(data), "a.json", route, scratch=io.BytesIO, now=NOW)) == data


def test_a_byte_that_is_not_of_the_declared_encoding_is_still_refused() -> None:
    with pytest.raises(Unfit, match="line 2: byte 0x81 is not cp1252"):
        prepared("Müller,1\n".encode() + b"\x81,2\n", encoding="cp1252")
