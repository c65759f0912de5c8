"""Pure: does the end of a file look as if it was not written to its end?

A look at the last block only, cheap enough for every file, to know which ones deserve more patience. It may
be wrong both ways: a doubt costs seconds, and what it misses the inspection judges, which reads everything.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import BinaryIO

from watcher.content.encoding import DOS_END, detect
from watcher.content.frame import has_footer
from watcher.content.json_text import JSON_LINES
from watcher.content.last_record import end_of
from watcher.content.split import BOM
from watcher.core.model import Route
from watcher.core.names import counted, is_compressed, is_zip, shown

TAIL_BYTES = 1 << 12
_PAIRS = {b"{": b"}", b"[": b"]"}
_BLANKS = b" \t\r\n"
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_UNPACKED_BYTES = 1 << 18  # a .gz up to this size is unpacked, to see
_MOST_UNPACKED = 1 << 25
_LIKELY_RATIO = 50  # exports expand ten- or twentyfold: what says more is hardly a size


def doubt_of(file: BinaryIO, name: str, route: Route | None) -> str | None:
    """Say why a file, called `name`, was perhaps not written to its end; None: it looks whole.

    Without a `route` only what is compressed is looked at.
    """
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        return None
    if is_compressed(name):
        whole = zipfile.is_zipfile(file) if is_zip(name) else _is_whole_gz(file, size)
        return None if whole else f"the .{name.casefold().rpartition('.')[2]} has no end"
    if route is None:
        return None
    tail = _tail(file, size)
    encoding = detect(_head(file, 4), route.encoding)
    if tail.endswith(b"\0" * (4 if encoding.is_wide else 1)):
        return "it ends in NUL bytes"
    if encoding.is_wide:
        return None  # two bytes a character: rare, and not worth decoding for a doubt
    if route.format == "csv":
        return _csv_doubt(file, size, tail, route)
    return _json_doubt(file, size, tail, name, route)


def _csv_doubt(file: BinaryIO, size: int, tail: bytes, route: Route) -> str | None:
    if route.lines is not None and route.lines.footer is not None:
        codec = detect(b"", route.encoding).codec
        ended = has_footer(tail.decode(codec, "replace"), route.lines.footer)
        return None if ended else f"no line at its end matches {shown(route.lines.footer)}"
    text = tail.rstrip(DOS_END)
    size -= len(tail) - len(text)
    is_ended = text.endswith((b"\n", b"\r"))
    if not text or (is_ended and b'"' not in text):
        return None
    if not is_ended and _is_in_character(text) and route.encoding is None:
        return "it ends within a character"
    end = end_of(file, size, route)
    if end is not None and end.in_quotes:
        return "it ends within quotes"
    if end is None or is_ended or not end.is_short:
        return None
    return f"its last line has {counted(end.fields, 'field')} and no line end, all others have {end.others}"


def _is_in_character(text: bytes) -> bool:
    """Say whether UTF-8 text ends with the beginning of a character (RFC 3629, section 3)."""
    for count, byte in enumerate(reversed(text[-3:]), start=1):
        if byte >= 0xC0:
            return count < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
        if byte < 0x80:
            break
    return False


def _json_doubt(file: BinaryIO, size: int, tail: bytes, name: str, route: Route) -> str | None:
    if name.casefold().endswith(JSON_LINES):
        last = tail.rpartition(b"\n")
        cut = bool(last[1] or size == len(tail)) and _is_open(last[2])
        return "its last line is JSON that does not end" if cut else None
    head = _head(file, TAIL_BYTES).removeprefix(BOM).lstrip(_BLANKS)
    closing = _PAIRS.get(head[:1])
    end = tail.rstrip(_BLANKS + DOS_END)
    if closing is None or not end:
        return None
    words = "the JSON in it does not end"
    if not end.endswith(closing):
        return words
    if size > route.max_json:
        return None
    file.seek(0)
    return words if _is_open(file.read()) else None


def _is_open(text: bytes) -> bool:
    """Say whether JSON text has more brackets that open than such that close."""
    if _opened(text) == 0:
        return False  # brackets in strings are no exception that anybody meets
    return _opened(_STRING.sub(b"", text)) > 0


def _opened(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[") - text.count(b"}") - text.count(b"]")


def _is_whole_gz(file: BinaryIO, size: int) -> bool:
    """Say whether a gzip member (RFC 1952) ends; of a large file, whether its last bytes can be a size."""
    if size > _UNPACKED_BYTES:
        (told,) = struct.unpack("<I", _tail(file, size)[-4:])
        return bool(size // 2 <= told <= size * _LIKELY_RATIO)
    data = _head(file, size)
    unwritten = data.endswith(bytes(4))  # as a size that would be 0
    unpacker, done = zlib.decompressobj(wbits=31), 0
    try:
        while data and not unpacker.eof and done < _MOST_UNPACKED:
            done += len(unpacker.decompress(data, 1 << 20))
            data = unpacker.unconsumed_tail
    except zlib.error:
        return not unwritten  # else it is damaged, and waiting mends nothing
    return unpacker.eof or done >= _MOST_UNPACKED


def _head(file: BinaryIO, count: int) -> bytes:
    file.seek(0)
    return file.read(count)


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - TAIL_BYTES))
    return file.read(TAIL_BYTES)
