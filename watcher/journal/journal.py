"""The durable state of every file that left the drop folder: one row a file.

Each method is one transaction and one step of `model.TRANSITIONS`; any other step is refused. A row is
written *before* the act it announces.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from watcher.core.errors import IllegalStep, Unfit
from watcher.core.model import FINAL, TRANSITIONS, Delivered, Entry, FileState, Fingerprint
from watcher.core.units import utc_text
from watcher.journal.archive import Archive
from watcher.journal.database import Connection, Database
from watcher.journal.schema import MIGRATIONS, entry_of
from watcher.journal.timeline import Timeline

_OPEN = tuple(state for state in FileState if state not in FINAL)


class Journal:
    """The journal of one state folder; safe to share between threads, and between processes."""

    def __init__(self, folder: Path, *, readonly: bool = False) -> None:
        """Open `folder/journal.db`, made if need be. Raises what `Database` raises."""
        path = folder / "journal.db"
        self._database = Database(path, migrations=MIGRATIONS, readonly=readonly)
        self.archive = Archive(self._database)
        self.timeline = Timeline(self._database)
        self.agent_id = self._agent_id(readonly)

    def close(self) -> None:
        """Close the connection; the journal stays as it is."""
        self._database.close()

    # -- the life of a file, one method a step ------------------------------------------------------

    def see(
        self,
        name: str,
        look: Fingerprint,
        *,
        origin: Literal["drop", "hand"],
        source: str,
        push_token: str,
        route: str | None,
        acd_type: str | None,
        now: datetime,
        note: str | None = None,
    ) -> Entry:
        """Write the row of a file that is about to be claimed."""
        with self._database.writing() as connection:
            row = connection.execute(
                "INSERT INTO files (name, origin, source, route, acd_type, state, push_token, device, inode,"
                " size, mtime_ns, started_at, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " RETURNING *",
                (
                    os.fsencode(name),
                    origin,
                    os.fsencode(source),
                    route,
                    acd_type,
                    FileState.SEEN,
                    push_token,
                    str(look.device),
                    str(look.inode),
                    look.size,
                    str(look.mtime_ns),
                    utc_text(now),
                    note,
                ),
            ).fetchone()
            return entry_of(row)

    def forget(self, entry: Entry) -> None:
        """Take back the row of a file that was not claimed after all: it never left the drop folder."""
        with self._database.writing() as connection:
            deleted = connection.execute(
                "DELETE FROM files WHERE id = ? AND state = ?", (entry.id, FileState.SEEN)
            )
            if deleted.rowcount != 1:
                raise IllegalStep(f"file {entry.id}: only a file that was never claimed is forgotten")

    def ready(self, entry: Entry) -> Entry:
        """The file is claimed."""
        return self._step(entry, FileState.READY)

    def sending(
        self,
        entry: Entry,
        *,
        position: int,
        chunks: int,
        end: int,
        sha256: str,
        destination: str,
        total: int | None = None,
    ) -> Entry:
        """A chunk is about to go out: bytes `position` to `end` of `total`, behind `chunks` others."""
        return self._step(
            entry,
            FileState.SENDING,
            position=position,
            chunks=chunks,
            sending_to=end,
            sha256=sha256,
            destination=destination,
            total=total,
        )

    def retrying(self, entry: Entry, *, position: int, chunks: int) -> Entry:
        """No answer is open: `chunks` are acknowledged, up to byte `position`; the next goes out later."""
        return self._step(entry, FileState.RETRYING, position=position, chunks=chunks, sending_to=None)

    def start_over(self, entry: Entry, push_token: str) -> Entry:
        """Begin again from the first chunk under a new push token; the old operation stays open."""
        return self._step(
            entry,
            FileState.READY,
            push_token=push_token,
            earlier_tokens=" ".join(filter(None, (entry.earlier_tokens, entry.push_token))),
            destination=None,
            position=0,
            chunks=0,
            sending_to=None,
        )

    def delivered(self, entry: Entry, done: Delivered, *, now: datetime, **places: Path | None) -> Entry:
        """The server has the file, but for the records that `done` tells of; `places`: as in `planned`."""
        return self._step(
            entry,
            FileState.DELIVERED,
            chunks=done.chunks,
            position=entry.fingerprint.size,
            total=entry.fingerprint.size,
            sending_to=None,
            finished_at=utc_text(now),
            records=done.records,
            first_line=done.first_line,
            last_line=done.last_line,
            reason=done.reason,
            what_to_do=done.what_to_do,
            lines=done.lines,
            problems="\n".join(done.problems) or None,
            note="; ".join(filter(None, (entry.note, done.note))) or None,
            **({"sha256": done.sha256} if done.sha256 else {}),
            **places,
        )

    def rejected(self, entry: Entry, fault: Unfit, *, now: datetime) -> Entry:
        """The fault lies in the file."""
        return self._step(
            entry,
            FileState.REJECTED,
            reason=fault.reason,
            what_to_do=fault.what_to_do,
            finished_at=utc_text(now),
            lines=fault.lines,
            status=fault.status,
            server_said=fault.said,
            problems="\n".join(fault.problems) or None,
            sending_to=None,
        )

    def changed(self, entry: Entry, *, reason: str, now: datetime) -> Entry:
        """The file changed after the claim: it goes back into the drop folder."""
        return self._step(entry, FileState.CHANGED, reason=reason, finished_at=utc_text(now), sending_to=None)

    def planned(self, entry: Entry, target: Path, *, aside: Path | None = None) -> Entry:
        """The file is about to be moved to `target`, and its bad records to `aside`."""
        return self._step(entry, entry.state, target=target, aside=aside)

    def finished(self, entry: Entry) -> Entry:
        """The file is where its row says: done, failed, or back in the drop folder."""
        if entry.state not in _FINISHED:
            raise IllegalStep(f"file {entry.id}: {entry.state} is no verdict")
        return self._step(entry, _FINISHED[entry.state])

    def vanished(self, entry: Entry, *, reason: str, now: datetime) -> Entry:
        """Somebody took the claimed file away."""
        finished_at = entry.finished_at or utc_text(now)
        return self._step(entry, FileState.VANISHED, reason=reason, finished_at=finished_at, sending_to=None)

    def relocated(
        self, entry: Entry, *, source: Path, target: Path | None, aside: Path | None = None
    ) -> Entry:
        """The folders of the settings are others now: this is where the file is, and where it goes."""
        paths = [None if path is None else os.fsencode(path) for path in (source, target, aside)]
        with self._database.writing() as connection:
            row = connection.execute(
                "UPDATE files SET source = ?, target = ?, aside = ? WHERE id = ? RETURNING *",
                (*paths, entry.id),
            ).fetchone()
            return entry_of(row)

    # -- questions ---------------------------------------------------------------------------------

    def row(self, entry: Entry) -> Entry:
        """Return the row as it is now."""
        return self._query("SELECT * FROM files WHERE id = ?", (entry.id,))[0]

    def unfinished(self, origin: Literal["drop", "hand"]) -> list[Entry]:
        """Return the rows of files under way, oldest first."""
        marks = ", ".join("?" * len(_OPEN))
        return self._query(
            f"SELECT * FROM files WHERE state IN ({marks}) AND origin = ? ORDER BY id", (*_OPEN, origin)
        )

    def history(
        self, *, failed: bool = False, since: datetime | None = None, limit: int | None = None
    ) -> list[Entry]:
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
            (*values, -1 if limit is None else limit),
        )

    def outcomes(self, limit: int) -> list[Entry]:
        """Return the newest rows of files that came to their end, newest first."""
        marks = ", ".join("?" * len(FINAL))
        return self._query(
            f"SELECT * FROM files WHERE state IN ({marks}) ORDER BY id DESC LIMIT ?", (*sorted(FINAL), limit)
        )

    def last_of(self, route: str) -> Entry | None:
        """Return the newest finished row of a route, for the note that a file it needs has failed."""
        newest = "SELECT * FROM files WHERE route = ? AND state IN (?, ?) ORDER BY id DESC LIMIT 1"
        rows = self._query(newest, (route, FileState.DONE, FileState.FAILED))
        return rows[0] if rows else None

    def deliveries(self, route: str, limit: int) -> list[Entry]:
        """Return the newest delivered rows of a route, newest first."""
        return self._query(
            "SELECT * FROM files WHERE route = ? AND state IN (?, ?) ORDER BY id DESC LIMIT ?",
            (route, FileState.DELIVERED, FileState.DONE, limit),
        )

    # -- inside ------------------------------------------------------------------------------------

    def _step(self, entry: Entry, state: FileState, **changes: Any) -> Entry:
        changes = {key: os.fsencode(to) if isinstance(to, Path) else to for key, to in changes.items()}
        assignments = "".join(f", {column} = ?" for column in changes)
        with self._database.writing() as connection:
            self._check_state(connection, entry, state)
            row = connection.execute(
                f"UPDATE files SET state = ?{assignments} WHERE id = ? RETURNING *",
                (state, *changes.values(), entry.id),
            ).fetchone()
            return entry_of(row)

    def _check_state(self, connection: Connection, entry: Entry, state: FileState) -> None:
        found = connection.execute("SELECT state FROM files WHERE id = ?", (entry.id,)).fetchone()
        if found is None or state not in TRANSITIONS[FileState(found[0])]:
            was = found[0] if found else "no row"
            raise IllegalStep(f"file {entry.id}: {was} to {state}")

    def _query(self, statement: str, values: Sequence[Any]) -> list[Entry]:
        return [entry_of(row) for row in self._database.query(statement, values)]

    @property
    def first_start(self) -> bool:
        """Whether no agent has made its folders yet."""
        return not self._database.query("SELECT 1 FROM meta WHERE key = 'folders_made'")

    def folders_made(self) -> None:
        """From now on a missing folder is a share that is away."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('folders_made', 'yes')")

    def _agent_id(self, readonly: bool) -> str:
        """Return this state folder's own id: it names the agent's part of the work folder."""
        if not readonly:
            with self._database.writing() as connection:
                fresh = f"agent-{uuid.uuid4().hex[:12]}"
                connection.execute("INSERT OR IGNORE INTO meta VALUES ('agent_id', ?)", (fresh,))
        rows = self._database.query("SELECT value FROM meta WHERE key = 'agent_id'")
        return str(rows[0][0]) if rows else ""


_FINISHED = {
    FileState.DELIVERED: FileState.DONE,
    FileState.REJECTED: FileState.FAILED,
    FileState.CHANGED: FileState.RETURNED,
}
