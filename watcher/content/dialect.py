"""Pure: how a CSV file is written: Excel's `sep=` line, the delimiter, old Mac line ends.

It looks at the beginning of the file, as UTF-8, and raises `Unfit` where that leaves a doubt.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal

from watcher.content.records import QUOTE, last_boundary
from watcher.core.errors import Unfit
from watcher.core.model import Route

HEAD_BYTES = 1 << 16
JUDGED_RECORDS = 100
DELIMITERS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}

_LONE_CR = re.compile(rb"\r(?!\n)")
# Excel writes and reads it: the first line names the delimiter.
SEP_LINE = re.compile(rb'"?sep=([^\r\n"])"?(\r\n|\n|\r|\Z)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quoting:
    """How fields are quoted: by default as RFC 4180 has it."""

    quotes: bool = True  # fields may be in quotes; else a quote is text like any other
    escape: str | None = None  # the character that takes the meaning from the one behind it

    def reader(self, lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Any:
        """Return a reader of the records in `lines`; `strict`: it raises `csv.Error` for misplaced quotes."""
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=delimiter, quoting=quoting, escapechar=self.escape, strict=strict)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the records of a file are written."""

    delimiter: str
    skip: int = 0  # bytes of a `sep=` line at the beginning

    @property
    def words(self) -> str:
        """For people."""
        named = DELIMITERS.get(self.delimiter, repr(self.delimiter))
        return f"fields separated by {named}" + (", as its sep= line says" if self.skip else "")


def dialect(head: bytes, route: Route, *, written: Quoting | None = None) -> Dialect:
    """Return the dialect of a file that begins with `head` (UTF-8, no byte order mark, up to `HEAD_BYTES`).

    `written` says how its fields are quoted, where that is not as RFC 4180 has it. Raises `Unfit` where the
    delimiter has to be judged and several would do, or none.
    """
    if found := SEP_LINE.match(head):
        return Dialect(found[1].decode("utf-8", "replace"), found.end())
    if route.delimiter != "auto":
        return Dialect(route.delimiter)
    return Dialect(_judged(head, len(route.columns), written or Quoting()))


def is_old_mac(head: str, escape: str | None = None) -> bool:
    """Say whether lines end with a lone CR, as on Mac OS before X, and none with LF."""
    if escape is not None:
        head = re.sub(re.escape(escape) + r"[\s\S]", "", head)
    outside = "".join(head.split('"')[::2])
    return "\n" not in outside and "\r" in outside[:-1]


def cr_to_lf(blocks: Iterable[bytes], *, quoted: bool = True, escape: bytes = b"") -> Iterator[bytes]:
    """Yield the blocks with every CR outside quotes that no LF follows turned into LF.

    Not `quoted`: quotes are text like any other. `escape` makes text of the quote, or the CR, behind it.
    """
    inside, held = False, b""
    pair = re.compile(re.escape(escape) + rb"[\s\S]") if escape else None
    unfinished = (b"\r", escape) if escape else (b"\r",)
    for block in chain(blocks, [b""]):
        data = held + block
        plain = data if pair is None else pair.sub(b"xx", data)  # as long, and what is escaped is text
        # A CR at the end of a block is held back, and half a pair: the next block says what it is.
        held = plain[-1:] if block and plain.endswith(unfinished) else b""
        end = len(data) - len(held)
        parts = plain[:end].split(QUOTE) if quoted else [plain[:end]]
        for index in range(inside, len(parts), 2):
            if b"\r" in parts[index]:
                parts[index] = _LONE_CR.sub(b"\n", parts[index])
        inside ^= not len(parts) & 1
        turned = QUOTE.join(parts)
        yield turned if pair is None or escape not in data else _with_pairs(turned, data[:end], pair)


def _with_pairs(turned: bytes, data: bytes, pair: re.Pattern[bytes]) -> bytes:
    found = bytearray(turned)
    for each in pair.finditer(data):
        found[each.start() : each.end()] = each[0]
    return bytes(found)


def _judged(head: bytes, columns: int, written: Quoting) -> str:
    """Return the one delimiter that gives every record at the beginning the same number of fields."""
    # The last record may be cut off, unless it is all there is.
    whole = head if len(head) < HEAD_BYTES else head[: last_boundary(head) or len(head)]
    text = whole.decode("utf-8", "replace")
    fitting = [each for each in DELIMITERS if _fits(text, each, columns, written)]
    if len(fitting) == 1:
        return fitting[0]
    if not text.strip() or columns == 1:
        return ","
    named = (
        " and ".join(DELIMITERS[each] for each in fitting) + " would all do" if fitting else "nothing does"
    )
    raise Unfit(
        f"it is not clear what separates the fields: {named}",
        what_to_do="set the route's delimiter",
        line=1,
    )


def _fits(text: str, delimiter: str, columns: int, written: Quoting) -> bool:
    rows = written.reader(io.StringIO(text, newline=""), delimiter)
    counts = {len(row) for row in islice(rows, JUDGED_RECORDS) if row}
    return len(counts) == 1 and counts.pop() in ({columns} if columns else range(2, 1000))
