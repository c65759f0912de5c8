"""Pure: do the quotes of a CSV file stand where RFC 4180 has them (2.5 to 2.7), and nowhere else?

A field is in quotes or holds none: a quote opens behind a delimiter or a line end, closes before one, and is
written twice in between. Only then do all readers see the same records, and so do the check and the cut.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import BinaryIO

from watcher.content.records import NEWLINE, QUOTE, line_at
from watcher.core.errors import Unfit

_READ_BYTES = 1 << 16
_PROBED_BYTES = 1 << 12  # of a block, to see how it is quoted
_LINE_ENDS = b"\r\n"
_BEGUN = re.compile(b'[^"]*+(?:""[^"]*+)*+')  # within a quoted field


class QuoteCheck:
    """Checks where quotes stand, block by block from the beginning of the first record."""

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._ends = frozenset(delimiter + _LINE_ENDS)
        self._odd = False  # the number of quotes so far
        self._at_start = True  # of a field, where outside quotes
        self._held = b""  # quotes at the end of the last block: what they are depends on what follows

    def feed(self, block: bytes, quotes: int) -> bool:
        """Say whether the quotes of the next block, which holds `quotes` of them, are where they may be."""
        if not quotes and not self._held:  # inside or outside, nothing begins and nothing ends
            if block:
                self._at_start = block[-1] in self._ends
            return True
        inside = self._odd ^ bool(len(self._held) & 1)
        data = self._held + block if self._held else block
        body = data.rstrip(QUOTE) if data.endswith(QUOTE) else data
        behind = len(data) - len(body)
        # Only whether their number is odd tells, and a file of nothing but quotes is not to be held whole.
        self._held = QUOTE * (2 - behind % 2 if behind else 0)
        self._odd ^= bool(quotes & 1)
        return not body or self._is_sound(body, inside=inside)

    def finish(self) -> bool:
        """Say the same of the end of the file, where quotes close as they do before a line end."""
        return self.feed(NEWLINE, 0) and not self._odd

    def _is_sound(self, data: bytes, *, inside: bool) -> bool:
        if not inside and not self._at_start and data.startswith(QUOTE):
            return False
        sound, begun = _sound_text(self._delimiter, inside=inside, spread=self._spread(data))
        match = sound.match(data)
        self._at_start = data[-1] in self._ends
        if match is None:  # the field that it begins within does not end in it
            return _BEGUN.fullmatch(data) is not None
        return match.end() == len(data) or begun.match(data, match.end()) is not None

    def _spread(self, data: bytes) -> bytes:
        """Return what stands between fields in quotes that stand side by side, where most do; or nothing."""
        probe = data[:_PROBED_BYTES]
        if 4 * probe.count(QUOTE + self._delimiter + QUOTE) < probe.count(QUOTE):
            return b""
        one = re.escape(self._delimiter)
        return b"(?:" + one + rb"|\r?\n)?+" if b"\r" in probe else b"[" + one + rb"\n]?+"


@functools.cache
def _sound_text(
    delimiter: bytes, *, inside: bool, spread: bytes
) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what sound text matches that begins `inside` of quotes or outside, and what a quoted field that
    has begun matches to the end of the text.

    Nothing is ever tried twice, for all repeats are possessive: per field it is a few steps of the machine,
    and with `spread`, what may stand between fields in quotes, fewer.
    """
    end = b"[" + re.escape(delimiter) + rb"\r\n]"
    behind_end = b"(?<![^" + re.escape(delimiter) + rb"\r\n])"
    if spread:
        rest = b'[^"]*+(?:"' + spread + b'"[^"]*+)*+(?:"' + end + rb'[^"]*+|\Z)'
    else:
        rest = b'[^"]*+"(?:"[^"]*+")*+' + end + b'[^"]*+'
    opens = behind_end + b'"'
    sound = (rest if inside else b'[^"]*+') + b"(?:" + opens + rest + b")*+"
    return re.compile(sound), re.compile(opens + _BEGUN.pattern + rb"\Z")


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A quote that stands where none may; places are byte offsets in the file."""

    field: int  # where the quoted field opens; of a field without quotes, where the quote in it is
    quoted: bool  # the field begins with a quote
    closing: int | None = None  # the quote in a quoted field that something else follows; None: there is none


def first_misplaced(file: BinaryIO, delimiter: bytes) -> Misplaced | None:
    """Return the first misplaced quote from the position of `file` on, looking at each; None: all are sound.

    Of a quoted field that is never closed it is the one that opens it.
    """
    ends = frozenset(delimiter + _LINE_ENDS)
    before, inside, closing = delimiter[0], False, False
    begin = opened = file.tell()
    while block := file.read(_READ_BYTES):
        at = 0
        while at < len(block):
            if closing:  # the byte before was a quote inside a quoted field
                closing = False
                if block[at] == QUOTE[0]:  # a doubled one
                    at += 1
                elif block[at] in ends:
                    inside = False
                else:
                    return Misplaced(opened, quoted=True, closing=begin + at - 1)
                continue
            quote = block.find(QUOTE, at)
            if quote < 0:
                break
            if inside:
                closing = True
            elif (block[quote - 1] if quote else before) not in ends:
                return Misplaced(begin + quote, quoted=False)
            else:
                inside, opened = True, begin + quote
            at = quote + 1
        before = block[-1]
        begin += len(block)
    return Misplaced(opened, quoted=True) if inside and not closing else None


def misplaced_quote(file: BinaryIO, found: Misplaced, *, start: int, header: bool) -> Unfit:
    """Return the refusal of a file for its first misplaced quote.

    Its records begin at byte `start`; `header` says whether the first of them is one.
    """
    line = line_at(file, found.field)
    if not found.quoted:
        of_header = " of the header" if header and line == line_at(file, start) else ""
        return Unfit(
            f"line {line}: there is a quote within a field{of_header} that does not begin with one",
            what_to_do=f"put the field in quotes, and double those in it; {_settings(file, found.field)}",
            line=line,
        )
    if found.closing is not None and line_at(file, found.closing) == line:
        return Unfit(
            f"line {line}: a field in quotes goes on behind its closing quote",
            what_to_do="double the quotes within the field, or remove what follows its end;"
            f" {_settings(file, found.closing)}",
            line=line,
        )
    hint = "" if found.closing is None else f"; {_settings(file, found.closing)}"
    return Unfit(
        f"line {line}: the quote that opens here is never closed",
        what_to_do="close the quote (a quote inside a field is written twice) and drop the file again" + hint,
        line=line,
    )


def _settings(file: BinaryIO, quote: int) -> str:
    """Return the setting of a route for exports that write quotes as this one is."""
    file.seek(max(0, quote - 1))
    if quote and file.read(1) == b"\\":
        return 'where the export means a quote by \\", set `escape: "\\\\"` for the route'
    return "where the export never quotes a field, set `quotes: none` for the route"
