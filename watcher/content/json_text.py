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
from watcher.content.json_faults import Fault, NoNumber, fault_of, found_at, not_json
from watcher.content.json_schema import Problems
from watcher.content.split import BOM, Opening, opening
from watcher.core.errors import Unfit
from watcher.core.model import Route

_BLANKS = " \t\r\n"
_BLANK = re.compile(f"[{_BLANKS}]*")
_BREAKS = re.compile(r"[\r\n]+")
READ_BYTES = 1 << 18
_LONGEST_TOKEN = 16  # characters: more than -Infinity, \\uD83D, or what may follow the 1 of 1e+5


def parse(text: str, *, line: int = 1, keep: bool = True) -> Any:
    """Parse a document that begins on `line`; not `keep`: only to see that it is one, in little memory.

    Raises `Unfit` with line and column.
    """
    try:
        return _decoder(keep).decode(text)
    except (ValueError, RecursionError) as error:
        fault = fault_of(error, text)
        where = line + text.count("\n", 0, fault.at)
        raise not_json(fault, where, fault.at - text.rfind("\n", 0, fault.at)) from error


def document_content(text: BinaryIO, route: Route) -> Content:
    """Check a JSON document that goes out as a whole, as it is. Raises `Unfit`."""
    sha256, size, check, blank = hashlib.sha256(), 0, TextCheck(text), True
    for block in blocks(text, READ_BYTES):
        size += len(block)
        if size > route.max_json:
            raise _too_large(route.max_json)
        check.feed(block)
        sha256.update(block)
        blank = blank and not block.removeprefix(BOM).strip(_BLANKS.encode())
    check.feed(b"", final=True)
    content = Content(text, opening(text, route), size, sha256.hexdigest(), cuttable=False, empty=blank)
    if blank:
        return content
    problems = Problems(route.schema)
    try:
        records = _checked(text, route, problems)
    except Unfit as error:
        raise _json_lines_fault(text) or error from error
    problems.refuse()
    return replace(content, records=records)


def _checked(text: BinaryIO, route: Route, problems: Problems) -> int:
    """Check a document against the schema, if there is one, and return the number of its elements, or 1."""
    if problems.by_element and _Scan(text, route.max_json).next_token() == "[":
        records = 0
        for line, _, value in elements(text, route.max_json, keep=problems.wanted):
            problems.check([value], index=records, line=line)
            records += 1
        return records
    text.seek(0)
    value = parse(text.read().decode("utf-8-sig"), keep=problems.wanted)
    problems.check(value)
    return len(value) if isinstance(value, list) else 1


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
    whole: list[Any] = []  # for a schema about all of it, where all goes out in one request
    one_by_one = route.split is not None or problems.by_element
    found = (json_lines if lines else elements)(text, route.max_record, keep=problems.wanted)
    for line, words, value in found if not blank else ():
        element = _BREAKS.sub(" ", words).encode() + b"\n"
        size += len(element)
        if len(element) > route.max_record + 1:
            raise _too_long(line, route.max_record)
        if route.split is None and size > route.max_json:
            raise _too_large(route.max_json)
        if one_by_one:
            problems.check([value], index=records, line=line)
        else:
            whole.append(value)
        out.write(element)
        records += 1
    if whole:
        problems.check(whole)
    problems.refuse()
    sha256, size = digest(out)
    begin, cuttable = Opening(array=True), route.split is not None
    return Content(out, begin, size, sha256, cuttable=cuttable, empty=not records, records=records)


def elements(file: BinaryIO, max_record: int, *, keep: bool = True) -> Iterator[tuple[int, str, Any]]:
    """Yield the elements of the array in `file` (UTF-8): the line it begins on, its text, its value.

    Not `keep`: the value is nothing. Memory is bounded by `max_record` bytes, the most that one element may
    have. Raises `Unfit`.
    """
    scan = _Scan(file, max_record, keep=keep)
    if scan.next_token() != "[":
        raise _json_lines_fault(file) or Unfit(
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
                scan.expected("there is no comma and no end where one must be")
            scan.at += 1
            if token == "]":
                break
    if scan.next_token():
        scan.expected("something follows the end of the document")


def _json_lines_fault(file: BinaryIO) -> Unfit | None:
    """Return what is said of JSON Lines that have another name, if `file` begins as they do."""
    file.seek(0)
    head = file.read(READ_BYTES)
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


def json_lines(file: BinaryIO, max_record: int, *, keep: bool = True) -> Iterator[tuple[int, str, Any]]:
    """Yield the values of a JSON Lines file (jsonlines.org), blank lines left out, like `elements`."""
    file.seek(0)
    for number, line in enumerate(iter(lambda: file.readline(max_record + 1), b""), start=1):
        if len(line) > max_record:
            raise _too_long(number, max_record)
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(_BLANKS)
        if text:
            yield number, text, parse(text, line=number, keep=keep)


class _Scan:
    """The text of a file, of which a window is in memory."""

    def __init__(self, file: BinaryIO, max_record: int, *, keep: bool = True) -> None:
        file.seek(0)
        self._decoder = _decoder(keep)
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
                value, end = self._decoder.raw_decode(self._text, self.at)
            except json.JSONDecodeError as error:
                # What is cut off by the window ends near its end, or is a string that goes on behind it.
                near = error.pos > len(self._text) - _LONGEST_TOKEN or error.msg.startswith("Unterminated")
                if self._ended or not near:
                    self.refuse(fault_of(error, self._text, self.at))
            except (ValueError, RecursionError) as error:
                self.refuse(fault_of(error, self._text, self.at))
            else:
                if end + _LONGEST_TOKEN < len(self._text) or self._ended:  # a number may go on: 1 of 1.5
                    text, self.at = self._text[self.at : end], end
                    return text, value
            if len(self._text) - self.at > self._max_record + _LONGEST_TOKEN:
                raise _too_long(self.line, self._max_record)
            self._more(step)
            step *= 2  # so that a large element is not parsed over and over

    def expected(self, words: str) -> NoReturn:
        """Raise `Unfit` for what stands at the current place, where something else must be."""
        self.refuse(found_at(self._text, self.at, words))

    def refuse(self, fault: Fault) -> NoReturn:
        """Raise `Unfit` for a fault at the current place, or behind it."""
        self.at = fault.at
        begin = self._text.rfind("\n", 0, self.at) + 1
        raise not_json(fault, self.line, self.at - begin + 1 + (0 if begin else self._indent))

    def _more(self, count: int) -> None:
        self._breaks = self.line - 1
        begin = self._text.rfind("\n", 0, self.at) + 1
        self._indent = self.at - begin + (0 if begin else self._indent)
        block = self._file.read(count)
        self._ended = len(block) < count
        self._text = self._text[self.at :] + self._decode(block, self._ended)
        self.at = self._counted = 0


@functools.cache
def _decoder(keep: bool) -> json.JSONDecoder:
    if keep:
        return json.JSONDecoder(parse_constant=_refuse_constant)
    # Objects and numbers are dropped as soon as they are read: they take thirty times their text.
    return json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_nothing)


def _nothing(_: object) -> None:
    return None


def _refuse_constant(word: str) -> NoReturn:
    raise NoNumber(word)


def _too_large(max_json: int) -> Unfit:
    return Unfit(
        f"the document is larger than {max_json:,} bytes",
        what_to_do="export it in smaller parts, or raise upload.max_json; `split` sends an array in parts",
    )


def _too_long(line: int, max_record: int) -> Unfit:
    return Unfit(
        f"the element that begins on line {line} is longer than {max_record:,} bytes",
        what_to_do="raise upload.max_record",
        line=line,
    )
