"""Pure: one look at the whole file before anything is sent: is it fit to send, and if not, why and where?

It is handed an open binary file and the route; it raises `Unfit` with the line, or returns what it found.
It changes nothing and knows nothing of folders or requests.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from watcher.errors import Unfit
from watcher.model import Route
from watcher.records import NEWLINE, QUOTE, first_boundary, last_boundary, opening_line_of_bad_quote

BLOCK_BYTES = 1 << 20
SAVE_AS_UTF8 = "save it as UTF-8 (in Excel: 'CSV UTF-8') and drop it again"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one pass over the file found."""

    sha256: str  # of the whole file, in hex
    size: int  # bytes
    empty: bool  # nothing to send: no bytes, blank lines only, or no record behind the header


def inspect(file: BinaryIO, route: Route, *, start: int, header: bytes) -> Inspection:
    """Read `file` once to its end and check it for `route`.

    `start` is the byte offset of the first data byte, `header` the header record where the route has one.
    Raises `Unfit`: not UTF-8, a NUL byte, quotes that do not balance, JSON that does not parse, columns
    that are not the configured ones, a record or document that is too large.
    """
    file.seek(0)
    inspection = _inspect_json(file, route) if route.format == "json" else _inspect_csv(file, route)
    if route.format == "csv" and not inspection.empty:
        _check_columns(file, route, header)
        # A header alone is no data, whether or not the header itself is sent.
        if _blank_from(file, start + (len(header) if route.header == "first" else 0)):
            inspection = Inspection(inspection.sha256, inspection.size, empty=True)
    return inspection


def refuse_empty(checked: Inspection, route: Route) -> None:
    """Raise `Unfit` for an empty file, where the route does not let those through (`empty: done`)."""
    if checked.empty and route.empty == "fail":
        raise Unfit("the file is empty", what_to_do="export it again, or set `empty: done`")


def _inspect_csv(file: BinaryIO, route: Route) -> Inspection:
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, newlines, inside, blank = 0, 0, False, True
    open_bytes, open_line = 0, 1  # the record that has begun and not ended: its size so far, its line
    while block := file.read(min(BLOCK_BYTES, route.max_record)):
        digest.update(block)
        if size == 0:
            _refuse_utf16(block)
        _check_text(block, decoder, newlines)
        blank = blank and not block.removeprefix(codecs.BOM_UTF8 if size == 0 else b"").strip()
        if open_bytes + (first_boundary(block, inside=inside) or len(block)) > route.max_record:
            raise Unfit(
                f"the record that begins on line {open_line} is longer than {route.max_record:,} bytes",
                what_to_do="look for a quote that is never closed, or raise upload.max_record",
                line=open_line,
            )
        if end := last_boundary(block, inside=inside):
            open_bytes = len(block) - end
            open_line = newlines + block.count(NEWLINE, 0, end) + 1
        else:
            open_bytes += len(block)
        inside ^= bool(block.count(QUOTE) & 1)
        newlines += block.count(NEWLINE)
        size += len(block)
    _check_text(b"", decoder, newlines, final=True)
    if inside:
        file.seek(0)
        line = opening_line_of_bad_quote(file, route.delimiter.encode())
        raise Unfit(
            f"line {line}: the quote that opens here is never closed",
            what_to_do="close the quote (a quote inside a field is written twice) and drop the file again",
            line=line,
        )
    return Inspection(digest.hexdigest(), size, blank)


def _inspect_json(file: BinaryIO, route: Route) -> Inspection:
    data = file.read(route.max_json + 1)
    if len(data) > route.max_json:
        raise Unfit(
            f"the document is larger than {route.max_json:,} bytes",
            what_to_do="export it in smaller parts, or raise upload.max_json",
        )
    _refuse_utf16(data)
    _check_text(data, codecs.getincrementaldecoder("utf-8")(), 0, final=True)
    digest = hashlib.sha256(data).hexdigest()
    text = data.decode("utf-8-sig")
    if not text.strip():
        return Inspection(digest, len(data), empty=True)
    try:
        # The value itself is not needed: NaN and Infinity are not JSON (RFC 8259, section 6).
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Unfit(
            f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}",
            what_to_do="export the file again, or mend it there",
            line=error.lineno,
        ) from error
    except RecursionError as error:
        raise Unfit("the JSON is nested too deeply to be read", what_to_do="export the file again") from error
    except ValueError as error:  # an integer of more digits than Python takes
        raise Unfit(f"not JSON that can be read: {error}", what_to_do="export the file again") from error
    return Inspection(digest, len(data), empty=False)


def _refuse_constant(word: str) -> NoReturn:
    raise Unfit(f"not JSON: {word} is no JSON number", what_to_do=f"export the file again without {word}")


def _refuse_utf16(block: bytes) -> None:
    if block[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise Unfit(
            "line 1: the file is UTF-16 (Excel's 'Unicode text'), not UTF-8", what_to_do=SAVE_AS_UTF8, line=1
        )


def _check_text(
    block: bytes, decoder: codecs.IncrementalDecoder, newlines: int, *, final: bool = False
) -> None:
    nul = block.find(b"\0")
    if nul >= 0:
        line = newlines + block.count(NEWLINE, 0, nul) + 1
        raise Unfit(
            f"line {line}: there is a NUL byte; the file is not text, or was not written to its end",
            what_to_do="export or copy the file again",
            line=line,
        )
    if not final and block.isascii() and not decoder.getstate()[0]:
        return
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as error:
        # error.object begins with the bytes left over from the block before, none of them a newline.
        line = newlines + error.object.count(NEWLINE, 0, error.start) + 1
        raise Unfit(
            f"line {line}: byte 0x{error.object[error.start]:02X} is not UTF-8"
            " (Excel's plain 'CSV' writes Windows-1252)",
            what_to_do=SAVE_AS_UTF8,
            line=line,
        ) from error


def _blank_from(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    while block := file.read(BLOCK_BYTES):
        if block.strip():
            return False
    return True


def _check_columns(file: BinaryIO, route: Route, header: bytes) -> None:
    if not route.columns:
        return
    # Closed at once: what waits for the garbage collector would touch a file that is closed by then.
    with closing(_rows(file, route)) as rows:
        try:
            _check_rows(rows, route, header)
        except (csv.Error, UnicodeDecodeError) as error:
            raise Unfit(
                f"the records cannot be told apart: {error}",
                what_to_do="look for quotes that are not closed, and drop the file again",
            ) from error


def _check_rows(rows: Iterator[tuple[int, list[str]]], route: Route, header: bytes) -> None:
    if header:
        _line, names = next(rows, (1, []))
        found = [name.strip().casefold() for name in names]
        wanted = [name.strip().casefold() for name in route.columns]
        if found != wanted:
            missing = list((Counter(wanted) - Counter(found)).elements())
            unexpected = list((Counter(found) - Counter(wanted)).elements())
            parts = [f"missing: {', '.join(missing)}"] if missing else []
            parts += [f"unexpected: {', '.join(unexpected)}"] if unexpected else []
            raise Unfit(
                "line 1: the columns are not those of the route; "
                + ("; ".join(parts) or "they are in another order"),
                what_to_do=f"the header must be: {route.delimiter.join(route.columns)}",
                line=1,
            )
    for line, row in rows:
        if row and len(row) != len(route.columns):
            raise Unfit(
                f"line {line}: {len(row)} fields where the route has {len(route.columns)} columns",
                what_to_do="mend the record and drop the file again",
                line=line,
            )


def _rows(file: BinaryIO, route: Route) -> Generator[tuple[int, list[str]]]:
    """Yield each record with the line it begins on."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    csv.field_size_limit(max(csv.field_size_limit(), route.max_record))
    try:
        reader: Any = csv.reader(text, delimiter=route.delimiter)
        line = 1
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    finally:
        text.detach()  # or the wrapper would close the file that it was lent
