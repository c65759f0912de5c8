"""What an agent knows of its database, should that forget: by a failover to a replica that lacked the last
commits, or restored from a backup.

The database tells its time with each heartbeat. One that later says that it heard less of us than it did has
gone back. By little: then what we wrote meanwhile is written again. By more a person says what is true.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.core.errors import ConfigError, Outside
from watcher.core.model import FINAL, Row
from watcher.core.units import utc_text
from watcher.disk import files
from watcher.journal.postgres_schema import FIRST_ID
from watcher.journal.schema import insertion, record_of, row_of
from watcher.journal.store import Connection

if TYPE_CHECKING:
    from watcher.core.steps import Step

MOST_LOST_SECONDS = 60.0
# What is told is rounded.
TOLERANCE_SECONDS = 0.01
FILE = "postgres.json"  # in the state folder


class Restored(Outside):
    """The database is older than what we know of it."""


class Memory:
    """When one database heard of us last, by its own clock. Any thread may use it."""

    def __init__(self, folder: Path | None) -> None:
        """`folder`: where it is kept over restarts; None: nowhere."""
        self._path = folder / FILE if folder else None
        self.latest = self._read()  # of which journal, and when: seconds since 1970; or nothing is known

    def keep(self, journal: str, seen: float) -> None:
        """It heard of us now."""
        self.latest = (journal, seen)
        if self._path is not None:
            with suppress(OSError):  # at worst a database that goes back while we are away is believed
                files.replace_private(self._path, json.dumps({"journal": journal, "seen": seen}).encode())

    def is_accepted(self) -> bool:
        """Say whether a person said meanwhile that the database is right; from now on it is."""
        if self._path is None or self._read() != (None, None):
            return False
        self.latest = (None, None)
        return True

    def _read(self) -> tuple[str | None, float | None]:
        with suppress(OSError, ValueError, TypeError, KeyError):
            told = json.loads(self._path.read_bytes()) if self._path else {}
            return str(told["journal"]), float(told["seen"])
        return None, None


class Recent:
    """The rows that this process wrote last, for as long as a failover may forget."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[int, tuple[float, Row]] = {}  # in the order in which they were written

    @property
    def rows(self) -> list[Row]:
        """Those rows, as they were last, in the order of their numbers."""
        return sorted((row for _, row in self._rows.values()), key=lambda row: row.id)

    def keep(self, rows: Iterable[Row]) -> None:
        """These were written now."""
        now = self._clock()
        for row in rows:
            self._rows.pop(row.id, None)
            self._rows[row.id] = (now, row)
        while (oldest := next(iter(self._rows.items()), None)) and oldest[1][0] < now - 2 * MOST_LOST_SECONDS:
            del self._rows[oldest[0]]

    def is_forgotten(self, connection: Connection, agent: str) -> bool:
        """Say whether the database lacks what was written last; where it has that, it has all before it."""
        latest = next(reversed(self._rows.values()), None)
        if latest is None:
            return False
        found = connection.execute("SELECT * FROM files WHERE id = ?", (latest[1].id,)).fetchone()
        there = row_of(found) if found is not None else None
        if there is None or not _is_same(there, latest[1]):
            return True
        return there.owner == agent and _is_behind(there, latest[1])

    def before(self, step: Step) -> Row:
        """Return the row as it was before this step, which nobody knows to be taken."""
        known = self._rows.get(step.row.id)
        return step.row if known is None else known[1]

    def forget(self, rows: Iterable[Row]) -> None:
        """These are nobody's any more."""
        for row in rows:
            self._rows.pop(row.id, None)


def known_until(folder: Path) -> datetime | None:
    """Return when the database that has our rows heard of us last; None: as far as we know, none has them."""
    _, seen = Memory(folder).latest
    return None if seen is None else datetime.fromtimestamp(seen, UTC)


def accept(folder: Path) -> datetime | None:
    """From now on what the settings name is right, whatever this agent knew; returns until when it did.
    Raises `Outside`."""
    path = folder / FILE
    with files.blame(folder):
        known = known_until(folder)
        if path.exists():
            files.replace_private(path, b"{}")
    return known


def refuse_elsewhere(folder: Path) -> None:
    """Raise `ConfigError` where a database has our rows, and the settings name none: what is under way by the
    journal in the state folder would be sent again."""
    if (known := known_until(folder)) is not None:
        raise ConfigError(
            "journal: the settings name no database, and this agent's journal is in PostgreSQL, at the latest"
            f" {utc_text(known)}; bring `journal` back, and take what it knows into the state folder with"
            " `watcher journal copy --back`; or say with `watcher journal accept` that the journal in the"
            " state folder is right as it is"
        )


def lost_words(known: float, seen: float | None) -> str:
    """Say how much a database forgot that heard of us at `known`, and says that it was at `seen`."""
    until = "nothing" if seen is None else f"us until {utc_text(datetime.fromtimestamp(seen, UTC))} alone"
    at = utc_text(datetime.fromtimestamp(known, UTC))
    return f"the journal in PostgreSQL has gone back: it heard of us at {at}, and knows of {until}"


def _is_same(there: Row, known: Row) -> bool:
    """Whether this is the row of the same file, wherever that lies by now."""
    return (there.name, there.file.started_at) == (known.name, known.file.started_at)


def _is_behind(there: Row, known: Row) -> bool:
    """Whether a row of ours is not as we wrote it; when its file was removed is no step of ours."""
    return (there.state, there.upload, there.outcome) != (known.state, known.upload, known.outcome)


def write_again(connection: Connection, agent: str, rows: Iterable[Row]) -> int:
    """Write rows of ours as we know them, where the database has forgotten that; returns how many."""
    written = 0
    for row in rows:
        record = connection.execute("SELECT * FROM files WHERE id = ? FOR UPDATE", (row.id,)).fetchone()
        there = row_of(record) if record is not None else None
        columns = record_of(row)
        if there is None:
            columns["id"] = row.id
            connection.execute(insertion(columns), tuple(columns.values()))
        elif not _is_same(there, row):  # its number is another file's by now
            connection.execute(insertion(columns), tuple(columns.values()))
        elif there.owner != agent or not _is_behind(there, row):
            continue
        else:
            assignments = ", ".join(f"{name} = ?" for name in columns)
            connection.execute(f"UPDATE files SET {assignments} WHERE id = ?", (*columns.values(), row.id))
        if row.state in FINAL:
            connection.execute("UPDATE files SET end_number = next_end() WHERE id = ?", (row.id,))
        written += 1
    connection.execute(
        "SELECT setval(pg_get_serial_sequence('files', 'id'), greatest(nextval(pg_get_serial_sequence("
        "'files', 'id')), (SELECT coalesce(max(id), ?) FROM files)))",
        (FIRST_ID,),
    )
    return written
