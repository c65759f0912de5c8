"""Pure: an open file to chunks that end at record boundaries; the same bytes every time.

`cut` keeps no state: the chunk at an offset depends on the file, the offset and the limit alone, so a
restart, a resend and a smaller limit all begin where they must. Memory is bounded by the limit, or by
`max_record` for one record that is larger. It knows nothing of tokens or requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from watcher.errors import Unfit
from watcher.model import Chunk, Route
from watcher.records import NEWLINE, QUOTE, first_boundary, last_boundary

BOM = b"\xef\xbb\xbf"
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Opening:
    """How a file begins: what is skipped and what is repeated."""

    start: int  # byte offset of the first byte that is sent as data
    header: bytes = b""  # the header record, where the route has one (with its line end)
    repeat: bytes = b""  # goes before every chunk


def opening(file: BinaryIO, route: Route) -> Opening:
    """Read the beginning of `file`: a BOM is skipped, the header treated as the route says.

    Raises `Unfit` for a header record longer than `route.max_record`.
    """
    file.seek(0)
    start = len(BOM) if file.read(len(BOM)) == BOM else 0
    if route.format == "json" or route.header == "none":
        return Opening(start)
    header = _record(file, start, b"", route.max_record)
    match route.header:
        case "drop":
            return Opening(start + len(header), header)
        case "every":
            ended = header if header.endswith(NEWLINE) else header + NEWLINE
            return Opening(start + len(header), header, ended)
        case _:
            return Opening(start, header)


def cut(file: BinaryIO, start: int, limit: int, *, repeat: bytes = b"", max_record: int) -> Chunk:
    """Return the chunk that begins at byte `start`: whole records, a body of at most `limit` bytes.

    A record larger than `limit` goes alone. The rest of the file is one chunk where it fits, and then it
    is the last one; a `start` at the end of the file gives an empty last chunk, which must not be sent.
    Raises `Unfit` for a record larger than both `limit` and `max_record`.
    """
    limit = max(1, limit - len(repeat))
    file.seek(start)
    buffer = file.read(limit + 1)
    last = len(buffer) <= limit
    if last:
        raw = buffer
    elif end := last_boundary(buffer, limit):
        raw = buffer[:end]
    else:
        raw = _record(file, start, buffer, max_record)
        file.seek(start + len(raw))
        last = not file.read(1)
    return Chunk(start, start + len(raw), raw, repeat + raw if repeat else raw, last)


def whole(file: BinaryIO, start: int, limit: int) -> Chunk:
    """Return everything from byte `start` as one chunk, for what cannot be cut (JSON). Raises `Unfit`."""
    file.seek(start)
    raw = file.read(limit + 1)
    if len(raw) > limit:
        raise Unfit(
            f"the document is larger than {limit:,} bytes", what_to_do="raise upload.max_json in the settings"
        )
    return Chunk(start, start + len(raw), raw, raw, last=True)


def exactly(file: BinaryIO, start: int, end: int, *, repeat: bytes = b"") -> Chunk:
    """Return the chunk from `start` to `end` as it went out before, for sending it again after a crash."""
    file.seek(start)
    raw = file.read(end - start)
    last = not file.read(1)
    return Chunk(start, start + len(raw), raw, repeat + raw if repeat else raw, last)


def _record(file: BinaryIO, start: int, head: bytes, max_record: int) -> bytes:
    """Read one record, at most `max_record` bytes; `head` is what was read of it from `start` on."""
    record = bytearray(head)
    if end := first_boundary(head):
        return head[:end]
    inside = bool(head.count(QUOTE) & 1)
    file.seek(start + len(head))
    while len(record) <= max_record:
        block = file.read(READ_BYTES)
        if not block:
            return bytes(record)
        if end := first_boundary(block, inside=inside):
            record += block[:end]
            break
        inside ^= bool(block.count(QUOTE) & 1)
        record += block
    if len(record) > max_record:
        raise Unfit(
            f"the record at byte {start:,} is longer than {max_record:,} bytes",
            what_to_do="look for a quote that is never closed, or raise upload.max_record in the settings",
        )
    return bytes(record)
