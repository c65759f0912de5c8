"""The journal's long memory: what was delivered before, and what has been kept long enough.

Questions and deletions over rows that have come to their end; the questions are those of `protocol.Archive`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from watcher.core.model import FINAL, FileState, Row
from watcher.core.names import folded, shown
from watcher.core.units import utc_text
from watcher.journal.schema import row_of
from watcher.journal.store import MOST, Record, Store

# Rows that one search looks through: about 50 ms, and a commit waits for no longer than the read in it.
LOOKED = 20_000
_ASKED = 500  # values in a statement; SQLite takes 999 at least


class SqlArchive:
    """The finished rows of one journal; safe to share between threads."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner

    def delivered_before(self, row: Row, sha256: str, destination: str) -> Row | None:
        """Return the newest row of another file with this content that was sent to the same place by any
        route (`duplicates.destination`: another tenant is another place), and reached it; None: none was."""
        found = self._store.query(
            "SELECT * FROM files WHERE sha256 = ? AND destination = ? AND id != ?"
            # Whatever became of the file itself: it may have changed since, or was taken away.
            " AND chunks > 0 AND (state IN (?, ?) OR (state IN (?, ?, ?) AND position = total))"
            " ORDER BY id DESC LIMIT 1",
            (
                sha256,
                destination,
                row.id,
                FileState.DELIVERED,
                FileState.DONE,
                FileState.REJECTED,
                FileState.FAILED,
                FileState.VANISHED,
            ),
        )
        return row_of(found[0]) if found else None

    def of_token(self, push_token: str) -> Row | None:
        """Return the newest row, whatever became of its file, of one that was claimed or begun under this
        push token; None: there is none."""
        found = self._store.query(
            "SELECT * FROM files WHERE push_token = ? OR instr(earlier_tokens, ?) > 0"
            " ORDER BY id DESC LIMIT 1",
            (push_token, json.dumps(push_token)),
        )
        return row_of(found[0]) if found else None

    def failed_at(self, target: Path) -> Row | None:
        """Return the newest row of a file that was moved to `target` in the failed folder, or is about to be:
        that it is there is written down behind the move."""
        return self.failed_among([target]).get(target)

    def failed_among(self, targets: Sequence[Path]) -> dict[Path, Row]:
        """Return that row of each of the `targets` for which there is one."""
        found: dict[Path, Row] = {}
        for start in range(0, len(targets), _ASKED):
            paths = [os.fsencode(target) for target in targets[start : start + _ASKED]]
            marks = ", ".join("?" * len(paths))
            statement = f"SELECT * FROM files WHERE state IN (?, ?) AND target IN ({marks}) ORDER BY id"
            rows = map(row_of, self._store.query(statement, (FileState.REJECTED, FileState.FAILED, *paths)))
            found |= {Path(row.place.target or ""): row for row in rows}
        return found

    def ended(
        self,
        *,
        state: FileState | None,
        text: str,
        before: int | None,
        limit: int,
        between: tuple[str, str] | None = None,
    ) -> tuple[list[Row], int | None]:
        """Return rows that came to their end, newest first, and where to look on; see `Archive`."""
        # Joined to nothing, it keeps SQLite at the order of the ids: it would sort all rows of these states.
        where, key = f"state || '' IN ({', '.join('?' * len(FINAL))})", "id"
        values: list[str] = sorted(FINAL)
        if state is not None:
            where, values = "state = ?", [state]
        if between is not None:  # by the index of those times, and not through all rows from the newest on
            where, key = f"{where} AND finished_at >= ? AND finished_at < ?", "+id"
            values += between
        looked = self._store.query(
            f"SELECT id, name, push_token, earlier_tokens FROM files WHERE {where} AND {key} < ?"
            f" ORDER BY {key} DESC LIMIT ?",
            (*values, MOST if before is None else before, LOOKED if text else limit + 1),
        )
        found = [record["id"] for record in looked if _has(record, folded(text))]
        if len(found) > limit:
            found = found[:limit]
            then = found[-1]
        else:
            then = looked[-1]["id"] if len(looked) == LOOKED else None
        if not found:
            return [], then
        rows = self._store.query(
            f"SELECT * FROM files WHERE id IN ({', '.join('?' * len(found))}) ORDER BY id DESC", found
        )
        return [row_of(record) for record in rows], then

    def newest(self) -> Row | None:
        """Return one's own newest row, whatever became of its file; None: there is none."""
        found = self._store.query(
            "SELECT * FROM files WHERE owner = ? ORDER BY id DESC LIMIT 1", (self._owner,)
        )
        return row_of(found[0]) if found else None

    def kept_since(
        self, state: FileState, *, before: datetime, after: tuple[str, int], limit: int
    ) -> list[Row]:
        """Return dropped files that came to `state` before a time and were not removed, in that order,
        whichever agent filed them.

        `after` is where the last call ended: the `finished_at` and the id of its last row.
        """
        found = self._store.query(
            "SELECT * FROM files WHERE state = ? AND finished_at < ? AND (finished_at, id) > (?, ?)"
            " AND origin = 'drop' AND target IS NOT NULL AND removed_at IS NULL"
            " ORDER BY finished_at, id LIMIT ?",
            (state, utc_text(before), *after, limit),
        )
        return [row_of(record) for record in found]

    def is_latest_at(self, row: Row) -> bool:
        """Say whether no later file was put where this one was: a replay takes the name again."""
        assert row.place.target is not None, "only a file that was moved has a place"
        later = self._store.query(
            "SELECT 1 FROM files WHERE target = ? AND id > ? LIMIT 1", (os.fsencode(row.place.target), row.id)
        )
        return not later

    def is_anothers(self, row: Row, place: Path) -> bool:
        """Say whether another row's file, or its bad records, have this place; see `Archive`."""
        columns = ("target", "aside") if row.place.aside == str(place) else ("target",)
        values = (os.fsencode(place), row.id, row.file.fingerprint.size)
        return any(
            self._store.query(
                f"SELECT 1 FROM files WHERE {column} = ? AND id != ? AND size = ? AND removed_at IS NULL"
                " LIMIT 1",
                values,
            )
            for column in columns
        )

    def removed(self, row: Row, now: datetime) -> None:
        """The file of this row has been kept long enough and was removed."""
        with self._store.writing() as connection:
            connection.execute("UPDATE files SET removed_at = ? WHERE id = ?", (utc_text(now), row.id))

    def forget(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` rows that came to their end before a time, but for those of other agents
        whose file was kept: it would stay for ever. Returns how many."""
        marks = ", ".join("?" * len(FINAL))
        found = self._store.query(
            f"SELECT id FROM files WHERE state IN ({marks}) AND finished_at < ?"
            " AND (owner = ? OR target IS NULL OR removed_at IS NOT NULL OR origin = 'hand') LIMIT ?",
            (*sorted(FINAL), utc_text(before), self._owner, limit),
        )
        if found:
            with self._store.writing() as connection:
                connection.executemany("DELETE FROM files WHERE id = ?", [(record[0],) for record in found])
        return len(found)


def _has(record: Record, part: str) -> bool:
    """Say whether the name, as people see it, or a push token has this part."""
    tokens = (record["push_token"], record["earlier_tokens"] or "")
    return part in folded(shown(os.fsdecode(record["name"]))) or any(part in token for token in tokens)
