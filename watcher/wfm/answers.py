"""What the body of an answer says, whatever it is packed in. Pure."""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass
from email.message import Message

# Python's own codecs that are no charset of any page; the others decode in time that grows with the text.
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "unicode-escape", "raw-unicode-escape"}
)
_GZIP_OR_ZLIB, _BARE_DEFLATE = 47, -15  # zlib's words for them
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a server answered to a GET."""

    status: int
    said: str  # its body, cut, as text
    html: bool  # it is a web page
    allow: str  # RFC 9110, 10.2.1: the methods that it takes there
    location: str  # where a redirect points to


def expanded(raw: bytes, coding: str, limit: int) -> bytes:
    """Return the bytes that `raw` stands for, at most `limit` of them; `coding`: its `Content-Encoding`.

    We ask for none (`identity`), and some gateways send their error pages compressed all the same. What may
    be cut in the middle gives its beginning; a coding that we do not know is told instead of its bytes.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return raw
    if coding not in ("gzip", "x-gzip", "deflate"):
        return f"({len(raw):,} bytes, compressed as {coding[:40]})".encode()
    # Of "deflate" there are two kinds about: with zlib's frame, as RFC 9110 has it, and without.
    for bits in (_GZIP_OR_ZLIB, _BARE_DEFLATE):
        try:
            return zlib.decompressobj(bits).decompress(raw, limit)
        except zlib.error:
            continue
    return raw[:limit]


def text(content: bytes, content_type: str) -> str:
    """Return a body as text: in its content type's charset, or in UTF-8 where that is not known."""
    header = Message()
    header["Content-Type"] = re.sub(r"[\r\n]", " ", content_type)
    try:
        charset = codecs.lookup(str(header.get_content_charset("utf-8"))).name
        if charset not in _NO_CHARSETS:
            return content.decode(charset, "replace")
    except (LookupError, ValueError):  # UnicodeError is one; so is a name that no codec can have
        pass
    return content.decode("utf-8", "replace")


def is_html(said: str, content_type: str) -> bool:
    """Say whether an answer is a page for people: of such a type, or begun as one. Nothing is no page."""
    begin = said[:2000].lstrip("\ufeff \t\r\n\f").lower()
    kind = content_type.partition(";")[0].strip().lower()
    return bool(begin) and (kind in _HTML_TYPES or begin.startswith(("<!doctype html", "<html")))
