"""Pure: an open file to chunks that end at record boundaries; the same bytes every time.

`cut` keeps no state: the chunk at an offset depends on the file, the offset and the limit alone, so a
restart, a resend and a smaller limit all begin where they must. Memory is bounded by the limit, or by
`max_record` for one record that is larger. It knows nothing of tokens or requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from watcher.content.records import NEWLINE, QUOTE, first_boundary, last_boundary
from watcher.core.errors import Unfit
from watcher.core.model import Chunk, Route

BOM = b"\xef\xbb\xbf"
READ_BYTES = 1 << 20
_AT_ONCE_BYTES = 32 << 20
_BLANKS = frozenset({b"\r", NEWLINE, b" ", b"\t", b"\v", b"\f"})


@dataclass(frozen=True, slots=True)
class Opening:
    """How a content begins, what is done with it, and how a chunk of it is dressed."""

    start: int = 0  # byte offset of the first byte that is sent as data
    header: bytes = b""  # the header record, where the route has one (with its line end)
    repeat: bytes = b""  # goes before every chunk
    array: bool = False  # each line is an element, and a chunk a JSON array of them

    def dressed(self, raw: bytes) -> bytes:
        """Return the body in which the bytes `raw` go out."""
        if self.array:
            return b"[" + b",".join(raw.splitlines()) + b"]"
        return self.repeat + raw if self.repeat else raw

    def room(self, limit: int) -> int:
        """Return how many bytes of a body of `limit` bytes are left for the content."""
        # An array has a comma where the content has a line end, and two brackets less one last line end.
        return max(1, limit - (1 if self.array else len(self.repeat)))


PLAIN = Opening()


def mark_bytes(file: BinaryIO) -> int:
    """Return the length of the UTF-8 byte order mark that `file` begins with, or 0."""
    file.seek(0)
    return len(BOM) if file.read(len(BOM)) == BOM else 0


def opening(file: BinaryIO, route: Route, *, skip: int = 0) -> Opening:
    """Read the beginning of `file`: without a BOM and `skip` bytes, the header treated as the route says.
    Blank lines before a header are left out.

    Raises `Unfit` for a header record longer than `route.max_record`.
    """
    start = mark_bytes(file) + skip
    if route.format == "json" or route.header == "none":
        return Opening(start)
    start += _blank_bytes(file, start)
    header = _record(file, start, b"", route.max_record)
    match route.header:
        case "drop":
            return Opening(start + len(header), header)
        case "every":
            ended = header if header.endswith(NEWLINE) else header + NEWLINE
            return Opening(start + len(header), header, ended)
        case _:
            return Opening(start, header)


def _blank_bytes(file: BinaryIO, start: int) -> int:
    """Return the length of the blank lines at byte `start`: a header stands behind them."""
    file.seek(start)
    head = file.read(READ_BYTES)
    return head.rfind(NEWLINE, 0, len(head) - len(head.lstrip(b" \t\r\n"))) + 1


def cut(
    file: BinaryIO,
    start: int,
    limit: int,
    opening: Opening = PLAIN,
    *,
    max_record: int,
    count: int | None = None,
) -> Chunk:
    """Return the chunk that begins at byte `start`: whole records, a body of at most `limit` bytes.

    With `count`, at most so many lines. A record larger than `limit` goes alone, and so does one that is so
    with the blank lines around it: no chunk is without a record. The rest of the file is one chunk where it
    fits, and then it is the last one; a `start` at the end of the file gives an empty last chunk, which must
    not be sent. Raises `Unfit` for a record larger than both `limit` and `max_record`.
    """
    limit = opening.room(limit)
    file.seek(start)
    buffer = _read(file, limit + 1)
    if count is not None:
        buffer = _first_lines(buffer, count)
    last = len(buffer) <= limit
    if last:
        raw = buffer
    elif end := _last_boundary(buffer, limit, opening):
        raw = buffer[:end]
    else:
        raw = _record(file, start, buffer, max_record, lines=opening.array)
    if not last or count is not None:
        if not opening.array:  # its lines are elements, none of them blank
            raw = _with_a_record(file, start, raw, max_record)
        file.seek(start + len(raw))
        ahead = file.read(1)
        last = not ahead
        if ahead in _BLANKS and not opening.array and (blank := _blank_rest(file, ahead)):
            # They would be a chunk of their own: they go with the last record, and that to the next chunk,
            # unless it is the only one of this.
            end = last_boundary(raw, len(raw.rstrip()))
            last = not raw[:end].strip()
            raw = raw + blank if last else raw[:end]
    return Chunk(start, start + len(raw), raw, opening.dressed(raw), last)


def _read(file: BinaryIO, count: int) -> bytes:
    """Return the next `count` bytes, or all that are left. A limit of the settings may be more than memory
    has, and a read asks for all of it before it knows how much there is."""
    if count <= _AT_ONCE_BYTES:
        return file.read(count)
    found = bytearray()
    while block := file.read(min(_AT_ONCE_BYTES, count - len(found))):
        found += block
    return bytes(found)


def _with_a_record(file: BinaryIO, start: int, raw: bytes, max_record: int) -> bytes:
    """Return `raw`, from byte `start` on, and where it is nothing but blank lines the next record, too."""
    while raw.isspace() and (record := _record(file, start + len(raw), b"", max_record)):
        raw += record
    return raw


def _blank_rest(file: BinaryIO, rest: bytes) -> bytes:
    """Return all from `rest` to the end of the file, whose reading goes on behind it; b"" where something
    else than blank lines is there. Of such there are few: `csv_content` takes long runs of them out."""
    while block := file.read(READ_BYTES):
        if not block.isspace():
            return b""
        rest += block
    return rest


def whole(file: BinaryIO, start: int, limit: int, opening: Opening = PLAIN) -> Chunk:
    """Return everything from byte `start` as one chunk, for what cannot be cut (JSON). Raises `Unfit`."""
    file.seek(start)
    raw = _read(file, limit + 1)
    if len(raw) > limit:
        raise Unfit(
            f"the document is larger than {limit:,} bytes", what_to_do="raise upload.max_json in the settings"
        )
    return Chunk(start, start + len(raw), raw, opening.dressed(raw), last=True)


def exactly(file: BinaryIO, start: int, end: int, opening: Opening = PLAIN) -> Chunk:
    """Return the chunk from `start` to `end` as it went out before, for sending it again after a crash."""
    file.seek(start)
    raw = file.read(end - start)
    last = not file.read(1)
    return Chunk(start, start + len(raw), raw, opening.dressed(raw), last)


def _first_lines(buffer: bytes, count: int) -> bytes:
    """Return the first `count` lines of `buffer`, or all of it where it has no more."""
    lines = buffer.split(NEWLINE, count)
    return buffer if len(lines) <= count else buffer[: len(buffer) - len(lines[-1])]


def _last_boundary(buffer: bytes, limit: int, opening: Opening) -> int:
    # The line breaks of an element are gone, so every one that is there ends an element.
    return buffer.rfind(NEWLINE, 0, limit) + 1 if opening.array else last_boundary(buffer, limit)


def _record(file: BinaryIO, start: int, head: bytes, max_record: int, *, lines: bool = False) -> bytes:
    """Read one record, at most `max_record` bytes; `head` is what was read of it from `start` on.

    With `lines`, quotes mean nothing: a record is a line.
    """
    if end := head.find(NEWLINE) + 1 if lines else first_boundary(head):
        return head[:end]
    record = bytearray(head)
    inside = bool(head.count(QUOTE) & 1)
    file.seek(start + len(head))
    while len(record) <= max_record:
        block = file.read(READ_BYTES)
        if not block:
            return bytes(record)
        if end := block.find(NEWLINE) + 1 if lines else first_boundary(block, inside=inside):
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
