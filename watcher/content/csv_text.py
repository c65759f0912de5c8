"""Pure: a CSV file, as UTF-8, to what is sent of it. Every byte is checked, and every record where the route
has columns; it is written anew only where it cannot go out as it is."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from watcher.content.compressed import BLOCK_BYTES
from watcher.content.content import Content, Hasher, Scratch, beginning, blocks, digest, is_blank
from watcher.content.csv_scan import Inspection, inspected
from watcher.content.dialect import HEAD_BYTES, Dialect, cr_to_lf, dialect
from watcher.content.encoding import Encoding
from watcher.content.guard import refuse_misread
from watcher.content.lines import first_bare_line, without_blank_lines
from watcher.content.quotes import first_misplaced, misplaced_quote
from watcher.content.quoting import as_rfc4180
from watcher.content.rows import LISTED_RECORDS, Findings, check_rows, marked_lines
from watcher.content.split import mark_bytes, opening
from watcher.core.errors import Unfit
from watcher.core.model import Route

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
    dropped = text
    if route.quotes == "none" or route.escape is not None:
        dropped, text = as_rfc4180(text, route, scratch)
    seen = _sound(text, route, hasher)
    if seen.ends_at is not None:
        dropped = text = beginning(text, seen.ends_at, scratch)
        seen = _sound(text, route, hasher)
    if seen.lone_cr:
        changed, seen = _with_lf(text, seen, route, scratch)
        if changed is not text:
            dropped = text = changed
    how = _dialect(text, route)
    content = Content(
        text,
        opening(text, route, skip=how.skip),
        seen.size,
        seen.sha256,
        empty=seen.blank,
        records=max(0, seen.records - bool(how.skip) - (route.header != "none")),
        dialect=how.words,
    )
    if seen.bare and route.empty_rows == "fail":
        raise _bare_row(text, how)
    if seen.bare and route.empty_rows == "send":
        content = replace(content, records=content.records + seen.bare)
    dropping = seen.bare and route.empty_rows == "drop"
    if not seen.blank and (route.columns or how.delimiter != "," or dropping or route.trailing_delimiter):
        content = _checked(content, route, how, encoding, seen, dropped=dropped, scratch=scratch, now=now)
    else:
        content = replace(content, empty=_is_empty(content, route))
    if seen.longest_blank >= min(route.chunk_bytes, _SMALLEST_CHUNK) // 2 and not content.empty:
        content = _without_blank_lines(content, route, how if content.file is text else None, scratch)
    return content


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
    """Return the content without its blank lines, so that no chunk is nothing but such; `how`: of the text as
    it came, where that is what is sent."""
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
        raise doubt
    return seen


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
    how: Dialect,
    encoding: Encoding,
    seen: Inspection,
    *,
    dropped: BinaryIO,
    scratch: Scratch,
    now: datetime,
) -> Content:
    """Check every record, and write those anew that cannot go out as they are.

    `dropped` has the same records on the same lines, quoted as they came: so are the bad ones put aside.
    """
    text, first_line = content.file, 2 if how.skip else 1
    start = mark_bytes(text) + how.skip
    rows = check_rows(
        text, route, start=start, first_line=first_line, delimiter=how.delimiter,
        empty_lines=bool(seen.none), bare_rows=bool(seen.bare), now=now, scratch=scratch,
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
            raise _bad_records(rows, route)
        aside = scratch()
        aside.write(encoding.mark + _sep_line(text, how).encode(encoding.codec))
        begin = mark_bytes(dropped) + how.skip
        for is_bad, is_head, line in marked_lines(dropped, first_line=first_line, start=begin, rows=rows):
            if is_bad or is_head:
                aside.write(line.encode(encoding.codec))
        if written is None:
            written = scratch()
            for is_bad, _, line in marked_lines(text, first_line=first_line, start=start, rows=rows):
                if not is_bad:
                    written.write(line.encode())
        content = replace(
            content, bad=rows.bad, problems=tuple(rows.problems), bad_lines=rows.lines, aside=aside
        )
    if written is None:
        return content
    content = replace(content, lines_before=first_line - 1, left_out=rows.left_out)
    return _made_of(written, content, route)


def _made_of(written: BinaryIO, content: Content, route: Route) -> Content:
    """Return the content with what was written anew in the place of the file."""
    sha256, size = digest(written)
    return replace(content, file=written, opening=opening(written, route), size=size, sha256=sha256)


def _sep_line(text: BinaryIO, how: Dialect) -> str:
    text.seek(mark_bytes(text))
    return text.read(how.skip).decode()


def _bad_records(rows: Findings, route: Route) -> Unfit:
    number = rows.records + rows.bad
    counted = f"{rows.bad:,} of {number:,} records are bad; the first: " if rows.bad > 1 else ""
    return Unfit(
        counted + rows.problems[0],
        what_to_do="mend the records and drop the file again"
        + ("; `bad_records: set_aside` sends the good ones" if route.bad_records == "fail" else ""),
        lines=line_list(rows.lines),
        problems=rows.problems,
    )


def line_list(lines: Iterable[tuple[int, int]]) -> str:
    """Return `7, 9-10, …` for the first and last lines of records."""
    spans = list(islice(lines, LISTED_RECORDS + 1))
    words = [str(first) if first == last else f"{first}-{last}" for first, last in spans[:LISTED_RECORDS]]
    return ", ".join([*words, *(["…"] if len(spans) > LISTED_RECORDS else [])])
