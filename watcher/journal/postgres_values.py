"""Values and records as PostgreSQL has them, to ours and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader

from watcher.journal.store import OddText

_ESCAPED = re.compile(r"[\\\0\ud800-\udfff]")
_WRITTEN = re.compile(r"\\(\\|u[0-9a-f]{4})")


class Record(tuple[Any, ...]):
    """What was found, by the name or the place of a column."""

    columns: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.columns[key] if isinstance(key, str) else key)


def adapt(connection: psycopg.Connection[Any]) -> None:
    """Make the connection keep any text, and give it back as it was."""
    adapters = connection.adapters
    adapters.register_dumper(str, _TextDumper)
    adapters.register_dumper(OddText, _OddDumper)
    adapters.register_loader("text", _TextLoader)


def records(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Record]:
    """Return what makes records of the rows of this cursor."""
    names = {column.name: place for place, column in enumerate(cursor.description or ())}
    kind = type("Record", (Record,), {"columns": names})
    return kind


class _TextDumper(Dumper):
    """Any text: PostgreSQL's has neither NUL nor surrogates, so those (and the mark) are escaped."""

    oid = 0

    def dump(self, obj: str) -> Buffer:
        return _ESCAPED.sub(_escape, str(obj)).encode()


class _OddDumper(Dumper):
    oid = 0

    def dump(self, obj: OddText) -> Buffer:
        return _ESCAPED.sub(_escape, obj.decode("utf-8", "surrogatepass")).encode()


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return _WRITTEN.sub(_unescape, bytes(data).decode())


def _escape(found: re.Match[str]) -> str:
    return r"\\" if found[0] == "\\" else f"\\u{ord(found[0]):04x}"


def _unescape(found: re.Match[str]) -> str:
    return "\\" if found[1] == "\\" else chr(int(found[1][1:], 16))
