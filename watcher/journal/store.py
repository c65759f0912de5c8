"""What the journal needs of a database: questions, and transactions; and the kinds of values it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

MOST = 2**63 - 1  # what a database's integers hold


class OddText(bytes):
    """A text with unpaired surrogates, in UTF-8 as far as that goes."""


class Record(Protocol):
    """What was found, by the name or the place of a column."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return the value of a column."""

    def __iter__(self) -> Any:
        """Return the values in their order."""


class Answer(Protocol):
    """What a statement did."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """Return the next record; None: there is none."""


class Connection(Protocol):
    """One transaction, as those see it who write in it. Values stand for question marks."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Answer:
        """Do one statement."""

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> Any:
        """Do one statement for each of the values."""


class Store(Protocol):
    """A database, shared by threads."""

    @property
    def locked(self) -> str:
        """What a SELECT within a transaction ends in, so that nobody else changes what it found."""

    def query(self, statement: str, values: Sequence[Any] = ()) -> Sequence[Record]:
        """Return the rows of a SELECT. Raises `Outside`."""

    def writing(self) -> AbstractContextManager[Connection]:
        """One durable transaction. Raises `Outside`."""

    def close(self) -> None:
        """Let go of it."""
