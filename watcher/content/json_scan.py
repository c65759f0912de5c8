"""Pure: the values of a JSON file one after the other, as they are written; a window of it is in memory."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from watcher.content.json_faults import Fault, NoNumber, fault_of, found_at, not_json
from watcher.core.errors import Unfit

_BLANK = re.compile("[ \t\r\n]*")
READ_BYTES = 1 << 18
_LONGEST_TOKEN = 16  # characters: more than -Infinity, \\uD83D, or what may follow the 1 of 1e+5

Element = tuple[int, str, Any]  # the line that it begins on, its text, its value


class Scan:
    """The text of a file, of which a window is in memory."""

    def __init__(self, file: BinaryIO, max_record: int, *, keep: bool = True) -> None:
        file.seek(0)
        self._decoder = decoder(keep)
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
                raise too_long(self.line, self._max_record)
            self._more(step)
            step *= 2  # so that a large element is not parsed over and over

    def items(self) -> Iterator[Element]:
        """Yield the elements of the array that begins here, and go behind it. Raises `Unfit`."""
        self.at += 1
        if self.next_token() == "]":
            self.at += 1
            return
        while True:
            self.next_token()
            line = self.line
            text, value = self.value()
            yield line, text, value
            if self.separator("]"):
                return

    def separator(self, closing: str) -> bool:
        """Go behind the comma that must stand here; True: it is the end of the array or object instead."""
        token = self.next_token()
        if not token or token not in (",", closing):
            self.expected("there is no comma and no end where one must be")
        self.at += 1
        return token == closing

    def end(self) -> None:
        """Raise `Unfit` if something follows."""
        if self.next_token():
            self.expected("something follows the end of the document")

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
def decoder(keep: bool) -> json.JSONDecoder:
    """Return a decoder; not `keep`: its values are nothing."""
    if keep:
        return json.JSONDecoder(parse_constant=_refuse_constant)
    # Objects and numbers are dropped as soon as they are read: they take thirty times their text.
    return json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_nothing)


def _nothing(_: object) -> None:
    return None


def _refuse_constant(word: str) -> NoReturn:
    raise NoNumber(word)


def too_long(line: int, max_record: int) -> Unfit:
    """Return the refusal of a file for an element."""
    return Unfit(
        f"the element that begins on line {line} is longer than {max_record:,} bytes",
        what_to_do="raise upload.max_record",
        line=line,
    )
