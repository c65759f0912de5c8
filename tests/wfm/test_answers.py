"""What an answer says: compressed, in any charset, and whether it is a page for people."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from tests.conftest import Server
from tests.wfm.clients import client
from watcher.core.conversation import Request
from watcher.sandbox.wire import Answer
from watcher.wfm.answers import expanded, is_html, text
from watcher.wfm.bounds import ANSWER_BYTES

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
        ("Größe".encode("utf-8-sig"), "text/plain; charset=iso-8859-1", "Größe"),
        ("Größe".encode("utf-16"), "text/plain; charset=utf-8", "Größe"),
        ("\ufeffGröße".encode("utf-16-be"), "", "Größe"),
        ("Größe".encode("utf-32"), "", "Größe"),
        ("Größe".encode("utf-16-le"), "text/plain", "Größe"),
        ("Größe".encode("utf-16-be"), "text/plain; charset=utf-16", "Größe"),
    ],
)
def test_a_body_is_read_in_its_charset(content: bytes, content_type: str, said: str) -> None:
    assert text(content, content_type) == said


@pytest.mark.parametrize(
    ("said", "content_type", "html"),
    [
        ("<p>Log in</p>", "text/html; charset=utf-8", True),
        ("Log in", "text/html", True),
        ("Log in", "text/html, text/html", True),
        ("<p>Log in</p>", "Application/XHTML+XML", True),
        ("\ufeff \r\n<!DOCTYPE HTML PUBLIC><title>x", "", True),
        ("\n\n<HTML lang=de>", "application/json", True),
        ("\n" * 5_000 + "<!DOCTYPE\thtml>", "", True),
        ("<!-- saved --><html>", "", True),
        ("<!-- c -->\n<!DOCTYPE html>", "application/json", True),
        ("<!--x-->Please log in", "text/plain", True),
        ("<!-- of a comment the end is not seen", "text/plain", True),
        ("<head><title>Sign in", "", True),
        ("<br/>", "", True),
        ("<meta http-equiv=refresh content='0;url=/login'>", "", True),
        ('<?xml version="1.0"?>\n<!-- c -->\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML">', "text/xml", True),
        ('<?xml version="1.0"?><?x y?><html xmlns="http://www.w3.org/1999/xhtml">', "text/xml", True),
        ('<!DOCTYPE PUBLIC "-//W3C//DTD HTML 4.01//EN"><html>', "", True),
        ('<?xml version="1.0"?><!-- of a comment the end is not seen', "text/xml", True),
        ('{"page": "<html>"}', "application/json", False),
        ('\ufeff {"error": "no such tenant"}', "text/html; charset=utf-8", False),
        ('[{"field": "id"}]', "text/html", False),
        ('{"error": "it is cut', "text/html", True),
        ("NaN", "text/html", True),
        ("[" * 60_000, "text/html", True),
        ("<htm", "text/plain", False),
        ("<abbr>", "", False),
        ('<?xml version="1.0"?><!-- c --><!DOCTYPE result><result/>', "text/xml", False),
        ("<ImportResult/>", "application/xml", False),
        ("the line <html> is no date", "text/plain", False),
        ("", "text/html", False),  # as servers say of nothing at all
        (" \n", "text/html", False),
        ("\ufeff\n", "text/html", False),
        ("", "", False),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_page_for_people_is_known(said: str, content_type: str, html: bool) -> None:
    assert is_html(said, content_type) is html


@pytest.mark.parametrize(
    "said",
    [
        "<!--" * 16_000,
        "<?xml " * 10_000,
        "<?xml?>" * 9_000,
        "<?xml?>" + "<!---->" * 9_000,
        " \ufeff" * 32_000,
    ],
    ids=lambda said: said[:12],
)
def test_no_answer_makes_the_look_at_it_slow(said: str) -> None:
    began = time.process_time()
    is_html(said, "text/plain")

    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_page_is_known_in_any_unicode_though_nothing_says_which(charset: str) -> None:
    assert is_html(text("<!DOCTYPE html><p>Log in".encode(charset), "text/plain"), "text/plain")


PAGE = b"<!-- kept " + b"x" * 2 * ANSWER_BYTES + b" --><html>Please log in</html>"


@pytest.mark.parametrize("status", [200, 400])
def test_a_page_behind_a_comment_longer_than_an_answer_may_be_is_one(status: int) -> None:
    """With 200 it would have counted as the delivery, with 400 as the refusal of the file."""

    with Server() as server, client(server.url, server.token_url) as opened:
        server.always = lambda _request, _respond: Answer(status, PAGE, "text/plain")
        reply = opened.push(Request(f"{opened.server}/import", (("pushToken", "x"),), "text/csv", b"a,1\n"))

    assert (reply.status, reply.html) == (status, True)
