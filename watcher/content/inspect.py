"""Pure: one look at the whole file before anything is sent: is it fit to send, and what goes out of it?

It is handed an open file and the route; it raises `Unfit` with the line, or returns what is sent: the file
itself, byte for byte, wherever that will do, else what was made of it in a scratch file (another encoding or
delimiter, compressed, columns put right, bad records set aside). It knows no folders and no requests.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO

from watcher.content.compressed import expanded, name_within
from watcher.content.content import Content, Hasher, Scratch, beginning, blocks, digest
from watcher.content.csv_text import csv_content
from watcher.content.dialect import HEAD_BYTES, cr_to_lf, is_old_mac
from watcher.content.encoding import Encoding, detect, is_rather_utf8, to_utf8
from watcher.content.json_text import JSON_LINES, array_content, document_content
from watcher.content.kind import refuse_packed, refuse_text, refuse_wide
from watcher.core.errors import Outside, TooSlow, Unfit
from watcher.core.model import Route
from watcher.core.names import is_compressed, shown
from watcher.core.target import Target

_END_BYTES = 1 << 12  # in which the end mark of DOS is looked for: more than the rest of a sector
_END_MARK = re.compile(rb"\x1a[\x1a\s]*\Z")


def prepare(
    file: BinaryIO,
    name: str,
    route: Route,
    *,
    scratch: Scratch,
    now: datetime,
    hasher: Hasher = hashlib.sha256,
) -> Content:
    """Read `file`, called `name`, to its end, check it for `route`, and make what is sent.

    `now` is the time of the claim: the same file, route and time give the same content. `hasher` may work
    beside us: most of a large file's time is its digest. Raises `Unfit`: what
    is no CSV or JSON at all, text that cannot be decoded, a NUL byte, misplaced quotes, JSON that does not
    parse, records or columns that are not the configured ones, anything that is too large. Raises `Outside`
    for the file alone where an expression of the route's rules takes too long on a value: it says nothing of
    the file, and no other file has to meet it.
    """
    try:
        return _prepared(file, name, route, scratch=scratch, now=now, hasher=hasher)
    except TooSlow as slow:
        raise Outside(
            Target("file", name),
            f"the expression {shown(slow.expression)} takes too long on a value in it",
            check=f"make that expression of route {shown(route.name)} simpler; or `watcher withdraw`",
        ) from slow


def _prepared(
    file: BinaryIO, name: str, route: Route, *, scratch: Scratch, now: datetime, hasher: Hasher
) -> Content:
    text, encoding = _as_utf8(file, name, route, scratch)
    head = _head(text)
    refuse_text(head, route.format, whole=len(head) < HEAD_BYTES)
    if route.format == "csv":
        content = csv_content(text, route, encoding, scratch=scratch, now=now, hasher=hasher)
    else:
        text = _without_end_mark(text, scratch)
        lines = name_within(file, name).casefold().endswith(JSON_LINES)
        if lines or route.documents or route.split is not None or route.split_at is not None:
            content = array_content(text, route, scratch=scratch, lines=lines)
        else:
            content = document_content(text, route)
    known = content.sha256 if content.file is file else content.source_sha256 if text is file else ""
    source = known or digest(file)[0]
    return replace(content, source_sha256=source, encoding=encoding.words)


def refuse_empty(content: Content, route: Route) -> None:
    """Raise `Unfit` for an empty file, where the route does not let those through (`empty: done`)."""
    if content.empty and route.empty == "fail":
        raise Unfit("the file is empty", what_to_do="export it again, or set `empty: done`")


def _as_utf8(file: BinaryIO, name: str, route: Route, scratch: Scratch) -> tuple[BinaryIO, Encoding]:
    """Return the text of the file: itself, or a scratch file that has it as UTF-8, with no lone CR."""
    text = file
    if is_compressed(name):
        text = scratch()
        for block in expanded(file, name, max_bytes=route.max_expanded, max_ratio=route.max_ratio):
            text.write(block)
    head = _head(text)
    refuse_packed(head, route.format, within=name.rpartition(".")[2] if is_compressed(name) else "")
    encoding = detect(head, route.encoding)
    if not encoding.is_wide:
        refuse_wide(head)
    if encoding.declared and not encoding.is_utf8 and is_rather_utf8(blocks(text), encoding):
        encoding = Encoding("utf-8", overrules=encoding.codec)
    old_mac = route.format == "csv" and is_old_mac(head.decode(encoding.codec, "replace"), route.escape)
    if encoding.is_utf8 and not old_mac:
        return text, encoding
    changed = scratch()
    for block in _recoded(blocks(text), encoding, route if old_mac else None):
        changed.write(block)
    return changed, encoding


def _without_end_mark(text: BinaryIO, scratch: Scratch) -> BinaryIO:
    """Return the text without the mark that programs of DOS end a file with: like a byte order mark it is
    none of the text."""
    size = text.seek(0, io.SEEK_END)
    text.seek(max(0, size - _END_BYTES))
    found = _END_MARK.search(text.read())
    return text if found is None else beginning(text, size - len(found[0]), scratch)


def _head(text: BinaryIO) -> bytes:
    text.seek(0)
    return text.read(HEAD_BYTES)


def _recoded(found: Iterator[bytes], encoding: Encoding, old_mac: Route | None) -> Iterator[bytes]:
    if encoding.mark or not encoding.is_utf8:
        found = to_utf8(found, encoding)
    if old_mac is None:
        return found
    return cr_to_lf(found, quoted=old_mac.quotes != "none", escape=(old_mac.escape or "").encode())
