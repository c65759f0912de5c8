"""The nouns: a file's states and the steps between them, Fingerprint, Route, Chunk, Row and its parts.

Two rules: every step a file can take stands in `TRANSITIONS`, and nothing in here does anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from watcher.core.errors import Unfit
from watcher.core.expressions import Expression
from watcher.core.shape import PLAIN, Lines, Shape


class FileState(StrEnum):
    """Where a file is in its life; every value is written to the journal before the act it announces."""

    SEEN = "seen"  # claimed, or about to be: in the work folder, or still in the drop folder
    READY = "ready"  # in the work folder, nothing sent: it begins anew under a new push token
    SENDING = "sending"  # a chunk went out and its answer is not written down yet
    RETRYING = "retrying"  # an answer came, or the chunk never left: the same chunk goes out again
    DELIVERED = "delivered"  # complete for the server; to be moved to the done folder
    REJECTED = "rejected"  # the fault lies in the file; to be moved to the failed folder
    CHANGED = "changed"  # it changed after the claim; to be put back into the drop folder
    DONE = "done"
    FAILED = "failed"
    RETURNED = "returned"  # back in the drop folder, where it settles anew
    VANISHED = "vanished"  # somebody took it out of the work folder


_S = FileState
FINAL = frozenset({_S.DONE, _S.FAILED, _S.RETURNED, _S.VANISHED})
UNDECIDED = frozenset({_S.SEEN, _S.READY, _S.SENDING, _S.RETRYING})
_VERDICTS = frozenset({_S.DELIVERED, _S.REJECTED, _S.CHANGED, _S.VANISHED})
TRANSITIONS: Mapping[FileState, frozenset[FileState]] = {
    # Claimed and sent, or decided, in one commit.
    _S.SEEN: _VERDICTS | {_S.READY, _S.SENDING},
    # READY to DELIVERED is the empty file of a route with `empty: done`: there is nothing to send.
    _S.READY: _VERDICTS | {_S.SENDING},
    # SENDING to SENDING is the next chunk (or the same one, unanswered); to READY, a new push token.
    _S.SENDING: _VERDICTS | {_S.SENDING, _S.RETRYING, _S.READY},
    _S.RETRYING: _VERDICTS | {_S.SENDING, _S.READY},
    # The same state again is a new target: the planned name was taken meanwhile. What changed before it
    # was moved is not what was delivered.
    _S.DELIVERED: frozenset({_S.DELIVERED, _S.DONE, _S.REJECTED, _S.CHANGED, _S.VANISHED}),
    _S.REJECTED: frozenset({_S.REJECTED, _S.FAILED, _S.VANISHED}),
    _S.CHANGED: frozenset({_S.CHANGED, _S.RETURNED, _S.VANISHED}),
    _S.DONE: frozenset(),
    _S.FAILED: frozenset(),
    _S.RETURNED: frozenset(),
    _S.VANISHED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one version of a file from another without reading it."""

    device: int
    inode: int
    size: int  # bytes
    mtime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Fingerprint:
        """Take the fingerprint from an `os.stat_result`."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    @property
    def key(self) -> str:
        """The same in one word, for whoever has to name this version and no newer one of its name."""
        return f"{self.device:x}-{self.inode:x}-{self.size:x}-{self.mtime_ns:x}"

    def is_same(self, other: Fingerprint) -> bool:
        """Say whether both are of one version; an inode of 0 is one that is not known (see `settle`)."""
        same_inode = self.inode == other.inode or 0 in (self.inode, other.inode)
        return same_inode and (self.device, self.size, self.mtime_ns) == (
            other.device, other.size, other.mtime_ns,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a CSV route, and what its fields must be."""

    name: str
    kind: Literal["text", "integer", "number", "utc_time", "uuid", "one_of", "pattern"] = "text"
    required: bool = False  # no field may be empty
    one_of: tuple[str, ...] = ()
    pattern: str = ""  # a regular expression for the whole field
    not_future: float | None = None  # seconds that a time may lie ahead of the claim
    not_older: float | None = None  # seconds that it may lie back
    shape: Shape = PLAIN  # where its fields come from, and what is made of them before they are checked

    @property
    def has_rule(self) -> bool:
        """Whether there is anything to check in its fields."""
        return self.kind != "text" or self.required


@dataclass(frozen=True, slots=True)
class Route:
    """Where files of certain names go, and how; made from the settings, never changed."""

    name: str
    patterns: tuple[re.Pattern[str] | Expression, ...]  # globs and `regex`; each must match the whole name
    url: str  # absolute, without query
    content_type: str
    format: Literal["csv", "json"]  # csv is cut into chunks, json goes out in one request
    acd_type: str | None = None
    params: tuple[tuple[str, str], ...] = ()  # further query parameters
    chunk_bytes: int = 1_000_000
    max_record: int = 16 * 2**20  # bytes; a longer record (or JSON document: see max_json) fails the file
    max_json: int = 10_000_000  # bytes
    parallel: int = 1
    after: tuple[str, ...] = ()  # names of the routes whose files go first
    header: Literal["none", "drop", "first", "every"] = "none"
    trailing_delimiter: bool = False  # each line ends with one, behind its last field
    empty_rows: Literal["fail", "drop", "send"] = "fail"  # of nothing but delimiters
    columns: tuple[Column, ...] = ()
    reorder: bool = False  # columns in another order are put right
    bad_records: Literal["fail", "set_aside"] = "fail"
    encoding: str | None = None  # a codec of Python; None: UTF-8, or by byte order mark
    delimiter: str = ","  # or "auto"; anything else is rewritten to a comma
    quotes: Literal["double", "none"] = "double"  # none: a quote is text like any other
    escape: str | None = None  # the character that takes the meaning from the one behind it
    schema: str | None = None  # JSON Schema, as text
    duplicates: Literal["upload", "skip", "fail"] = "upload"  # a content that was delivered before
    split: int | None = None  # elements of a JSON array in one chunk; None: the document goes as a whole
    split_at: str | None = None  # the array is there, within an object: names with a point between them
    documents: bool = False  # JSON documents stand one behind the other, whatever the file's name
    max_expanded: int = 4_000_000_000  # bytes that a compressed file may expand to
    max_ratio: float = 200.0  # ... and how many times its own size
    marker: str | None = None  # with {name} or {stem}
    empty: Literal["fail", "done"] = "fail"
    lines: Lines | None = None  # which lines of a CSV file are records; None: all
    others: Literal["fail", "drop"] = "fail"  # columns of the file that `columns` does not name

    @property
    def is_shaped(self) -> bool:
        """Whether records are made anew from what the file has."""
        return self.others == "drop" or any(column.shape != PLAIN for column in self.columns)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a file's content as it goes out."""

    start: int  # byte offset in the content: that of the file, or of what was made of it
    end: int  # byte offset behind its last byte
    raw: bytes  # the bytes from start to end
    body: bytes  # what is sent: `raw`, with a repeated header before it, or its lines as a JSON array
    last: bool  # it reaches the end of what is sent


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server has the whole file."""

    chunks: int
    note: str | None = None
    records: int | None = None
    reason: str | None = None  # why some records were set aside
    what_to_do: str | None = None
    lines: str | None = None  # that they are on
    problems: tuple[str, ...] = ()
    sha256: str | None = None  # of the dropped file, where nothing was sent of it
    first_line: str | None = None  # SHA-256 of its first line, in hex
    last_line: str | None = None
    changes: str | None = None  # what was left out of the file, and made of it, for people


@dataclass(frozen=True, slots=True)
class Dropped:
    """The file as it was taken."""

    name: str  # as it was in the drop folder
    source: str  # absolute path: the claimed file in the work folder, or the file sent by hand
    fingerprint: Fingerprint
    route: str | None
    acd_type: str | None
    origin: Literal["drop", "hand"]  # hand: sent by `watcher upload`, stays where it is
    started_at: str  # UTC, ISO 8601: the claim


@dataclass(frozen=True, slots=True)
class Upload:
    """How far it got at the server."""

    push_token: str
    earlier_tokens: tuple[str, ...] = ()  # it was begun under before, oldest first
    sha256: str | None = None  # of the dropped file
    destination: str | None = None  # digest of where its chunks went (URL, tenant, parameters)
    position: int = 0  # byte offset behind the last acknowledged chunk; 0: nothing acknowledged
    total: int | None = None  # bytes of the content that is sent, which `position` counts in
    chunks: int = 0  # acknowledged under this push token
    sending_to: int | None = None  # end offset of the chunk whose answer is not known
    sends: int = 0  # how often the chunk that ends at `sending_to` went out

    @property
    def in_doubt(self) -> bool:
        """Whether the last chunk went out without an answer: the file may be complete at the server."""
        return self.sending_to is not None and self.sending_to == self.total

    @property
    def at_server(self) -> Literal["all", "perhaps"] | None:
        """Whether the server took the last chunk: then to send the file again is a second import."""
        if self.chunks and self.position == self.total:
            return "all"
        return "perhaps" if self.in_doubt else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it, and why."""

    finished_at: str | None = None  # UTC, ISO 8601: the verdict
    reason: str | None = None
    what_to_do: str | None = None
    lines: str | None = None  # "120-188": lines of the rejected chunk, counted from 1
    status: int | None = None  # HTTP
    server_said: str | None = None
    problems: tuple[str, ...] = ()  # the first ten faulty records, a sentence each
    note: str | None = None
    records: int | None = None  # that are sent: of CSV without the header, or elements of a JSON array
    first_line: str | None = None  # SHA-256 of the first line, with its line end, of a delivered file
    last_line: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where it goes; every path is chosen before the move."""

    target: str | None = None  # absolute path in done, failed or drop
    aside: str | None = None  # absolute path of the faulty records in failed
    removed_at: str | None = None  # when retention removed the file; UTC, ISO 8601


@dataclass(frozen=True, slots=True)
class Row:
    """One file's row in the journal; `steps` says how one becomes the next."""

    id: int
    owner: str  # the id of the agent that claimed the file: nobody else takes a step with it
    state: FileState
    file: Dropped
    upload: Upload
    outcome: Outcome = Outcome()
    place: Placement = Placement()

    @property
    def name(self) -> str:
        """The file's name, as it was in the drop folder."""
        return self.file.name

    @property
    def route(self) -> str | None:
        """The name of its route; None: no route matched."""
        return self.file.route

    @property
    def push_token(self) -> str:
        """The push token that it is sent under now."""
        return self.upload.push_token


@dataclass(frozen=True, slots=True)
class Claim:
    """What a row is made from: a file that is about to be claimed."""

    name: str  # as it is in the drop folder
    fingerprint: Fingerprint
    source: str  # absolute path where it will be
    push_token: str
    route: str | None
    acd_type: str | None
    origin: Literal["drop", "hand"]
    at: str  # UTC, ISO 8601
    note: str | None = None
    fault: Unfit | None = None  # with it the row is REJECTED from the beginning
    in_doubt: bool = False  # with it another agent had begun with the file, and may have sent it whole
