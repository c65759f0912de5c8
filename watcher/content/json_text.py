"""Pure: JSON that is checked, and large arrays to their elements, without changing a number or a string.

The elements of an array (or the lines of a `.jsonl` file) are written one a line: valid JSON has line breaks
between its tokens only. What is parsed is thrown away; what is sent is the text as it was.
"""

from __future__ import annotations

import codecs
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, NoReturn

from watcher.content.content import Content, Scratch, blocks, digest
from watcher.content.encoding import TextCheck
from watcher.content.json_schema import Problems
from watcher.content.split import BOM, Opening, opening
from watcher.core.errors import Unfit
from watcher.core.model import Route

_AGAIN = "export the file again, or mend it there"
_BLANKS = " \t\r\n"
_BLANK = re.compile(f"[{_BLANKS}]*")
_BREAKS = re.compile(r"[\r\n]+")
READ_BYTES = 1 << 18
_LONGEST_TOKEN = 16  # characters: more than -Infinity, \\uD83D, or what may follow the 1 of 1e+5


def parse(text: str, *, line: int = 1) -> Any:
    """Parse a document that begins on `line`. Raises `Unfit` with line and column."""
    with_line = line - 1
    try:
        return _decoder().decode(text)
    except json.JSONDecodeError as error:
        where = error.lineno + with_line
        raise Unfit(
            f"line {where}, column {error.colno}: not JSON: {error.msg}", what_to_do=_AGAIN, line=where
        ) from error
    except RecursionError as error:
        raise _too_deep(line) from error
    except ValueError as error:
        raise _too_many_digits(None) from error


def document_content(text: BinaryIO, route: Route) -> Content:
    """Check a JSON document that goes out as a whole, as it is. Raises `Unfit`."""
    text.seek(0)
    data = text.read(route.max_json + 1)
    if len(data) > route.max_json:
        raise _too_large(route.max_json)
    check = TextCheck(text)
    check.feed(data, final=True)
    sha256 = hashlib.sha256(data).hexdigest()
    content = Content(text, opening(text, route), len(data), sha256, cuttable=False)
    words = data.decode("utf-8-sig")
    if not words.strip(_BLANKS):
        return replace(content, empty=True)
    try:
        value = parse(words)
    except Unfit as error:
        raise _json_lines_fault(data) or error from error
    problems = Problems(route.schema)
    problems.check(value)
    problems.refuse()
    return replace(content, records=len(value) if isinstance(value, list) else 1)


def array_content(text: BinaryIO, route: Route, *, scratch: Scratch, lines: bool) -> Content:
    """Check an array (with `lines`: JSON Lines) and write its elements one a line, to be sent as arrays.

    Raises `Unfit`.
    """
    check, blank = TextCheck(text), True
    for block in blocks(text):
        check.feed(block)
        blank = blank and not block.removeprefix(BOM).strip(_BLANKS.encode())
    check.feed(b"", final=True)
    out, records, size, problems = scratch(), 0, 1, Problems(route.schema)
    whole: list[Any] = []  # for the schema, where all goes out in one request
    found = (json_lines if lines else elements)(text, route.max_record)
    for line, words, value in found if not blank else ():
        element = _BREAKS.sub(" ", words).encode() + b"\n"
        size += len(element)
        if len(element) > route.max_record + 1:
            raise _too_long(line, route.max_record)
        if route.split is not None:
            problems.check([value], index=records, line=line)
        elif size > route.max_json:
            raise _too_large(route.max_json)
        else:
            whole.append(value)
        out.write(element)
        records += 1
    if route.split is None and records:
        problems.check(whole)
    problems.refuse()
    sha256, size = digest(out)
    begin, cuttable = Opening(array=True), route.split is not None
    return Content(out, begin, size, sha256, cuttable=cuttable, empty=not records, records=records)


def elements(file: BinaryIO, max_record: int) -> Iterator[tuple[int, str, Any]]:
    """Yield the elements of the array in `file` (UTF-8): the line it begins on, its text, its value.

    Memory is bounded by `max_record` bytes, the most that one element may have. Raises `Unfit`.
    """
    scan = _Scan(file, max_record)
    if scan.next_token() != "[":
        file.seek(0)
        raise _json_lines_fault(file.read(READ_BYTES)) or Unfit(
            f"line {scan.line}: it holds no array at the top, which `split` needs",
            what_to_do="remove `split` from the route, or export an array",
            line=scan.line,
        )
    scan.at += 1
    if scan.next_token() == "]":
        scan.at += 1
    else:
        while True:
            scan.next_token()
            line = scan.line
            text, value = scan.value()
            yield line, text, value
            token = scan.next_token()
            if token not in (",", "]") or not token:
                scan.refuse("Expecting ',' delimiter")
            scan.at += 1
            if token == "]":
                break
    if scan.next_token():
        scan.refuse("Extra data")


def _json_lines_fault(head: bytes) -> Unfit | None:
    """Return what is said of JSON Lines that have another name, if a file begins with `head` as they do."""
    lines = [line for line in head.removeprefix(BOM).split(b"\n", 3)[:-1] if line.strip()]
    try:
        documents = [json.loads(line) for line in lines[:2]]
    except (ValueError, RecursionError):
        return None
    if len(documents) < 2 or not all(isinstance(each, dict | list) for each in documents):
        return None
    return Unfit(
        "line 2: it is JSON Lines, with a document of its own on each line, and its name does not say so",
        what_to_do="give it the ending .jsonl, under a name that the route matches, and drop it again",
        line=2,
    )


def json_lines(file: BinaryIO, max_record: int) -> Iterator[tuple[int, str, Any]]:
    """Yield the values of a JSON Lines file (jsonlines.org), blank lines left out, like `elements`."""
    file.seek(0)
    for number, line in enumerate(iter(lambda: file.readline(max_record + 1), b""), start=1):
        if len(line) > max_record:
            raise _too_long(number, max_record)
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(_BLANKS)
        if text:
            yield number, text, parse(text, line=number)


class _Scan:
    """The text of a file, of which a window is in memory."""

    def __init__(self, file: BinaryIO, max_record: int) -> None:
        file.seek(0)
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._max_record = max_record
        self._text = ""
        self._ended = False
        self._counted = 0  # the place up to which line breaks were counted
        self._breaks = 0  # before it
        self._indent = 0  # characters of the first line of the window that stand before it
        self.at = 0

    @property
    def line(self) -> int:
        """The line of the current place, from 1. The place only ever goes on, and so does the count."""
        self._breaks += self._text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._breaks + 1

    def next_token(self) -> str:
        """Go past blanks; return the character there, "" at the end."""
        while True:
            blank = _BLANK.match(self._text, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self._text):
                return self._text[self.at]
            if self._ended:
                return ""
            self._more(READ_BYTES)

    def value(self) -> tuple[str, Any]:
        """Return the text and the value that begin here, and go behind them."""
        step = READ_BYTES
        while True:
            try:
                value, end = _decoder().raw_decode(self._text, self.at)
            except json.JSONDecodeError as error:
                # What is cut off by the window ends near its end, or is a string that goes on behind it.
                near = error.pos > len(self._text) - _LONGEST_TOKEN or error.msg.startswith("Unterminated")
                if self._ended or not near:
                    self.refuse(error.msg, error.pos)
            except RecursionError as error:
                raise _too_deep(self.line) from error
            except ValueError as error:
                raise _too_many_digits(self.line) from error
            else:
                if end + _LONGEST_TOKEN < len(self._text) or self._ended:  # a number may go on: 1 of 1.5
                    text, self.at = self._text[self.at : end], end
                    return text, value
            if len(self._text) - self.at > self._max_record + _LONGEST_TOKEN:
                raise _too_long(self.line, self._max_record)
            self._more(step)
            step *= 2  # so that a large element is not parsed over and over

    def refuse(self, words: str, at: int | None = None) -> NoReturn:
        """Raise `Unfit` for the current place, or one behind it."""
        self.at = self.at if at is None else at
        begin = self._text.rfind("\n", 0, self.at) + 1
        column = self.at - begin + 1 + (0 if begin else self._indent)
        raise Unfit(
            f"line {self.line}, column {column}: not JSON: {words}", what_to_do=_AGAIN, line=self.line
        )

    def _more(self, count: int) -> None:
        self._breaks = self.line - 1
        begin = self._text.rfind("\n", 0, self.at) + 1
        self._indent = self.at - begin + (0 if begin else self._indent)
        block = self._file.read(count)
        self._ended = len(block) < count
        self._text = self._text[self.at :] + self._decode(block, self._ended)
        self.at = self._counted = 0


@functools.cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_refuse_constant)


def _refuse_constant(word: str) -> NoReturn:
    # NaN and Infinity are not JSON (RFC 8259, section 6).
    raise Unfit(f"not JSON: {word} is no JSON number", what_to_do=f"export the file again without {word}")


def _too_many_digits(line: int | None) -> Unfit:
    return Unfit(
        "not JSON that can be read: a whole number of thousands of digits", what_to_do=_AGAIN, line=line
    )


def _too_large(max_json: int) -> Unfit:
    return Unfit(
        f"the document is larger than {max_json:,} bytes",
        what_to_do="export it in smaller parts, or raise upload.max_json; `split` sends an array in parts",
    )


def _too_deep(line: int) -> Unfit:
    return Unfit("the JSON is nested too deeply to be read", what_to_do="export the file again", line=line)


def _too_long(line: int, max_record: int) -> Unfit:
    return Unfit(
        f"the element that begins on line {line} is longer than {max_record:,} bytes",
        what_to_do="raise upload.max_record",
        line=line,
    )
