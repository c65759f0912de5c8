"""Takes what one agent wrote down from one journal into another, all or none: into PostgreSQL, or back.

Where both know a file, what the database says is right: it is the newer one, in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from watcher.core.model import Row
from watcher.journal.schema import insertion, read, record_of, stored
from watcher.journal.sql import SqlJournal
from watcher.journal.store import Connection

_PAGE = 1000  # rows at a time
_EVER = datetime(1, 1, 1, tzinfo=UTC)
Key = tuple[str, str]  # a push token, and when its file was claimed


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of it."""

    rows: int
    known: int  # rows that were there already, and stayed as they are, or are as the database has them now
    holds: int


def copy(source: SqlJournal, target: SqlJournal, *, back: bool) -> Copied:
    """Copy what is one's own in `source`; nobody else may write in either meanwhile. `back`: out of the
    database. Raises `Outside`: then nothing was copied, or nobody knows; it may be repeated."""
    past = source.timeline.holds(_EVER)
    with target.store.writing() as connection:
        there = _keys(connection, target.agent_id)
        ids = None if there else target.ids_for_old_rows(connection, _count(source))
        copied = known = 0
        rows = source.own_rows()
        while page := list(islice(rows, _PAGE)):
            same = {(there[key],) for row in page for key in _keys_of(row) if key in there}
            fresh = [row for row in page if not any(key in there for key in _keys_of(row))]
            if back:
                connection.executemany("DELETE FROM files WHERE id = ?", same)
            _insert(connection, page if back else fresh, ids)
            copied, known = copied + len(fresh), known + len(page) - len(fresh)
        holds = [tuple(stored("reason", text) for text in astuple(hold)) for hold in past]
        connection.executemany(
            "INSERT INTO holds (target, reason, began_at, ended_at) SELECT ?, ?, ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM holds WHERE target = ? AND began_at = ?)",
            [(*hold, hold[0], hold[2]) for hold in holds],
        )
        if not source.first_start:  # from now on a missing folder is a share that is away
            connection.execute("INSERT INTO meta VALUES ('folders_made', 'yes') ON CONFLICT DO NOTHING")
    return Copied(copied, known, len(holds))


def _keys(connection: Connection, owner: str) -> dict[Key, int]:
    """Return the rows that are there, by each push token that they had."""
    found: Any = connection.execute(
        "SELECT id, push_token, earlier_tokens, started_at FROM files WHERE owner = ?", (owner,)
    )
    return {
        (token, record["started_at"]): record["id"]
        for record in found.fetchall()
        for token in (record["push_token"], *read("earlier_tokens", record["earlier_tokens"]))
    }


def _keys_of(row: Row) -> list[Key]:
    return [(token, row.file.started_at) for token in (row.push_token, *row.upload.earlier_tokens)]


def _count(journal: SqlJournal) -> int:
    [found] = journal.store.query("SELECT count(*) FROM files WHERE owner = ?", (journal.agent_id,))
    return int(found[0])


def _insert(connection: Connection, rows: list[Row], ids: Iterator[int] | None) -> None:
    records = [record_of(row) | ({"id": next(ids)} if ids else {}) for row in rows]
    if records:
        connection.executemany(insertion(records[0]), [tuple(record.values()) for record in records])
