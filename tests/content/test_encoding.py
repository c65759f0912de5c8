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
    data = b"agent,1\n" * (BLOCK_BYTES // 8) + "1,ü".encode()

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


def refused(data: bytes) -> Unfit:
    """The reason why `data` is not sent on a route that declares no encoding."""
    with pytest.raises(Unfit) as caught:
        prepared(data)
    return caught.value


WESTERN = """
Müller José Nuñez Grün Größe Zoë Renée François Ångström Søren Bjørk Peña Ibáñez García Núñez Krüger Böhm
Jürgen Hélène Noël Loïc Aïcha Benoît Élodie Çelik João Conceição Antônio Ângela Gonçalves Håkan Göran Åke
Mäkelä Hämäläinen Niccolò Pål Øystein Kjær Þór Sigurðsson £5 £12.50 5€ 20° §5 Café naïve résumé Weiß
"""


@pytest.mark.parametrize("name", WESTERN.split())
@pytest.mark.parametrize("form", ["{}", "agent,{}\r\nb,2\r\n", "1;{} Smith;12\n2;b;3\n"])
def test_one_western_name_is_little_evidence_and_taken_for_the_common_page(name: str, form: str) -> None:
    data = form.format(name).encode("cp1252")

    fault = refused(data)

    assert "it looks like cp1252: cp1252 reads " in fault.reason
    assert name in fault.reason
    assert "set `encoding: cp1252` for the route if it reads right" in fault.what_to_do


def test_the_candidates_are_shown_with_the_field_as_each_would_read_it() -> None:
    assert refused(b"1,x\n2,M\xfcller,3\n").reason == (
        "line 2: byte 0xFC is not UTF-8; it looks like cp1252:"
        " cp1252 reads Müller, cp1250 reads Müller, cp850 reads M³ller"
    )


def test_of_few_bytes_no_dos_page_and_no_asian_one_is_proposed() -> None:
    fault = refused("a,Grün\n".encode("cp850"))

    assert "looks like" not in fault.reason
    assert "cp850 reads Grün" in fault.reason
    assert "the one that reads right" in fault.what_to_do
    assert "looks like cp" in refused("a,日本\n".encode("gb18030")).reason


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Łódź,Dvořák,Wałęsa\n", "cp1250"),
        ("Иванов,Сергей,перерыв\n", "cp1251"),
        ("Παπαδόπουλος,διάλειμμα\n" * 4, "cp1253"),
        ("田中さん,休憩中です。お待ちください\n" * 5, "shift_jis"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy\n" * 3, "cp1250"),
    ],
)
def test_what_no_western_text_is_is_known(text: str, codec: str) -> None:
    assert f"looks like {codec}" in refused(text.encode(codec)).reason


def test_the_whole_file_is_judged_and_not_what_stands_around_the_first_odd_byte() -> None:
    filler = b"agent,1\n" * (BLOCK_BYTES // 8)

    data = "Grün,1\n".encode("cp1250") + filler + "Jiří Šťastný,žluť\n".encode("cp1250")

    fault = refused(data)
    assert fault.reason.startswith("line 1: byte 0xFC is not UTF-8; it looks like cp1250: cp1250 reads Grün")


@pytest.mark.parametrize(
    "data",
    [
        "Müller,Größe\nJ".encode() + b"\xf6rg\n",
        "Müller,1\nŽižka".encode() + "ů".encode()[:1] + b",2\n",
        "a\nb€".encode()[:-1],
        b"\xef\xbb\xbfa,M\xfcller\n",
        "张三,休息\n".encode() * 20 + b"\xe4\xbc,x\n",
    ],
)
def test_utf8_but_for_some_bytes_is_called_damaged_and_no_encoding_is_proposed(data: bytes) -> None:
    fault = refused(data)

    assert "damaged UTF-8" in fault.reason
    assert "looks like" not in fault.reason
    assert "encoding:" not in fault.what_to_do
