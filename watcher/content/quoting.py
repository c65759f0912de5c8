"""Pure: CSV whose fields are quoted in another way than RFC 4180 has it (`quotes: none`, `escape`), written
anew as RFC 4180 has it: the same records on the same lines, with the same delimiter."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

from watcher.content.compressed import BLOCK_BYTES
from watcher.content.content import Scratch, blocks
from watcher.content.dialect import HEAD_BYTES, Dialect, Quoting, cr_to_lf, dialect
from watcher.content.encoding import TextCheck
from watcher.content.guard import refuse_misread
from watcher.content.quotes import first_misplaced, misplaced_quote
from watcher.content.records import NEWLINE, QUOTE, line_at
from watcher.content.rows import as_csv, lines_of, record_fault
from watcher.content.split import mark_bytes
from watcher.core.errors import Unfit
from watcher.core.model import Route

_LONE_CR = re.compile(rb"\r(?!\n|\Z)")
WRITTEN_AT_ONCE = 1_000  # records
_NULL = "N"  # behind a backslash, for a field that has no value: MySQL, PostgreSQL, Hive


def as_rfc4180(text: BinaryIO, route: Route, scratch: Scratch) -> tuple[BinaryIO, BinaryIO]:
    """Return `text` (UTF-8) as it came, but for lone CRs, and as RFC 4180 has it; twice the same where that
    is no difference.

    Raises `Unfit` for what is no text, for quotes that are misplaced for `escape`, and for a line longer than
    `route.max_record`.
    """
    written = Quoting(route.quotes != "none", route.escape)
    escape = (route.escape or "").encode()
    special = (QUOTE, escape or QUOTE)
    differs, lone_cr = looked_through(text, route, special)
    if not differs:
        return text, text
    if lone_cr:
        changed = scratch()
        for block in cr_to_lf(blocks(text), quoted=written.quotes, escape=escape):
            changed.write(block)
        text = changed
    start = mark_bytes(text)
    text.seek(start)
    head = text.read(HEAD_BYTES)
    how = dialect(head, route, written=written)
    refuse_misread(head, how, route, written)
    if written.quotes:
        _refuse_misplaced(text, start, how, route, scratch)
    out = scratch()
    text.seek(start)
    out.write(text.read(how.skip))
    writer_of = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        with lines_of(text, start + how.skip) as groups:
            lines: Iterable[str] = chain.from_iterable(groups)
            if written.escape is not None:
                lines = _with_escaped_ends(lines, written.escape)
            if written.escape == "\\":
                lines = _without_nulls(lines, how.delimiter)
            reader = written.reader(lines, how.delimiter, strict=True)
            with record_fault():
                while rows := list(islice(reader, WRITTEN_AT_ONCE)):
                    writer_of.write(as_csv(rows, how.delimiter))
    finally:
        writer_of.detach()
    return text, out


def looked_through(text: BinaryIO, route: Route, special: Sequence[bytes]) -> tuple[bool, bool]:
    """Check that it is text, in lines of a bounded length; return whether it holds anything that readers of
    RFC 4180 take for something else, and a CR that may end a line."""
    check = TextCheck(text)
    differs = lone_cr = at_end = False
    size = begun = 0
    for block in blocks(text, min(BLOCK_BYTES, route.max_record)):
        check.feed(block)
        differs = differs or any(each in block for each in special)
        lone_cr = lone_cr or (at_end and not block.startswith(NEWLINE)) or bool(_LONE_CR.search(block))
        at_end = block.endswith(b"\r")
        if size - begun + (block.find(NEWLINE) + 1 or len(block)) > route.max_record:
            line = line_at(text, begun)
            raise Unfit(
                f"line {line} is longer than {route.max_record:,} bytes",
                what_to_do="raise upload.max_record, or export shorter records",
                line=line,
            )
        if end := block.rfind(NEWLINE) + 1:
            begun = size + end
        size += len(block)
    check.feed(b"", final=True)
    return differs, lone_cr or at_end


def _refuse_misplaced(text: BinaryIO, start: int, how: Dialect, route: Route, scratch: Scratch) -> None:
    """Raise `Unfit` where a quote that is not escaped stands where none may."""
    plain = scratch()
    for block in _escapes_hidden(blocks(text), (route.escape or "").encode()):
        plain.write(block)
    plain.seek(start)
    found = first_misplaced(plain, how.delimiter.encode())
    if found is not None:
        raise misplaced_quote(text, found, start=start + how.skip, header=route.header != "none")


def _escapes_hidden(found: Iterable[bytes], escape: bytes) -> Iterator[bytes]:
    """Yield the blocks with `xx` for each escape and what it escapes: as long, and nothing but text."""
    pair, held = re.compile(re.escape(escape) + rb"[\s\S]"), b""
    for block in chain(found, [b""]):
        data = held + block
        last = len(data) - len(data.rstrip(escape))
        held = escape if block and last % 2 else b""
        yield pair.sub(b"xx", data[: len(data) - len(held)])


def _with_escaped_ends(lines: Iterable[str], escape: str) -> Iterator[str]:
    """Yield the lines with an escape before the LF of a CRLF, too, where one is before its CR: it is text."""
    end = escape + "\r\n"
    for line in lines:
        if line.endswith(end) and (len(line) - 2 - len(line[:-2].rstrip(escape))) % 2:
            line = f"{line[:-1]}{escape}\n"
        yield line


def _without_nulls(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    r"""Yield the lines with nothing for a field that is `\N` and no more."""
    one = re.escape(delimiter)
    null = re.compile(rf"(?:(?<={one})|^)\\{_NULL}(?={one}|\r?$)")
    for line in lines:
        yield null.sub("", line) if "\\" + _NULL in line else line
