"""What the body of an answer says, whatever it is packed in. Pure."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from dataclasses import dataclass
from email.message import Message

from watcher.core.byte_order import byte_order_mark

# Python's own codecs that are no charset of any page; the others decode in time that grows with the text.
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "unicode-escape", "raw-unicode-escape"}
)
_GZIP_OR_ZLIB, _BARE_DEFLATE = 47, -15  # zlib's words for them
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

_SPACE, _HTML_DOCTYPE = r"[\s\ufeff]", r"<!doctype\s+html\b"
_OTHER_DOCTYPE = rf"(?!{_HTML_DOCTYPE})<!doctype\b[^>]*>"
# All possessive, each alternative by a beginning of its own: a hostile answer costs no more than its length.
_BEFORE = re.compile(
    rf"(?:{_SPACE}++|<\?xml\b[^>]*>(?:{_SPACE}++|<!--.*?-->|<\?[^>]*>)*+|{_OTHER_DOCTYPE})*+",
    re.DOTALL | re.IGNORECASE,
)
# The beginnings of HTML by the WHATWG's standard, and the tags that Firefox (nsUnknownDecoder) has besides.
_PAGE = re.compile(
    rf"<!--|{_HTML_DOCTYPE}|<(?:html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p"
    r"|frameset|img|link|base|applet|meta|center|form|h[2-6]|pre)(?=[\s/>]|\Z)",
    re.IGNORECASE,
)


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
    """Return a body as text: as its first bytes have it, else in its content type's charset, or in UTF-8
    where that is not known."""
    # A body's own first bytes outdo what its header says (https://encoding.spec.whatwg.org/#decode).
    if found := byte_order_mark(content):
        mark, charset = found
        return content[len(mark) :].decode(charset, "replace")
    # Without one, too: an answer begins in ASCII, which has a zero beside it in UTF-16 (RFC 4627, 3).
    if len(content) > 1 and (content[0] == 0) != (content[1] == 0):
        return content.decode("utf-16-be" if content[0] == 0 else "utf-16-le", "replace")
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
    """Say whether an answer is a page for people: begun as one, or of such a type and no JSON.

    How a page begins is that of https://mimesniff.spec.whatwg.org/, "identifying a resource with an unknown
    MIME type", which takes a comment for one: so does an endless one. What XML may have before its root is
    passed over, as XHTML begins so. JSON is the API's own voice: frameworks send it as text/html, too.
    Nothing is no page.
    """
    before = _BEFORE.match(said)
    begin = before.end() if before else 0
    if _PAGE.match(said, begin):
        return True
    kinds = {kind.partition(";")[0].strip().lower() for kind in content_type.split(",")}
    is_blank = not said.strip().strip("\ufeff")
    return not is_blank and not _HTML_TYPES.isdisjoint(kinds) and not _is_json(said)


def _is_json(said: str) -> bool:
    """Say whether all of an answer is JSON (RFC 8259); what was cut is none."""
    try:
        json.loads(said.lstrip("\ufeff"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
