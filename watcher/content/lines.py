"""Pure: which lines of a CSV file are records. A blank line is none, and neither is a row of nothing but
delimiters, as spreadsheets leave it where cells were cleared; inside quotes both are text."""

from __future__ import annotations

import re
from typing import BinaryIO

from watcher.content.records import NEWLINE, QUOTE, newlines_outside
from watcher.content.spans import Spans

_READ_BYTES = 1 << 16
_BLANKS = b" \t\v\f"  # reports have page breaks
_RECORD = b"x"  # stands for the beginning of a line that is a record


class LineCount:
    """Counts the records of a CSV file that is read block by block, and the lines that are none."""

    def __init__(self, delimiter: bytes) -> None:
        self.records = 0
        self.blank = 0
        self.bare = 0  # rows of nothing but delimiters
        self.longest_blank = 0  # bytes of blank lines one behind the other
        self._delimiter = delimiter
        self._empty = bytes(set(_BLANKS) - set(delimiter)) + delimiter
        self._starts = frozenset(self._empty + b"\r\n")
        among = b"[" + re.escape(self._empty)
        # Whether any line begins so is a first look, which costs little.
        self._suspect = re.compile(rb"\n" + among + rb"\r\n]")
        self._none = re.compile(rb"(?:\A|(?<=\n))(" + among + rb"]*+)\r*+\n")
        self._begun = b""  # the line that has begun: blank so far; the delimiter: bare; else a record
        self._run = 0  # bytes of blank lines at the end of what was counted, one that has begun included

    def feed(self, block: bytes, left: bytes | None, *, inside: bool) -> None:
        """Count the next block; `inside`: it begins in quotes; `left`: its `quotes_and_newlines`."""
        ends_inside = inside ^ bool(left is not None and left.count(QUOTE) & 1)
        if self._is_suspect(block, left):
            text = self._begun + _outside(block, left, inside=inside, ends_inside=ends_inside)
            self.records += text.count(NEWLINE) - self._look(text)
        else:
            text = block if NEWLINE in block else self._begun + block
            self.records += newlines_outside(block, left, inside=inside)
            self._run = 0
        begun = text[text.rfind(NEWLINE) + 1 :]
        self._begun = _RECORD if ends_inside else self._kind(begun)
        self._run = 0 if self._begun else self._run + len(begun)

    def finish(self) -> None:
        """Count the last line, which may have no line end."""
        self.records += self._begun == _RECORD
        self.bare += self._begun == self._delimiter
        self.longest_blank = max(self.longest_blank, self._run)

    def _is_suspect(self, block: bytes, left: bytes | None) -> bool:
        if self._begun != _RECORD and block[0] in self._starts:
            return True
        # A line without a quote is one newline behind another: quicker to see where all lines have some.
        if left is not None and NEWLINE * 2 not in left:
            return False
        return self._suspect.search(block) is not None

    def _look(self, text: bytes) -> int:
        """Look at each line that may be no record; return the number of those that are none."""
        blank = bare = end = 0
        run = self._run
        for match in self._none.finditer(text):
            if self._delimiter in match[1]:
                bare += 1
                continue
            blank += 1
            run = (run if match.start() == end else 0) + len(match[0])
            end = match.end()
            self.longest_blank = max(self.longest_blank, run)
        self._run = run if end == text.rfind(NEWLINE) + 1 else 0
        self.blank += blank
        self.bare += bare
        return blank + bare

    def _kind(self, begun: bytes) -> bytes:
        if begun.strip(self._empty + b"\r"):
            return _RECORD
        return self._delimiter if self._delimiter in begun else b""


def _outside(block: bytes, left: bytes | None, *, inside: bool, ends_inside: bool) -> bytes:
    """Return what of a block is outside quotes, with a quote for what is not."""
    if left is None:
        return QUOTE if inside else block
    outside = QUOTE.join(block.split(QUOTE)[inside::2])
    return QUOTE * inside + outside + QUOTE * ends_inside


def first_bare_line(file: BinaryIO, start: int, line: int, delimiter: bytes) -> int:
    """Return the line of the first row of nothing but delimiters, from byte `start` on, which is on `line`.

    For a file that has one; it is read line by line.
    """
    empty, inside = bytes(set(_BLANKS) - set(delimiter)) + delimiter + b"\r\n", False
    file.seek(start)
    for number, text in enumerate(iter(file.readline, b""), start=line):
        if not inside and delimiter in text and not text.strip(empty):
            return number
        inside ^= bool(text.count(QUOTE) & 1)
    return line


def without_blank_lines(file: BinaryIO, out: BinaryIO) -> Spans:
    """Write `file` to `out` without its blank lines; return the lines that are left out."""
    gaps, inside = Spans(), False
    file.seek(0)
    for number, line in enumerate(iter(file.readline, b""), start=1):
        if not inside and not line.strip(_BLANKS + b"\r\n"):
            gaps.add(number, number)
        else:
            out.write(line)
        inside ^= bool(line.count(QUOTE) & 1)
    return gaps
