"""Pure: a CSV file, as UTF-8, to what is sent of it. Every byte is checked, and every record where the route
has columns; it is written anew only where it cannot go out as it is."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from watcher.content.bad_records import bad_records
from watcher.content.changes import Changes
from watcher.content.compressed import BLOCK_BYTES
from watcher.content.content import Content, Hasher, NoHash, Scratch, beginning, blocks, digest, is_blank
from watcher.content.csv_scan import Inspection, inspected
from watcher.content.dialect import HEAD_BYTES, Dialect, cr_to_lf, dialect
from watcher.content.encoding import Encoding
from watcher.content.frame import Frame, framed
from watcher.content.guard import refuse_misread
from watcher.content.last_record import refuse_short_end
from watcher.content.lines import first_bare_line, without_blank_lines
from watcher.content.quotes import first_misplaced, misplaced_quote
from watcher.content.quoting import as_rfc4180
from watcher.content.rows import Findings, check_rows, marked_lines
from watcher.content.shaped_rows import Shaped, shape_rows
from watcher.content.split import mark_bytes, opening
from watcher.core.errors import Unfit
from watcher.core.model import Route
from watcher.core.shape import PLAIN

_SMALLEST_CHUNK = 1 << 14  # that a server's limit ever makes of them


def csv_content(
    text: BinaryIO,
    route: Route,
    encoding: Encoding,
    *,
    scratch: Scratch,
    now: datetime,
    hasher: Hasher = hashlib.sha256,
) -> Content:
    """Check `text` (UTF-8) for `route` and return what is sent; `encoding` is that of the dropped file.

    Raises `Unfit`.
    """
    csv.field_size_limit(max(csv.field_size_limit(), route.max_record))  # Python's own is 128 KiB
    given, reading = text, _readable(text, route, hasher, scratch)
    text, seen, how, frame = reading.text, reading.seen, reading.how, reading.frame
    content = Content(
        text,
        opening(text, route, skip=how.skip),
        seen.size,
        seen.sha256,
        empty=seen.blank,
        records=max(0, seen.records - bool(how.skip) - (route.header != "none")),
        dialect=how.words,
        source_sha256=seen.sha256 if text is given else "",
    )
    if seen.bare and route.empty_rows == "fail":
        raise _bare_row(text, how)
    if seen.bare and route.empty_rows == "send":
        content = replace(content, records=content.records + seen.bare)
    dropping = seen.bare and route.empty_rows == "drop"
    if frame is not None:
        content = replace(content, changes=Changes(frame.above, frame.below, frame.comments))
    if not seen.blank and (route.columns or how.delimiter != "," or dropping or route.trailing_delimiter):
        content = _checked(content, route, reading, encoding, scratch=scratch, now=now)
    else:
        content = replace(content, empty=_is_empty(content, route))
    # With so few blank lines around it a record goes alone at worst, in a chunk that is hardly too large.
    room = content.opening.room(min(route.chunk_bytes, _SMALLEST_CHUNK))
    most = max(1, room // 2) if frame is None else 1
    if seen.longest_blank >= most and not content.empty and not route.is_shaped:
        content = _without_blank_lines(content, route, how if content.file is text else None, scratch)
    return content


@dataclass(frozen=True, slots=True)
class _Reading:
    """A file whose records can be told apart."""

    text: BinaryIO  # of RFC 4180, but for the delimiter
    dropped: BinaryIO  # the same records on the same lines, as they came
    seen: Inspection
    how: Dialect
    frame: Frame | None  # what `lines` took out of it

    @property
    def start(self) -> int:
        """The byte of `text` that the first record begins at."""
        return mark_bytes(self.text) + self.how.skip

    @property
    def first_line(self) -> int:
        """The line of it."""
        return 2 if self.how.skip else 1


def _readable(text: BinaryIO, route: Route, hasher: Hasher, scratch: Scratch) -> _Reading:
    """Make a text of which records can be read, and look through all of it. Raises `Unfit`."""
    dropped, frame = text, None
    if route.lines is not None:
        dropped, text, frame = framed(text, route, route.lines, scratch)
    came = text
    if route.quotes == "none" or route.escape is not None:
        came, text = as_rfc4180(text, route, scratch)
    # What is read of a shaped file is not what is sent.
    hasher = NoHash if route.is_shaped and frame is not None else hasher
    seen = _sound(text, route, hasher)
    if seen.ends_at is not None:
        came = text = beginning(text, seen.ends_at, scratch)
        seen = _sound(text, route, hasher)
    if seen.lone_cr:
        changed, seen = _with_lf(text, seen, route, scratch)
        if changed is not text:
            came = text = changed
    how = _dialect(text, route)
    has_footer = frame is not None and frame.footer != ""
    # `columns` say of each record how many fields it must have; but where it is shaped, some may be missing.
    if not has_footer and (not route.columns or route.is_shaped):
        _refuse_short_end(text, came, seen.size, route)
    return _Reading(text, came if frame is None else dropped, seen, how, frame)


def _is_empty(content: Content, route: Route) -> bool:
    # A header alone is no data, whether or not the header itself is sent.
    begin, text = content.opening, content.file
    data = begin.start + (len(begin.header) if route.header == "first" else 0)
    text.seek(data)
    return is_blank(iter(lambda: text.read(BLOCK_BYTES), b""))


def _bare_row(text: BinaryIO, how: Dialect) -> Unfit:
    start = mark_bytes(text) + how.skip
    line = first_bare_line(text, start, 2 if how.skip else 1, how.delimiter.encode())
    return Unfit(
        f"line {line}: there is nothing but delimiters, as spreadsheets leave rows that were cleared",
        what_to_do="delete such rows, or set `empty_rows: drop` for the route, which leaves them out",
        line=line,
    )


def _without_blank_lines(content: Content, route: Route, how: Dialect | None, scratch: Scratch) -> Content:
    """Return the content without its blank lines, which would fill a chunk; `how`: of the text as it came,
    where that is what is sent."""
    out = scratch()
    gaps = without_blank_lines(content.file, out)
    sha256, size = digest(out)
    begin = opening(out, route, skip=how.skip if how else 0)
    return replace(content, file=out, opening=begin, size=size, sha256=sha256, blank_out=gaps)


def _sound(text: BinaryIO, route: Route, hasher: Hasher) -> Inspection:
    """Inspect every byte. Raises `Unfit`, also where a quote stands where none may."""
    how, doubt = Dialect(","), None
    try:
        how = _dialect(text, route)
    except Unfit as error:  # the lesser fault: that it is no text, or a quote is not closed, comes first
        doubt = error
    seen = inspected(text, route, None if doubt else how.delimiter.encode(), hasher)
    if seen.ends_at is not None:
        return seen
    if doubt is None:
        refuse_misread(_head(text), how, route)
    if not seen.sound:
        raise _misplaced(text, mark_bytes(text), how, header=route.header != "none")
    if doubt is not None:
        _refuse_short_end(text, text, seen.size, route)  # that may be why
        raise doubt
    return seen


def _refuse_short_end(text: BinaryIO, dropped: BinaryIO, size: int, route: Route) -> None:
    """`text` has `size` bytes and is quoted as RFC 4180 has it, `dropped` as the route says: where there are
    both, only that ends as the file does."""
    if dropped is text:
        refuse_short_end(text, size, replace(route, quotes="double", escape=None))
    else:
        refuse_short_end(dropped, dropped.seek(0, io.SEEK_END), route)


def _misplaced(text: BinaryIO, start: int, how: Dialect, *, header: bool) -> Unfit:
    text.seek(start)
    found = first_misplaced(text, how.delimiter.encode())
    if found is None:
        raise AssertionError("the quick look at the quotes and the exact one do not agree")
    return misplaced_quote(text, found, start=start + how.skip, header=header)


def _with_lf(text: BinaryIO, seen: Inspection, route: Route, scratch: Scratch) -> tuple[BinaryIO, Inspection]:
    """Return the text with LF for each CR that ends a line by itself; itself where there is none."""
    changed = scratch()
    for block in cr_to_lf(blocks(text)):
        changed.write(block)
    if digest(changed)[0] == seen.sha256:
        return text, seen
    return changed, _sound(changed, route, hashlib.sha256)


def _head(text: BinaryIO) -> bytes:
    text.seek(mark_bytes(text))
    return text.read(HEAD_BYTES)


def _dialect(text: BinaryIO, route: Route) -> Dialect:
    return dialect(_head(text), route)


def _checked(
    content: Content,
    route: Route,
    reading: _Reading,
    encoding: Encoding,
    *,
    scratch: Scratch,
    now: datetime,
) -> Content:
    """Check every record, and write those anew that cannot go out as they are."""
    text, how, first_line = reading.text, reading.how, reading.first_line
    bare_rows = bool(reading.seen.bare)
    rows: Findings
    if route.is_shaped:
        rows = shaped = shape_rows(
            text, route, start=reading.start, first_line=first_line, delimiter=how.delimiter,
            bare_rows=bare_rows, now=now, scratch=scratch,
        )  # fmt: skip
        content = replace(content, changes=_changes(content, route, shaped))
    else:
        rows = check_rows(
            text, route, start=reading.start, first_line=first_line, delimiter=how.delimiter,
            empty_lines=bool(reading.seen.none), bare_rows=bare_rows, now=now, scratch=scratch,
        )  # fmt: skip
    if rows.widest == 1 and how.delimiter != "," and len(route.columns) != 1:
        raise Unfit(
            f"no record has more than one field: there is no {how.delimiter!r} in the file",
            what_to_do="correct the route's delimiter; `auto` finds it in most files",
            line=first_line,
        )
    written = rows.out
    content = replace(content, records=rows.records, empty=not rows.records)
    if rows.bad:
        if route.bad_records == "fail" or not rows.records:
            raise bad_records(rows, route)
        aside = _aside(reading, rows, encoding, scratch)
        if written is None:
            written = scratch()
            for is_bad, _, line in marked_lines(text, first_line=first_line, start=reading.start, rows=rows):
                if not is_bad:
                    written.write(line.encode())
        content = replace(
            content, bad=rows.bad, problems=tuple(rows.problems), bad_lines=rows.lines, aside=aside
        )
    if written is None:
        return content
    content = replace(content, lines_before=first_line - 1, left_out=rows.left_out)
    return _made_of(written, content, route)


def _aside(reading: _Reading, rows: Findings, encoding: Encoding, scratch: Scratch) -> BinaryIO:
    """Return the bad records as they came, to be mended and dropped again: with the header above them, and
    the footer below."""
    aside, dropped = scratch(), reading.dropped
    aside.write(encoding.mark + _sep_line(reading.text, reading.how).encode(encoding.codec))
    begin = mark_bytes(dropped) + reading.how.skip
    for is_bad, is_head, line in marked_lines(dropped, first_line=reading.first_line, start=begin, rows=rows):
        if is_bad or is_head:
            aside.write(line.encode(encoding.codec))
    if reading.frame is not None:
        aside.write(reading.frame.footer.encode(encoding.codec))
    return aside


def _changes(content: Content, route: Route, found: Shaped) -> Changes:
    return replace(
        content.changes,
        bare=found.empty,
        columns=found.dropped,
        made=tuple(column.name for column in route.columns if column.shape != PLAIN),
        padded=found.padded,
        before=tuple(found.before),
        after=tuple(found.after),
    )


def _made_of(written: BinaryIO, content: Content, route: Route) -> Content:
    """Return the content with what was written anew in the place of the file."""
    sha256, size = digest(written)
    return replace(content, file=written, opening=opening(written, route), size=size, sha256=sha256)


def _sep_line(text: BinaryIO, how: Dialect) -> str:
    text.seek(mark_bytes(text))
    return text.read(how.skip).decode()
