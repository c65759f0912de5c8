"""Pure: what may be said of a file of which nothing is known, as settings of a route: a suggestion.

It reads the file, and looks closely at its beginning and its end only: the rest decides when a file is sent.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from watcher.content.compressed import expanded, name_within
from watcher.content.content import Scratch, blocks
from watcher.content.dialect import is_old_mac
from watcher.content.encoding import TextCheck, detect
from watcher.content.json_text import JSON_LINES
from watcher.content.kind import Kind, is_json, packed_kind, text_kind, wide_codec
from watcher.content.likely import likely_codec
from watcher.content.suggested_csv import suggested_csv
from watcher.content.suggested_frame import CsvGuess
from watcher.core.errors import Unfit
from watcher.core.names import counted, is_compressed

HEAD_BYTES = 4 << 20  # that are looked at
TAIL_BYTES = 1 << 16
_PATHS = 3  # names to an array within an object
_MOST_JSON = 64 << 20  # bytes of a document that is looked at
_MOST_EXPANDED, _MOST_RATIO = 4_000_000_000, 200.0  # as the settings have it


@dataclass(slots=True)
class Suggestion:
    """What was found out."""

    name: str  # of the file by which it is routed
    size: int  # bytes of its text, as it is
    looked_at: int  # bytes
    encoding: str = ""  # to be declared; "": it need not be
    encoding_note: str = ""
    csv: CsvGuess | None = None  # None: it is JSON
    json_keys: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def suggested(file: BinaryIO, name: str, scratch: Scratch) -> Suggestion:
    """Look at `file`, called `name`. Raises `Unfit` for what is neither CSV nor JSON, or no text."""
    text = file
    if is_compressed(name):
        text, packed = scratch(), name
        for block in expanded(file, packed, max_bytes=_MOST_EXPANDED, max_ratio=_MOST_RATIO):
            text.write(block)
        name = name_within(file, packed)
    text.seek(0)
    head = text.read(HEAD_BYTES)
    size = text.seek(0, io.SEEK_END)
    found = Suggestion(name, size, min(size, HEAD_BYTES))
    if kind := packed_kind(head):
        raise _neither(kind)
    codec = _codec(text, head, found)
    start = len(detect(head, None).mark)
    read = head[start:].decode(codec, "replace")
    kind = text_kind(read[:TAIL_BYTES].encode())
    if kind is not None:
        raise _neither(kind)
    if not read.strip():
        raise Unfit("there is nothing in it", what_to_do="take a file with some records")
    named = found.name.casefold().endswith((".json", *JSON_LINES))
    if named or is_json(read[:TAIL_BYTES].encode(), whole=len(read) <= TAIL_BYTES):
        _look_at_json(text, codec, found)
        return found
    tail = None
    if size > len(head):
        read = read[: read.rfind("\n") + 1] or read
        text.seek(size - TAIL_BYTES)
        tail = text.read().decode(codec, "replace").partition("\n")[2]
    if is_old_mac(read):
        read = read.replace("\r", "\n")
    found.csv = suggested_csv(read.rstrip("\x1a"), tail)
    return found


def _neither(kind: Kind) -> Unfit:
    return Unfit(
        f"it is {kind.words}, neither CSV nor JSON",
        what_to_do=kind.what_to_do.replace("{format}", "CSV or JSON"),
    )


def _codec(text: BinaryIO, head: bytes, found: Suggestion) -> str:
    """Return what it is written in. Raises `Unfit` for what is no text."""
    encoding = detect(head, None)
    if encoding.mark:
        return encoding.codec
    if wide := wide_codec(head):
        found.encoding, found.encoding_note = wide, "by its zero bytes; it has no byte order mark"
        return wide
    check = TextCheck(text)
    try:
        text.seek(0)
        for block in blocks(text):
            check.feed(block)
        check.feed(b"", final=True)
    except Unfit as fault:
        likely = likely_codec(text)
        if likely is None:
            raise
        found.encoding, found.encoding_note = likely, fault.reason
        return likely
    return "utf-8"


def _look_at_json(text: BinaryIO, codec: str, found: Suggestion) -> None:
    if found.name.casefold().endswith(JSON_LINES):
        found.notes.append("JSON Lines, by its name: its documents go out as one array")
        return
    if found.size > _MOST_JSON:
        found.notes.append("it is too large to be looked at as a whole")
        return
    text.seek(0)
    read = text.read().decode(codec, "replace").lstrip("\ufeff").strip().rstrip("\x1a")
    try:
        document = json.loads(read)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Extra data"):
            found.json_keys["format"] = "jsonl"
            found.notes.append("documents stand one behind the other: they go out as one array")
        return
    except (ValueError, RecursionError):  # a number of very many digits, say: the check at the end tells it
        return
    if isinstance(document, list):
        found.notes.append(f"an array of {counted(len(document), 'element')}")
        return
    arrays = list(_arrays(document))
    if len(arrays) == 1:
        path, number = arrays[0]
        found.json_keys["split_at"] = path
        found.notes.append(f"{path} is an array of {counted(number, 'object')}: it alone goes out")
    elif arrays:
        found.notes.append(f"split_at takes one of its arrays: {', '.join(path for path, _ in arrays)}")


def _arrays(document: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
    """Yield the arrays of objects within objects, by their path."""
    for key, value in document.items() if isinstance(document, dict) and depth < _PATHS else ():
        here = f"{path}.{key}" if path else key
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            yield here, len(value)
        elif isinstance(value, dict):
            yield from _arrays(value, here, depth + 1)
