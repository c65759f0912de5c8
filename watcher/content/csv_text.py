"""Pure: a CSV file, as UTF-8, to what is sent of it. Every byte is checked, and every record where the route
has columns; it is written anew only where it cannot go out as it is."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import BinaryIO

from watcher.content.compressed import BLOCK_BYTES
from watcher.content.content import Content, Scratch, blocks, digest, is_blank
from watcher.content.dialect import HEAD_BYTES, Dialect, cr_to_lf, dialect
from watcher.content.encoding import Encoding, TextCheck
from watcher.content.records import (
    NEWLINE,
    QUOTE,
    RecordCounter,
    first_boundary,
    last_boundary,
    line_at,
    opening_line_of_bad_quote,
)
from watcher.content.rows import LISTED_RECORDS, Findings, check_rows, marked_lines
from watcher.content.split import BOM, mark_bytes, opening
from watcher.core.errors import Unfit
from watcher.core.model import Route


@dataclass(frozen=True, slots=True)
class _Inspection:
    """What one pass over the bytes found."""

    sha256: str
    size: int
    blank: bool
    records: int  # header included
    lone_cr: bool  # somewhere, in quotes or not


def csv_content(
    text: BinaryIO, route: Route, encoding: Encoding, *, scratch: Scratch, now: datetime
) -> Content:
    """Check `text` (UTF-8) for `route` and return what is sent; `encoding` is that of the dropped file.

    Raises `Unfit`.
    """
    csv.field_size_limit(max(csv.field_size_limit(), route.max_record))  # Python's own is 128 KiB
    seen = _inspected(text, route)
    if seen.lone_cr:
        text, seen = _with_lf(text, seen, route, scratch)
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
    _check_header_record(content, how, route)
    if not seen.blank and (route.columns or how.delimiter != ","):
        return _checked(content, route, how, encoding, scratch=scratch, now=now)
    # A header alone is no data, whether or not the header itself is sent.
    begin = content.opening
    data = begin.start + (len(begin.header) if route.header == "first" else 0)
    text.seek(data)
    return replace(content, empty=is_blank(iter(lambda: text.read(BLOCK_BYTES), b"")))


def _with_lf(
    text: BinaryIO, seen: _Inspection, route: Route, scratch: Scratch
) -> tuple[BinaryIO, _Inspection]:
    """Return the text with LF for each CR that ends a line by itself; itself where there is none."""
    changed = scratch()
    for block in cr_to_lf(blocks(text)):
        changed.write(block)
    if digest(changed)[0] == seen.sha256:
        return text, seen
    return changed, _inspected(changed, route)


def _check_header_record(content: Content, how: Dialect, route: Route) -> None:
    """Refuse a header that readers of CSV see in different places, for then they see other records, too."""
    header = content.opening.header
    if header and QUOTE in header:
        rows = csv.reader(io.StringIO(header.decode("utf-8", "replace"), newline=""), delimiter=how.delimiter)
        if len(list(islice(rows, 2))) != 1:
            behind = 0 if route.header == "first" else len(header)
            line = line_at(content.file, content.opening.start - behind)
            raise Unfit(
                f"line {line}: there is a quote within a field of the header that is not doubled",
                what_to_do="put the field in quotes, and double those in it",
                line=line,
            )


def _inspected(text: BinaryIO, route: Route) -> _Inspection:
    sha256, counter = hashlib.sha256(), RecordCounter()
    check = TextCheck(partial(line_at, text))
    size, inside, blank = 0, False, True
    returns = 0  # CRs less those of CR LF
    ends_with_cr = False
    begun = 0  # byte offset of the record that has begun and not ended
    for block in blocks(text, min(BLOCK_BYTES, route.max_record)):
        sha256.update(block)
        check.feed(block)
        blank = blank and is_blank([block.removeprefix(BOM if size == 0 else b"")])
        if size - begun + (first_boundary(block, inside=inside) or len(block)) > route.max_record:
            line = line_at(text, begun)
            raise Unfit(
                f"the record that begins on line {line} is longer than {route.max_record:,} bytes",
                what_to_do="look for a quote that is never closed, or raise upload.max_record",
                line=line,
            )
        if end := last_boundary(block, inside=inside):
            begun = size + end
        quotes = block.count(QUOTE) if QUOTE in block else 0  # to see that there is none is far quicker
        counter.feed(block, inside=inside, quotes=quotes)
        if b"\r" in block:
            returns += block.count(b"\r") - block.count(b"\r\n")
        returns -= ends_with_cr and block.startswith(NEWLINE)
        ends_with_cr = block.endswith(b"\r")
        inside ^= bool(quotes & 1)
        size += len(block)
    check.feed(b"", final=True)
    if inside:
        raise _never_closed(text, route)
    return _Inspection(sha256.hexdigest(), size, blank, counter.finish(), bool(returns))


def _never_closed(text: BinaryIO, route: Route) -> Unfit:
    try:
        delimiter = _dialect(text, route).delimiter
    except Unfit:  # it cannot be judged, and this is the lesser fault
        delimiter = ","
    text.seek(0)
    line = opening_line_of_bad_quote(text, delimiter.encode())
    return Unfit(
        f"line {line}: the quote that opens here is never closed",
        what_to_do="close the quote (a quote inside a field is written twice) and drop the file again",
        line=line,
    )


def _dialect(text: BinaryIO, route: Route) -> Dialect:
    text.seek(mark_bytes(text))
    return dialect(text.read(HEAD_BYTES), route.delimiter, columns=len(route.columns))


def _checked(
    content: Content, route: Route, how: Dialect, encoding: Encoding, *, scratch: Scratch, now: datetime
) -> Content:
    """Check every record, and write those anew that cannot go out as they are."""
    text, first_line = content.file, 2 if how.skip else 1
    start = mark_bytes(text) + how.skip
    rows = check_rows(
        text,
        route,
        start=start,
        first_line=first_line,
        delimiter=how.delimiter,
        now=now,
        scratch=scratch,
    )
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
        good = scratch() if written is None else None
        for is_bad, is_head, line in marked_lines(text, first_line=first_line, start=start, rows=rows):
            if is_bad or is_head:
                aside.write(line.encode(encoding.codec))
            if good is not None and not is_bad:
                good.write(line.encode())
        written = written or good
        content = replace(
            content, bad=rows.bad, problems=tuple(rows.problems), bad_lines=rows.lines, aside=aside
        )
    if written is None:
        return content
    sha256, size = digest(written)
    return replace(
        content,
        file=written,
        opening=opening(written, route),
        size=size,
        sha256=sha256,
        lines_before=first_line - 1,
    )


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


def line_list(lines: Sequence[int]) -> str:
    """Return `7, 9-10, …` for the first and last lines of records."""
    spans = zip(lines[: 2 * LISTED_RECORDS : 2], lines[1 : 2 * LISTED_RECORDS : 2], strict=True)
    words = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return ", ".join([*words, *(["…"] if len(lines) > 2 * LISTED_RECORDS else [])])
