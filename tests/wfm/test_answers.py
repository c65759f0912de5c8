"""What an answer says: compressed, in any charset, and whether it is a page for people."""

from __future__ import annotations

import gzip
import zlib

import pytest

from watcher.wfm.answers import expanded, is_html, text

WORDS = b"the volume of the tenant is full, ask for more " * 30


def bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("raw", "coding"),
    [
        (gzip.compress(WORDS), "gzip"),
        (gzip.compress(WORDS), " X-GZIP"),
        (zlib.compress(WORDS), "deflate"),
        (bare_deflate(WORDS), "deflate"),
        (WORDS, ""),
        (WORDS, "identity"),
        (WORDS, "gzip"),  # as some say who compress nothing
    ],
    ids=["gzip", "x-gzip", "deflate", "bare", "none", "identity", "not so"],  # gzip's bytes hold the time
)
def test_a_body_is_expanded(raw: bytes, coding: str) -> None:
    assert expanded(raw, coding, 65_536) == WORDS


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bare_deflate])
def test_it_never_grows_over_its_limit(pack: object) -> None:
    assert expanded(pack(b"x" * 9_000_000), "deflate", 1000) == b"x" * 1000  # type: ignore[operator]


def test_a_compressed_body_that_is_cut_gives_its_beginning() -> None:
    some = expanded(gzip.compress(bytes(range(256)) * 40)[:-200], "gzip", 65_536)

    assert some
    assert (bytes(range(256)) * 40).startswith(some)


def test_of_a_coding_that_is_not_known_its_name_is_told() -> None:
    assert expanded(b"\x8b\0" * 500, "br", 65_536) == b"(1,000 bytes, compressed as br)"


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        ("Größe".encode(), "text/plain", "Größe"),
        ("Größe".encode(), "text/plain; charset=UTF-8", "Größe"),
        ("Größe".encode("latin-1"), "text/html;charset=iso-8859-1", "Größe"),
        ("Größe".encode("cp1252"), 'text/html; charset="Windows-1252"', "Größe"),
        ("接続できません".encode("shift_jis"), "text/html; charset=Shift_JIS", "接続できません"),
        ("Größe".encode("latin-1"), "text/plain", "Gr\ufffd\ufffde"),
        ("Größe".encode(), "text/plain; charset=klingon", "Größe"),
        ("Größe".encode(), "text/plain; charset=unicode_escape", "Größe"),
        ("Größe".encode(), "text/plain; charset=punycode", "Größe"),
        ("Größe".encode(), "text/plain; charset=hex", "Größe"),
        ("Größe".encode(), "text/plain; charset=undefined", "Größe"),
        ("Größe".encode(), "text/plain; charset=", "Größe"),
        ("Größe".encode(), "text/plain; charset*=x'y'%ff%zz", "Größe"),
        ("Größe".encode(), "ü; \x85=;;", "Größe"),
        ("Größe".encode(), "", "Größe"),
    ],
)
def test_a_body_is_read_in_its_charset(content: bytes, content_type: str, said: str) -> None:
    assert text(content, content_type) == said


@pytest.mark.parametrize(
    ("said", "content_type", "html"),
    [
        ("<p>Log in</p>", "text/html; charset=utf-8", True),
        ("<p>Log in</p>", "Application/XHTML+XML", True),
        ("\ufeff \r\n<!DOCTYPE HTML PUBLIC><title>x", "", True),
        ("\n\n<HTML lang=de>", "application/json", True),
        ('{"page": "<html>"}', "application/json", False),
        ("<htm", "text/plain", False),
        ("", "text/html", False),  # as servers say of nothing at all
        (" \n", "text/html", False),
        ("", "", False),
    ],
)
def test_a_page_for_people_is_known(said: str, content_type: str, html: bool) -> None:
    assert is_html(said, content_type) is html
