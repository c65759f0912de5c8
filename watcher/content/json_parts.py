"""Pure: JSON whose elements are no array at the top: an array within an object, or documents one behind the
other, as Amazon's Firehose writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from watcher.content.json_scan import Element, Scan
from watcher.core.errors import Unfit
from watcher.core.names import shown


def documents(file: BinaryIO, max_record: int, *, keep: bool = True) -> Iterator[Element]:
    """Yield the documents in `file`, with or without blanks and line ends between them. Raises `Unfit`.

    Not `keep`: the value of each is nothing.
    """
    scan = Scan(file, max_record, keep=keep)
    while scan.next_token():
        line = scan.line
        text, value = scan.value()
        yield line, text, value


def elements_within(
    file: BinaryIO, path: str, max_record: int, skipped: list[str], *, keep: bool = True
) -> Iterator[Element]:
    """Yield the elements of the array at `path` (names with a point between them) in the object in `file`.

    The other names are added to `skipped`. Raises `Unfit`.
    """
    scan = Scan(file, max_record, keep=keep)
    yield from _within(scan, path, path.split("."), skipped)
    scan.end()


def _within(scan: Scan, path: str, names: list[str], skipped: list[str]) -> Iterator[Element]:
    """Yield the elements of the array at `names` in the object that begins here, and go behind that."""
    above = path.split(".")[: -len(names)]
    if scan.next_token() != "{":
        raise _no_array(scan.line, path, f"{'.'.join(above) or 'it'} is no object")
    scan.at += 1
    there: list[str] = []
    found = False
    closed = scan.next_token() == "}"
    scan.at += closed
    while not closed:
        name = _name(scan)
        if name != names[0]:
            skipped.append(".".join((*above, name)))
            scan.next_token()
            scan.value()
        elif found:
            raise _no_array(scan.line, path, f"{shown(name)} is there twice")
        elif names[1:]:
            found = True
            yield from _within(scan, path, names[1:], skipped)
        elif scan.next_token() != "[":
            raise _no_array(scan.line, path, f"{shown(name)} is no array")
        else:
            found = True
            yield from scan.items()
        there.append(name)
        closed = scan.separator("}")
    if not found:
        raise _no_array(scan.line, path, f"it has {', '.join(map(shown, there)) or 'nothing'}")


def _name(scan: Scan) -> str:
    """Return the name that must stand here, and go behind its colon."""
    if scan.next_token() != '"':
        scan.expected("there is no name in double quotes where one must be")
    name = str(json.loads(scan.value()[0]))
    if scan.next_token() != ":":
        scan.expected("there is no colon behind a name")
    scan.at += 1
    return name


def _no_array(line: int, path: str, why: str) -> Unfit:
    return Unfit(
        f"line {line}: there is no array {shown(path)}, which `split_at` needs: {why}",
        what_to_do="correct `split_at` of the route, or export the file again",
        line=line,
    )
