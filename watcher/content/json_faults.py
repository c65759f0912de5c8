"""Pure: why a text is not JSON that can be sent, in words for people, and the line that it is on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from watcher.core.errors import Unfit

_AGAIN = "export the file again, or mend it there"
# What the json module says, by its beginning, and what is meant by it.
_WORDS = (
    ("Expecting value", "there is no value where one must be"),
    ("Expecting property name", "there is no name in double quotes where one must be"),
    ("Illegal trailing comma", "there is a comma with nothing behind it"),
    ("Expecting ':'", "there is no colon where one must be"),
    ("Expecting ','", "there is no comma and no end where one must be"),
    ("Extra data", "something follows the end of the document"),
    ("Unterminated string", "the string that begins here is never closed"),
    ("Invalid control character", "there is a control character in a string, which must be escaped"),
    ("Invalid \\", "there is a backslash with what JSON has no escape for"),
)
_STRING = r'"(?:[^"\\]|\\.)*"?'
_CONSTANT = re.compile(_STRING + r"|(NaN|-?Infinity)", re.DOTALL)
_BRACKET = re.compile(_STRING + r"|([\[{])|([\]}])", re.DOTALL)
_DIGITS = 4_300  # of a whole number, that Python reads
_HUGE = re.compile(_STRING + rf"|([0-9]{{{_DIGITS + 1},}})", re.DOTALL)
_DEEP = 500  # levels; what is more than that comes before the parser's own limit
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a text, and where."""

    at: int  # characters from its beginning
    words: str
    what_to_do: str = _AGAIN
    sound: bool = False  # it is JSON, and cannot be read all the same


class NoNumber(ValueError):
    """NaN or Infinity, which are not JSON (RFC 8259, section 6)."""


def found_at(text: str, at: int, words: str) -> Fault:
    """Return the fault of what stands at a place in `text` where something else must be."""
    if text[at : at + 1] == "\ufeff":
        words = "there is a byte order mark (U+FEFF) in the middle of the file, as `copy a+b` leaves it"
    return Fault(at, words)


def fault_of(error: Exception, text: str, begin: int = 0) -> Fault:
    """Return what is wrong with the document that begins at `begin` in `text`, which raised `error`."""
    if isinstance(error, json.JSONDecodeError):
        if error.msg == "Expecting value" and not text[:begin].strip(_BLANKS):
            return found_at(text, error.pos, _at_the_beginning(text, error.pos))
        words = next((words for begins, words in _WORDS if error.msg.startswith(begins)), "it cannot be read")
        at = error.pos
        if error.msg.startswith("Illegal trailing comma"):  # Python 3.13 names the comma, others what follows
            rest = text[at + 1 :]
            at = len(text) - len(rest.lstrip(_BLANKS))
        return found_at(text, at, words)
    if isinstance(error, NoNumber):
        found = next((match for match in _CONSTANT.finditer(text, begin) if match[1]), None)
        word = str(error)
        return Fault(
            found.start() if found else begin,
            f"{word} is no JSON number",
            f"export the file again without {word}",
        )
    if isinstance(error, RecursionError):
        return Fault(_too_deep(text, begin), "it is nested too deeply", "export the file again", sound=True)
    found = next((match for match in _HUGE.finditer(text, begin) if match[1]), None)
    words = f"there is a whole number of more than {_DIGITS:,} digits"
    return Fault(found.start() if found else begin, words, sound=True)


def not_json(fault: Fault, line: int, column: int) -> Unfit:
    """Return the refusal for a fault on a line and in a column."""
    readable = " that can be read" if fault.sound else ""
    return Unfit(
        f"line {line}, column {column}: not JSON{readable}: {fault.words}",
        what_to_do=fault.what_to_do,
        line=line,
    )


def _at_the_beginning(text: str, at: int) -> str:
    """Say why a file is no JSON whose very first value is none."""
    first = text[at : at + 1]
    if text[:at].strip(_BLANKS) or not first:
        return "there is no value where one must be"
    if first == "'":
        return "there are single quotes where double ones must be"
    line = text[at:].partition("\n")[0]
    if any(each in line for each in ",;\t"):
        return "it looks like CSV"
    return "it begins with what is no value of JSON"


def _too_deep(text: str, begin: int) -> int:
    depth = 0
    for match in _BRACKET.finditer(text, begin):
        depth += bool(match[1]) - bool(match[2])
        if depth > _DEEP:
            return match.start()
    return begin
