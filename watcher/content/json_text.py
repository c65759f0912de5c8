"""Pure: JSON that is checked, and large arrays to their elements, without changing a number or a string.

The elements of an array (or the lines of a `.jsonl` file) are written one a line: valid JSON has line breaks
between its tokens only. What is parsed is thrown away; what is sent is the text as it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from watcher.content.changes import Changes
from watcher.content.content import Content, Scratch, blocks, digest
from watcher.content.encoding import TextCheck
from watcher.content.json_faults import fault_of, not_json
from watcher.content.json_parts import documents, elements_within
from watcher.content.json_scan import READ_BYTES, Element, Scan, decoder, too_long
from watcher.content.json_schema import Problems
from watcher.content.split import BOM, Opening, opening
from watcher.core.errors import Unfit
from watcher.core.model import Route

JSON_LINES = (".jsonl", ".ndjson")  # the endings of names
_BLANKS = " \t\r\n"
_BREAKS = re.compile(r"[\r\n]+")


def parse(text: str, *, line: int = 1, keep: bool = True) -> Any:
    """Parse a document that begins on `line`; not `keep`: only to see that it is one, in little memory.

    Raises `Unfit` with line and column.
    """
    try:
        return decoder(keep).decode(text)
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
    if problems.by_element and Scan(text, route.max_json).next_token() == "[":
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
    """Check an array (with `lines`: JSON Lines) and write its elements one a line, to be sent as arrays. The
    route can say that it is within an object, or that documents stand one behind the other.

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
    skipped: list[str] = []
    if route.split_at is not None:
        found = elements_within(text, route.split_at, route.max_record, skipped, keep=problems.wanted)
    else:
        read = documents if route.documents else json_lines if lines else elements
        found = read(text, route.max_record, keep=problems.wanted)
    for line, words, value in found if not blank else ():
        element = _BREAKS.sub(" ", words).encode() + b"\n"
        size += len(element)
        if len(element) > route.max_record + 1:
            raise too_long(line, route.max_record)
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
    changes = Changes(keys=tuple(skipped))
    return Content(
        out, begin, size, sha256, cuttable=cuttable, empty=not records, records=records, changes=changes
    )


def elements(file: BinaryIO, max_record: int, *, keep: bool = True) -> Iterator[Element]:
    """Yield the elements of the array in `file` (UTF-8): the line it begins on, its text, its value.

    Not `keep`: the value is nothing. Memory is bounded by `max_record` bytes, the most that one element may
    have. Raises `Unfit`.
    """
    scan = Scan(file, max_record, keep=keep)
    if scan.next_token() != "[":
        raise _json_lines_fault(file) or Unfit(
            f"line {scan.line}: it holds no array at the top, which `split` needs",
            what_to_do="remove `split` from the route, or export an array",
            line=scan.line,
        )
    yield from scan.items()
    scan.end()


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
        what_to_do="set `format: jsonl` for the route; or give it the ending .jsonl, under a name that the"
        " route matches, and drop it again",
        line=2,
    )


def json_lines(file: BinaryIO, max_record: int, *, keep: bool = True) -> Iterator[Element]:
    """Yield the values of a JSON Lines file (jsonlines.org), blank lines left out, like `elements`."""
    file.seek(0)
    for number, line in enumerate(iter(lambda: file.readline(max_record + 1), b""), start=1):
        if len(line) > max_record:
            raise too_long(number, max_record)
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(_BLANKS)
        if text:
            yield number, text, parse(text, line=number, keep=keep)


def _too_large(max_json: int) -> Unfit:
    return Unfit(
        f"the document is larger than {max_json:,} bytes",
        what_to_do="export it in smaller parts, or raise upload.max_json; `split` sends an array in parts",
    )
