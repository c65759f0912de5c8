"""Pure: where CSV records end, in bytes (RFC 4180): at a newline that is not inside quotes.

A doubled quote inside a quoted field is two quotes, so the parity of the count alone tells inside from
outside. A quote inside a field that is not quoted (5" pipe) is not RFC 4180, and parity would see other
records than a reader that takes such quotes for text: `quotes` refuses them first.
"""

from __future__ import annotations

from typing import BinaryIO

NEWLINE = b"\n"
QUOTE = b'"'


def last_boundary(
    data: bytes, limit: int | None = None, *, inside: bool = False, quotes: int | None = None
) -> int:
    """Return the offset behind the last record that ends within `data[:limit]`; 0 where none does.

    `inside` says whether `data` begins inside quotes; `quotes` how many are in it, where that is known. Goes
    backwards, so it looks at few records.
    """
    end = data.rfind(NEWLINE, 0, len(data) if limit is None else limit) + 1
    if not inside and (quotes == 0 if quotes is not None else QUOTE not in data):  # quicker than to count
        return end
    before = data.count(QUOTE, 0, end) if quotes is None else quotes - data.count(QUOTE, end)
    odd = inside ^ (before & 1)
    while end and odd:
        previous = data.rfind(NEWLINE, 0, end - 1) + 1
        odd ^= data.count(QUOTE, previous, end) & 1
        end = previous
    return end


def first_boundary(data: bytes, *, inside: bool = False) -> int:
    """Return the offset behind the first record that ends within `data`; 0 where none does."""
    at, newline = 0, -1
    while True:
        if inside:
            at = data.find(QUOTE, at) + 1
            if at == 0:
                return 0
        if newline < at:
            newline = data.find(NEWLINE, at)
            if newline < 0:
                return 0
        quote = data.find(QUOTE, at, newline)
        if quote < 0:
            return newline + 1
        at, inside = quote + 1, True


def opening_line_of_bad_quote(file: BinaryIO, delimiter: bytes = b",") -> int:
    """Return the line (from 1) on which the quoted field opens that is not closed properly.

    For a file whose quotes do not balance: the first quoted field whose closing quote is followed by
    something else than a delimiter or a line end, or else the last one to open. Reads from the position
    of `file` to its end, line by line in pieces of bounded size.
    """
    ends = frozenset((delimiter[0], 0x0A, 0x0D))
    line, opened, inside, closing = 1, 1, False, False
    while block := file.read(1 << 16):
        for byte in block:
            if closing:  # the byte before was a quote inside a quoted field
                closing = False
                if byte == 0x22:  # a doubled quote
                    continue
                if byte not in ends:
                    return opened
                inside = False
            if byte == 0x22:
                if inside:
                    closing = True
                else:
                    inside, opened = True, line
            elif byte == 0x0A:
                line += 1
    return opened


def line_at(file: BinaryIO, offset: int) -> int:
    """Return the line (from 1) that byte `offset` of `file` is on; it is read again for that."""
    file.seek(0)
    line, left = 1, offset
    while left and (block := file.read(min(1 << 20, left))):
        line += block.count(NEWLINE)
        left -= len(block)
    return line


_ALL_BUT_QUOTES_AND_NEWLINES = bytes(set(range(256)) - {0x22, 0x0A})


def quotes_and_newlines(block: bytes) -> bytes | None:
    """Return nothing but the quotes and newlines of a block, in their order; None: it has no quote."""
    return block.translate(None, _ALL_BUT_QUOTES_AND_NEWLINES) if QUOTE in block else None


def newlines_outside(block: bytes, left: bytes | None, *, inside: bool) -> int:
    """Count the newlines of a block outside quotes; `inside`: it begins within; `left`: as above.

    Two quotes with no newline between them change nothing, so nearly all are gone before any Python code
    looks at them.
    """
    if left is None:
        return 0 if inside else block.count(NEWLINE)
    if not inside and 2 * left.count(QUOTE * 2) == left.count(QUOTE):
        return left.count(NEWLINE)
    parts = left.replace(QUOTE * 2, b"").split(QUOTE)
    return sum(part.count(NEWLINE) for part in parts[inside::2])
