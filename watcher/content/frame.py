"""Pure: which lines of a CSV file are records, where the route says so (`lines`): title lines above the
header, totals below the last record and comments are taken out.

A blank line stands in the place of each that is followed by a record, so that all others keep their numbers;
the last step before the file is sent leaves blank lines out.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import BinaryIO

from watcher.content.content import Scratch, blocks
from watcher.content.dialect import HEAD_BYTES, SEP_LINE, Quoting, cr_to_lf, dialect
from watcher.content.quoting import looked_through
from watcher.content.rows import lines_of
from watcher.content.split import mark_bytes
from watcher.core.errors import TooSlow, Unfit
from watcher.core.expressions import line_expression
from watcher.core.model import Route
from watcher.core.names import shown
from watcher.core.shape import Lines

_SHOWN_CHARS = 80  # of a line


@dataclass(slots=True)
class Frame:
    """What was taken out."""

    above: int = 0  # lines before the header that are not blank
    comments: int = 0
    below: int = 0  # from the footer on, blank ones too
    footer: str = ""  # the line that it begins with


def framed(text: BinaryIO, route: Route, lines: Lines, scratch: Scratch) -> tuple[BinaryIO, BinaryIO, Frame]:
    """Return `text` (UTF-8) as it came, but for lone CRs; the same without what is no record; what that was.

    Raises `Unfit` for what is no text, for a file without its header or its footer, and for a line longer
    than `route.max_record`.
    """
    _, lone_cr = looked_through(text, route, ())
    if lone_cr:
        changed = scratch()
        escape = (route.escape or "").encode()
        for block in cr_to_lf(blocks(text), quoted=route.quotes != "none", escape=escape):
            changed.write(block)
        text = changed
    out = scratch()
    taking = _Taking(route, lines, out)
    start = mark_bytes(text)
    with lines_of(text, start) as groups:
        for group in groups:
            taking.take(group)
    if taking.blank:
        return text, text, Frame()
    taking.finish()
    return text, out, taking.frame


class _Taking:
    """Takes out what is no record, group by group."""

    def __init__(self, route: Route, lines: Lines, out: BinaryIO) -> None:
        self.frame = Frame()
        self.blank = True
        self._route, self._lines, self._out = route, lines, out
        self._header = None if lines.header is None else line_expression(lines.header)
        self._footer = None if lines.footer is None else line_expression(lines.footer)
        self._comment = lines.comment or ""
        self._escaped = re.compile(re.escape(route.escape) + ".", re.DOTALL) if route.escape else None
        # Whether the line end may make a difference to it.
        self._by_end = any(each in (lines.footer or "") for each in ("$", "\\Z", "\\s", "(?", "[^"))
        self._inside = False  # of quotes
        self._number = 0  # of the last line
        self._first = ""
        self._head: list[str] = []  # lines of the header so far, where it has several records
        self._records = 0  # of it
        self._above = lines.header is not None or lines.header_lines > 1
        self._below = False

    def take(self, lines: list[str]) -> None:
        """Write what is left of these lines."""
        joined = "".join(lines)
        if self.blank and joined.strip():
            self.blank = False
            self._first = next(line for line in lines if line.strip()).strip()
        if self._below:
            self.frame.below += len(lines)
        elif self._above or self._is_special(lines):
            self._out.write("".join(map(self._left, lines)).encode())
        else:
            if self._route.is_shaped and "\r" in joined and '"' not in joined and not self._inside:
                joined = joined.replace("\r\n", "\n")  # as it will be written, and nobody need do so again
            self._turn(joined)
            self._out.write(joined.encode())
        self._number += len(lines)

    def finish(self) -> None:
        """Look whether all is there. Raises `Unfit`."""
        if self._inside:  # a quote that is never closed: whoever looks at the quotes tells of it
            self._out.write("".join(self._head).encode())
            return
        if self._above:
            raise self._no_header()
        if self._footer is not None and not self._below:
            raise footer_missing(self._number, self._lines.footer or "")

    def _is_comment(self, line: str) -> bool:
        return self._comment != "" and line.startswith(self._comment)

    def _may_quote(self, text: str) -> bool:
        return '"' in text and self._route.quotes != "none"

    def _is_special(self, lines: list[str]) -> bool:
        """Say whether one of the lines may be a comment or the footer."""
        if self._comment and any(line.startswith(self._comment) for line in lines):
            return True
        if self._footer is None:
            return False
        return self._footer.any_fullmatches(list(map(_bare, lines)) if self._by_end else lines)

    def _left(self, line: str) -> str:
        """Return what is left of the next line."""
        if self._below:
            self.frame.below += 1
            return ""
        if self._inside:
            self._turn(line)
            return line if not self._head else self._of_header(line)
        bare = _bare(line)
        if self._above and not self._head and SEP_LINE.fullmatch(line.encode()):
            return line
        if self._above:
            return self._before_records(line, bare)
        if self._footer is not None and self._footer.fullmatch(bare):
            self._below, self.frame.footer = True, line
            self.frame.below += 1
            return ""
        if self._is_comment(line):
            self.frame.comments += 1
            return "\n"
        self._turn(line)
        return line

    def _before_records(self, line: str, bare: str) -> str:
        is_comment = self._is_comment(line)
        if self._header is None or self._head:
            is_header = bool(bare.strip()) and not is_comment
        else:  # which may begin as comments do
            is_header = self._header.fullmatch(bare) is not None
        if not is_header:
            self.frame.comments += is_comment
            self.frame.above += not is_comment and bool(bare.strip())
            return "\n"
        self._turn(line)
        return self._of_header(line)

    def _of_header(self, line: str) -> str:
        """Take a line of the header; where it has several records, one is written in the end."""
        self._head.append(line)
        if self._inside:
            return ""
        self._records += 1
        if self._records < self._lines.header_lines:
            return ""
        head, self._head, self._above = self._head, [], False
        if self._records == 1:
            return "".join(head)
        return "\n" * (len(head) - 1) + self._one_header(head)

    def _one_header(self, head: list[str]) -> str:
        """Return one header for several: what they say of a column, joined by blanks."""
        written = Quoting(self._route.quotes != "none", self._route.escape)
        how = dialect("".join(head).encode()[:HEAD_BYTES], self._route, written=written)
        rows = list(written.reader(head, how.delimiter))
        width = max(map(len, rows))
        padded = [[*row, *[""] * (width - len(row))] for row in rows]
        names = [" ".join(filter(None, map(str.strip, column))) for column in zip(*padded, strict=True)]
        if not written.quotes:
            return how.delimiter.join(names) + "\n"
        made = io.StringIO(newline="")
        csv.writer(
            made, delimiter=how.delimiter, lineterminator="\n", escapechar=written.escape,
            doublequote=written.escape is None,
        ).writerow([name.replace("\n", " ") for name in names])  # fmt: skip
        return made.getvalue()

    def _turn(self, line: str) -> None:
        if self._may_quote(line):
            text = self._escaped.sub("", line) if self._escaped is not None else line
            self._inside ^= bool(text.count('"') & 1)

    def _no_header(self) -> Unfit:
        pattern = self._lines.header
        if pattern is None or self._head:
            return Unfit(
                f"the file ends within its header of {self._lines.header_lines} records",
                what_to_do="export it again, or correct `lines.header_lines` of the route",
            )
        short = self._first[:_SHOWN_CHARS] + "…" * (len(self._first) > _SHOWN_CHARS)
        return Unfit(
            f"there is no header: no line matches {shown(pattern)}; the file begins with: {shown(short)}",
            what_to_do="correct `lines.header` of the route, or export the file again",
        )


def has_footer(text: str, footer: str) -> bool:
    """Say whether a line of `text`, the end of a file, is the footer, or there is no telling in good time."""
    try:
        return line_expression(footer).any_fullmatches(text.splitlines())
    except TooSlow:  # whoever inspects the file says so
        return True


def footer_missing(line: int, footer: str) -> Unfit:
    """Return the verdict on a file that ends, on `line`, without the line that every whole one ends with."""
    return Unfit(
        f"the file ends on line {line} without the line that ends each export: none matches {shown(footer)};"
        " it was not written to its end",
        what_to_do="export or copy it again; correct `lines.footer` of the route, or remove it, if no export"
        " has such a line",
        line=line,
    )


def _bare(line: str) -> str:
    return line.rstrip("\r\n")
