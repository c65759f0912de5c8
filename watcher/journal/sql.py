"""The journal in SQL that SQLite and PostgreSQL both speak: one record of the table `files` a row.

What differs between the two (how they connect, what their faults are, how tables came to be) is the store's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from watcher.core.errors import IllegalStep, TakenOver
from watcher.core.model import FINAL, Claim, Dropped, FileState, Outcome, Row, Upload
from watcher.core.steps import Reject
from watcher.core.units import utc_text
from watcher.journal.archive import SqlArchive
from watcher.journal.peers import Peers
from watcher.journal.protocol import AgentSeen, Archive, Timeline
from watcher.journal.schema import changes, insertion, record_of, row_of, stored
from watcher.journal.store import MOST, Connection, Store
from watcher.journal.timeline import SqlTimeline

if TYPE_CHECKING:
    from watcher.core.steps import Step

_OPEN = tuple(state for state in FileState if state not in FINAL)


class SqlJournal:
    """A `protocol.Journal`; safe to share between threads, and between processes."""

    def __init__(self, store: Store, agent_id: str) -> None:
        """`store` is open, and closed with the journal; `agent_id`: whose rows are one's own."""
        self._store = store
        self.agent_id = agent_id
        # Rows under way as this process last wrote them: a step need not read what it starts from. Should
        # anybody else have taken one, the write finds it in another state, and reads it after all.
        self._known: dict[int, Row] = {}
        self._at_end = ""  # what else is assigned to a row that comes to its end
        self.peers: Peers | None = None
        self.archive: Archive = SqlArchive(store, agent_id)
        self.timeline: Timeline = SqlTimeline(store)

    def close(self) -> None:
        """Close the connection; the journal stays as it is."""
        self._store.close()

    # -- the life of a file ------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim]) -> list[Row]:
        """Write the rows of files that are about to be claimed, as `Journal.claim` says."""
        if not claims:
            return []
        with self._store.writing() as connection:
            rows = [self._inserted(connection, claim) for claim in claims]
        self._known.update({row.id: row for row in rows})
        return rows

    def forget(self, rows: Sequence[Row]) -> None:
        """Take back the rows of files that were not claimed after all. Raises `IllegalStep`."""
        if not rows:
            return
        with self._store.writing() as connection:
            for row in rows:
                self._known.pop(row.id, None)
                deleted = connection.execute(
                    "DELETE FROM files WHERE id = ? AND owner = ? AND state = ?",
                    (row.id, self.agent_id, FileState.SEEN),
                )
                if deleted.rowcount != 1:
                    raise IllegalStep(f"file {row.id}: only a file that was never claimed is forgotten")

    def apply(self, steps: Sequence[Step]) -> list[Row]:
        """Take the steps in their order, all or none, and return the row after each. Raises `IllegalStep`."""
        if not steps:
            return []
        known = {step.row.id: self._known.pop(step.row.id, None) for step in steps}
        with self._store.writing() as connection:
            rows = [self._applied(connection, step, known) for step in steps]
        self._known.update({row.id: row for row in rows})
        for row in rows:
            if row.state in FINAL:
                self._known.pop(row.id, None)
        return rows

    # -- questions ---------------------------------------------------------------------------------

    def row(self, id: int) -> Row:
        """Return the row as it is now. Raises `LookupError` where there is none."""
        rows = self._query("SELECT * FROM files WHERE id = ?", (id,))
        if not rows:
            raise LookupError(f"file {id}: no row")
        return rows[0]

    def under_way(self, origin: Literal["drop", "hand"], *, of_all: bool = False) -> list[Row]:
        """Return one's own rows, or `of_all` agents, that did not come to their end, oldest first."""
        marks = ", ".join("?" * len(_OPEN))
        own, values = ("", ()) if of_all else (" AND owner = ?", (self.agent_id,))
        return self._query(
            f"SELECT * FROM files WHERE state IN ({marks}) AND origin = ?{own} ORDER BY id",
            (*_OPEN, origin, *values),
        )

    def agents(self) -> list[AgentSeen]:
        """Return the agents that share the journal: none but its own, and that is known."""
        return []

    def quiet_until(self) -> dict[int, str]:
        """Return the rows that wait for an owner before to be quiet: there is none."""
        return {}

    def history(
        self, *, failed: bool = False, since: datetime | None = None, limit: int | None = None
    ) -> list[Row]:
        """Return rows, newest first; `failed`: only those; `since`: begun at that time or later."""
        where, values = [], list[Any]()
        if failed:
            where.append("state IN (?, ?)")
            values += [FileState.FAILED, FileState.REJECTED]
        if since is not None:
            where.append("started_at >= ?")
            values.append(utc_text(since))
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        return self._query(
            f"SELECT * FROM files {condition} ORDER BY id DESC LIMIT ?",
            (*values, MOST if limit is None else limit),
        )

    def outcomes(self, limit: int) -> list[Row]:
        """Return the newest rows of files that came to their end, newest first."""
        marks = ", ".join("?" * len(FINAL))
        return self._query(
            f"SELECT * FROM files WHERE state IN ({marks}) ORDER BY id DESC LIMIT ?", (*sorted(FINAL), limit)
        )

    def last_of(self, route: str) -> Row | None:
        """Return the newest finished row of a route, to say of a failed one that others go without it."""
        newest = "SELECT * FROM files WHERE route = ? AND state IN (?, ?) ORDER BY id DESC LIMIT 1"
        rows = self._query(newest, (stored("route", route), FileState.DONE, FileState.FAILED))
        return rows[0] if rows else None

    def last_answered(self, route: str) -> Row | None:
        """Return the newest row of a route that the server took whole, or refused."""
        rows = self._query(
            "SELECT * FROM files WHERE route = ? AND ((state IN (?, ?) AND chunks > 0)"
            " OR (state IN (?, ?) AND status IS NOT NULL)) ORDER BY id DESC LIMIT 1",
            (
                stored("route", route), FileState.DELIVERED, FileState.DONE, FileState.REJECTED,
                FileState.FAILED,
            ),
        )  # fmt: skip
        return rows[0] if rows else None

    def deliveries(self, route: str, limit: int) -> list[Row]:
        """Return the newest delivered rows of a route, newest first."""
        return self._query(
            "SELECT * FROM files WHERE route = ? AND state IN (?, ?) ORDER BY id DESC LIMIT ?",
            (stored("route", route), FileState.DELIVERED, FileState.DONE, limit),
        )

    @property
    def first_start(self) -> bool:
        """Whether no agent has made its folders yet."""
        return not self._store.query("SELECT 1 FROM meta WHERE key = 'folders_made'")

    def folders_made(self) -> None:
        """From now on a missing folder is a share that is away."""
        with self._store.writing() as connection:
            connection.execute("INSERT INTO meta VALUES ('folders_made', 'yes') ON CONFLICT DO NOTHING")

    # -- for whoever copies it ---------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """Where it is."""
        return self._store

    def own_rows(self) -> Iterator[Row]:
        """Return all rows of one's own in their order; they are read some at a time. Raises `Outside`."""
        last = 0
        statement = "SELECT * FROM files WHERE owner = ? AND id > ? ORDER BY id LIMIT 1000"
        while page := self._query(statement, (self.agent_id, last)):
            yield from page
            last = page[-1].id

    def ids_for_old_rows(self, connection: Connection, count: int) -> Iterator[int] | None:
        """Return the ids of so many rows that are older than all that are there; None: new ones will do."""
        return None

    # -- inside ------------------------------------------------------------------------------------

    def _inserted(self, connection: Connection, claim: Claim) -> Row:
        file = Dropped(
            name=claim.name,
            source=claim.source,
            fingerprint=claim.fingerprint,
            route=claim.route,
            acd_type=claim.acd_type,
            origin=claim.origin,
            started_at=claim.at,
        )
        upload, outcome = Upload(claim.push_token), Outcome(note=claim.note)
        row = Row(0, self.agent_id, FileState.SEEN, file, upload, outcome)
        if claim.fault is not None:
            row = Reject(row, claim.fault, claim.at, claim.in_doubt).applied(row)
        columns = record_of(row)
        inserted = connection.execute(f"{insertion(columns)} RETURNING id", tuple(columns.values()))
        return replace(row, id=inserted.fetchone()[0])

    def _applied(self, connection: Connection, step: Step, known: dict[int, Row | None]) -> Row:
        id = step.row.id
        before = known[id]
        if before is None or not (after := self._written(connection, before, step)):
            before = self._stored(connection, id)
            after = self._written(connection, before, step)
            assert after is not None, "nobody else writes within our transaction"
        known[id] = after
        return after

    def _written(self, connection: Connection, before: Row, step: Step) -> Row | None:
        """Write the step, where the row is as we know it; returns None where it is in another state."""
        after = step.applied(before)
        # Only what differs, so that no index is touched without need.
        columns = changes(before, after)
        assignments = ", ".join(f"{name} = ?" for name in columns) or "owner = owner"
        assignments += self._at_end if after.state in FINAL else ""
        where = "id = ? AND owner = ? AND state = ?"
        values = (*columns.values(), before.id, self.agent_id, str(before.state))
        updated = connection.execute(f"UPDATE files SET {assignments} WHERE {where}", values)
        return after if updated.rowcount == 1 else None

    def _stored(self, connection: Connection, id: int) -> Row:
        locked = self._store.locked
        record = connection.execute(f"SELECT * FROM files WHERE id = ?{locked}", (id,)).fetchone()
        if record is None:
            raise TakenOver(id, "")
        row = row_of(record)
        if row.owner != self.agent_id:
            raise TakenOver(id, row.owner)
        return row

    def _query(self, statement: str, values: Sequence[Any]) -> list[Row]:
        return [row_of(record) for record in self._store.query(statement, values)]
