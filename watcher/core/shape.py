"""Pure: what a route says of exports that are not in the API's shape, as data.

Where none of this is set, a file goes out byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines of a CSV file are records; the patterns are regular expressions, searched in each line."""

    header: str | None = None  # the header begins on the first line that it matches: above are titles
    footer: str | None = None  # from the first line that it matches on nothing is a record
    comment: str | None = None  # lines that begin so are none
    header_lines: int = 1  # records that the header consists of


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the fields of a column come from, and what is made of them."""

    sources: tuple[str | int, ...] = ()  # columns by name, or by number from 1; (): by its own name or place
    value: str | None = None  # the same for all records, and from no column
    mapped: tuple[tuple[str, str], ...] = ()  # values and what they become; "*": all others
    times: tuple[str, ...] = ()  # formats of strptime, epoch, epoch_ms or excel, tried in this order
    timezone: str | None = None  # of times that do not tell it
    ambiguous: Literal["earlier", "later"] | None = None  # local times that are two, or none
    durations: tuple[str, ...] = ()  # H:MM:SS, MM:SS: to seconds
    decimal: str | None = None  # the decimal mark of numbers: to a point
    default: str | None = None  # for empty fields
    optional: bool = False  # the column, or the end of a record, may be missing


PLAIN = Shape()
OTHERS = "*"  # in `mapped`: the values that it does not name; on the right: each as it is
