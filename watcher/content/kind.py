"""Pure: what a file is by its first bytes, where it is neither CSV nor JSON, and what to do with it then.

The name of a file is what somebody called it. A workbook that was renamed, a web page that was saved in place
of an export and a PDF pass for text, or fail with a riddle, if nobody says what they are.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from watcher.core.errors import Unfit

KIND_BYTES = 1 << 16  # from the beginning of a file, to tell its kind
_PROBED_BYTES = 1 << 12
_UNPACK = "unpack it and drop the file that is in it, or pack that as .zip or .gz"
_SAVE_AS_CSV = (
    "open it in Excel or LibreOffice, save it as 'CSV UTF-8', and drop that; a new name is not enough"
)
_EXPORT = "export the data as {format} where it comes from"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is."""

    words: str  # with its article
    what_to_do: str  # {format}: what the route takes


_XLSX = Kind("an Excel workbook (.xlsx)", _SAVE_AS_CSV)
_ODS = Kind("an OpenDocument file such as LibreOffice writes (.ods)", _SAVE_AS_CSV)
_OFFICE = Kind("a document of an office program (.docx, .pptx)", _EXPORT)
_XLS = Kind("an old Excel workbook (.xls), or a document with a password", _SAVE_AS_CSV)
_GZ = Kind("compressed by gzip", "give it the ending .gz, and drop it again")
_ZIP = Kind("a zip", "give it the ending .zip, and drop it again")
_TAR = Kind("a tar archive", _UNPACK)
_IMAGE = Kind("a picture", _EXPORT)
_DATABASE = Kind("a file of a database program", _EXPORT)
_PROGRAM = Kind("a program", "look where it comes from; it is no export")
_SPREADSHEET_XML = Kind("an Excel workbook written as XML (SpreadsheetML)", _SAVE_AS_CSV)
_WEB_PAGE = Kind(
    "a web page (HTML)",
    "look into it: it may be a login or an error page in place of the export, or a report that only calls"
    " itself a table; export the data as {format}",
)
_XML = Kind("XML", _EXPORT)
_UTF16 = Kind(
    "UTF-16 without a byte order mark",
    "set `encoding: {codec}` for the route, or save it as UTF-8 and drop it again",
)
_JSON = Kind("JSON", "drop it under a name that a route for JSON matches, or export it as CSV")

# By what they begin with; where one begins with another, the longer first.
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _XLS),
    (b"\x09\x08\x10\x00\x00\x06\x05\x00", _XLS),
    (b"\x09\x08\x08\x00\x00\x05", _XLS),
    (b"\x09\x04\x06\x00", _XLS),
    (b"\x09\x02\x06\x00", _XLS),
    (b"\x09\x00\x04\x00", _XLS),
    (b"\x1f\x8b", _GZ),
    (b"PK\x05\x06", _ZIP),
    (b"PK\x07\x08", _ZIP),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (b"\xfd7zXZ\x00", Kind("compressed by xz", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("compressed by Zstandard (.zst)", _UNPACK)),
    (b"\x04\x22\x4d\x18", Kind("compressed by LZ4", _UNPACK)),
    (b"\x5d\x00\x00", Kind("compressed by LZMA", _UNPACK)),
    (b"LZIP\x01", Kind("compressed by lzip", _UNPACK)),
    (b"\x1f\x9d", Kind("compressed by compress (.Z)", _UNPACK)),
    (b"\x1f\xa0", Kind("compressed by compress (.Z)", _UNPACK)),
    (b"MSCF\x00\x00", Kind("a cabinet archive (.cab)", _UNPACK)),
    (b"%PDF-", Kind("a PDF document", _EXPORT)),
    (b"%!PS", Kind("a PostScript document", _EXPORT)),
    (b"{\\rtf", Kind("an RTF document", _EXPORT)),
    (b"-----BEGIN PGP MESSAGE", Kind("encrypted by PGP", "decrypt it, and drop what is in it")),
    (b"PAR1\x15", Kind("a Parquet file", _EXPORT)),
    (b"Obj\x01", Kind("an Avro file", _EXPORT)),
    (b"ORC\x00", Kind("an ORC file", _EXPORT)),
    (b"SQLite format 3\x00", _DATABASE),
    (b"\x00\x01\x00\x00Standard ", _DATABASE),
    (b"\x89PNG\r\n\x1a\n", _IMAGE),
    (b"\xff\xd8\xff", _IMAGE),
    (b"GIF87a", _IMAGE),
    (b"GIF89a", _IMAGE),
    (b"\x7fELF", _PROGRAM),
    (b"MZ\x90\x00", _PROGRAM),
    (b"ID;PWXL", Kind("a SYLK table (.slk)", _SAVE_AS_CSV)),
    (b"ID;PCALC", Kind("a SYLK table (.slk)", _SAVE_AS_CSV)),
)
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)")
_DIF = re.compile(rb"TABLE\r?\n0,1\r?\n")
_HTML = re.compile(
    rb"(<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(!doctype\s+html|(html|head|body|table|title|meta|script|style|div|h1)\b)",
    re.IGNORECASE | re.DOTALL,
)
_MHTML = re.compile(rb"(MIME-Version:|Content-Type:\s*multipart/)", re.IGNORECASE)
_JSON_START = re.compile(rb'(\[\s*)?\{\s*"([^"\\]|\\.)*"\s*:')


def packed_kind(head: bytes) -> Kind | None:
    """Return the kind of a file that begins with `head`, if it is one that is no text at all, or None."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _package(head)
    if _BZIP2.match(head):
        return Kind("compressed by bzip2", _UNPACK)
    # POSIX and GNU tar: the magic stands in the first header, at 257.
    return _TAR if head[257:262] == b"ustar" else None


def package_kind(names: list[str]) -> Kind | None:
    """Return what a zip is that holds files of these names, if it is a document."""
    if any(name.startswith("xl/") for name in names):
        return _XLSX
    if "content.xml" in names and "mimetype" in names:
        return _ODS
    return _OFFICE if "[Content_Types].xml" in names else None


def _package(head: bytes) -> Kind:
    if b"mimetypeapplication/vnd.oasis" in head[:_PROBED_BYTES]:
        return _ODS
    if b"xl/" in head and (b"[Content_Types].xml" in head or b"docProps/" in head or b"_rels/" in head):
        return _XLSX
    return _OFFICE if b"[Content_Types].xml" in head else _ZIP


def text_kind(head: bytes) -> Kind | None:
    """Return the kind of a text (UTF-8) that begins with `head`, if it is neither CSV nor JSON, or None."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:5].lower() == b"<?xml" or text.startswith(b"<Workbook"):
        if b"urn:schemas-microsoft-com:office:spreadsheet" in text:
            return _SPREADSHEET_XML
        return _WEB_PAGE if _HTML.match(text) else _XML
    if _HTML.match(text):
        return _WEB_PAGE
    if _MHTML.match(text):
        return Kind("a web page or a mail (MHTML)", _SAVE_AS_CSV)
    if _DIF.match(text):
        return Kind("a DIF table", _SAVE_AS_CSV)
    return next((kind for magic, kind in _MAGIC if text.startswith(magic) and magic.isascii()), None)


def is_json(head: bytes, *, whole: bool) -> bool:
    """Say whether a text that begins with `head` is JSON, or JSON Lines; `whole`: there is no more of it."""
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.startswith((b"{", b"[")):
        return False
    if _JSON_START.match(text):
        return True
    try:
        return bool(json.loads(text if whole else text.partition(b"\n")[0]))  # [] alone is no evidence
    except (ValueError, RecursionError):
        return False


def wide_codec(head: bytes) -> str | None:
    """Return utf-16-le or utf-16-be for text without a byte order mark, by its zero bytes; or None."""
    probe = head[: _PROBED_BYTES & ~1]
    even, odd = probe[::2], probe[1::2]
    many = max(1, 2 * len(odd) // 5)
    if odd.count(0) > many and even.count(0) * 8 < odd.count(0):
        return "utf-16-le"
    if even.count(0) > many and odd.count(0) * 8 < even.count(0):
        return "utf-16-be"
    return None


def refuse_packed(head: bytes, route_format: str, *, within: str) -> None:
    """Raise `Unfit` if what begins with `head` is no text.

    `within` is the ending of the compressed file that it was in, such as `gz`, or nothing.
    """
    kind = packed_kind(head)
    if kind is None:
        return
    if within:
        twice = kind in (_GZ, _ZIP)
        reason = (
            f"the {within} holds what is {kind.words} itself" if twice else f"the {within} holds {kind.words}"
        )
        advice = "compress it once, and drop it again" if twice else kind.what_to_do
        raise Unfit(reason, what_to_do=_for(advice, route_format))
    raise Unfit(
        f"it is {kind.words}, and its name does not say so", what_to_do=_for(kind.what_to_do, route_format)
    )


def refuse_text(head: bytes, route_format: str, *, whole: bool) -> None:
    """Raise `Unfit` if a text (UTF-8) that begins with `head` is not of the route's kind.

    `whole`: there is no more of it.
    """
    kind = text_kind(head)
    if kind is None and route_format == "csv" and is_json(head, whole=whole):
        kind = _JSON
    if kind is not None:
        raise Unfit(
            f"it is {kind.words}, not {route_format.upper()}",
            what_to_do=_for(kind.what_to_do, route_format),
            line=1,
        )


def refuse_wide(head: bytes) -> None:
    """Raise `Unfit` for UTF-16 without a byte order mark, which would be text with zero bytes in it."""
    if codec := wide_codec(head):
        raise Unfit(f"it is {_UTF16.words}", what_to_do=_UTF16.what_to_do.replace("{codec}", codec), line=1)


def other_than(ending: str, head: bytes) -> Unfit | None:
    """Return why a file with the ending `gz` or `zip` is none, where its first bytes tell."""
    is_it = head.startswith(b"\x1f\x8b") if ending == "gz" else head.startswith(b"PK")
    if is_it or not head:
        return None
    kind = packed_kind(head) or text_kind(head)
    if kind is not None:
        words, advice = kind.words, kind.what_to_do
        if kind in (_GZ, _ZIP):
            advice = advice.replace("give it the ending", "change its ending to")
    elif b"\0" not in head and head.isascii():
        words, advice = "plain text", f"take the ending .{ending} off its name, and drop it again"
    else:
        return None
    return Unfit(
        f"the {ending} file is damaged or not whole: by its first bytes it is {words}",
        what_to_do=_for(advice, "CSV or JSON"),
    )


def _for(advice: str, route_format: str) -> str:
    return advice.replace("{format}", route_format.upper() if route_format.isalpha() else route_format)
