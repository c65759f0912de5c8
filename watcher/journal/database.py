"""One SQLite file, opened with care: version and soundness checked, every write one durable transaction.

`journal_mode=TRUNCATE` with `synchronous=FULL`: a commit survives a power cut, several processes may
write, and anybody who may read the file can read it after a clean stop (in WAL mode a reader needs write
permission: https://www.sqlite.org/wal.html#readonly). It knows tables only by the statements that make them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any, TypeAlias

from watcher.core.errors import ConfigError, NoJournal, Outdated, Outside
from watcher.core.names import shown
from watcher.disk.files import blame, folder_target

BUSY_SECONDS = 5.0  # another process (`watcher upload`) holds the file for milliseconds
# A full check reads every page. Beyond this size it would delay the start; SQLite's own rollback journal
# keeps a file whole through crashes, so the check is for damage from outside.
CHECKED_BYTES = 32 * 2**20

OLDEST_SQLITE = (3, 35)  # for RETURNING

Record = sqlite3.Row
Connection = sqlite3.Connection
Migration: TypeAlias = str | Callable[[Connection], None]  # statements, or what SQL alone cannot do


def needs_a_writer(fault: Outside) -> bool:
    """Say whether a journal cannot be read only because a crash left a commit half done: who writes next
    takes that back."""
    code = getattr(fault.__cause__, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_READONLY_ROLLBACK


class Database:
    """One connection, shared by the threads of this process behind a lock."""

    locked = ""  # whoever writes is alone already

    def __init__(self, path: Path, *, migrations: Sequence[Migration], readonly: bool) -> None:
        """Open `path`, made if need be (0600); an older version is brought up to date by `migrations`.

        Each item leads from one version to the next. Raises `ConfigError` for a file that is
        damaged or of a newer version (nothing is touched), `Outside` where its folder is away.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConfigError(f"SQLite {sqlite3.sqlite_version} is too old; 3.35 or newer is needed")
        self.path = path
        self._target = folder_target(path.parent)
        self._migrations = migrations
        self._lock = threading.Lock()
        with blame(path.parent):
            self.is_new = not path.exists()
        if readonly and self.is_new:
            raise NoJournal(f"{shown(str(path))}: there is no journal yet; start the agent first")
        with self._translated():
            self._connection = self._connect(readonly)
        try:
            with self._translated():
                self._check(readonly)
        except BaseException:
            self._connection.close()
            raise

    def require_sound(self) -> None:
        """Read every page, however many there are. Raises `ConfigError` where it is damaged, `Outside`."""
        with self._lock, self._translated():
            self._check(readonly=True, thorough=True)

    def close(self) -> None:
        """Close the connection; the file stays as it is."""
        with self._lock:
            self._connection.close()

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[Record]:
        """Return the rows of a SELECT. Raises `Outside`."""
        with self._lock, self._translated():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction: the only place that changes rows. Raises `Outside`."""
        with self._lock, self._translated():
            try:
                with self._transaction() as connection:
                    yield connection
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_DBMOVED:
                    self._reopen()
                raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn faults of the disk into `Outside`: the state folder is held, and nothing goes on."""
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InterfaceError):
            raise  # a fault of ours
        except (sqlite3.Error, OSError) as error:
            words = (error.strerror if isinstance(error, OSError) else str(error)) or str(error)
            raise Outside(
                self._target,
                f"the journal cannot be used: {words}",
                check="is the state folder there, with room on its disk and the right permissions?",
            ) from error

    def _reopen(self) -> None:
        """Another file has our name by now, or none: SQLite refuses to write, for ever.

        Open that one, if it has the very same rows, as a copy has; the next write goes there. Raises
        `Outside` where it has not: to go on with it would be to forget the files under way. The one that we
        have open comes back by itself, once it is moved back.
        """
        name = shown(self.path.name)
        if not self.path.exists():
            raise Outside(
                self._target,
                "the journal was moved away, or removed, under the running agent",
                check=f"bring {name} back: it knows the files under way, and a new one would not",
            )
        if not self._is_copied():
            raise Outside(
                self._target,
                "the journal was replaced by another one under the running agent",
                check="bring the old one back; or restart the agent, to go on with the one that is there now",
            )
        fresh = self._connect(readonly=False)
        self._connection.close()
        self._connection = fresh
        self._check(readonly=False)

    def _is_copied(self) -> bool:
        """Say whether the file at our path has the rows that the one has that we have open."""
        there = self.path.absolute().as_uri() + "?mode=ro"
        try:
            self._connection.execute("ATTACH ? AS there", (there,))
        except sqlite3.Error:
            return False
        try:
            return not any(
                self._connection.execute(
                    f"SELECT * FROM {one} EXCEPT SELECT * FROM {other} LIMIT 1"
                ).fetchone()
                for table in ("meta", "files")
                for one, other in permutations((f"main.{table}", f"there.{table}"))
            )
        except sqlite3.Error:  # it is no journal
            return False
        finally:
            self._connection.execute("DETACH there")

    def _connect(self, readonly: bool) -> sqlite3.Connection:
        if not readonly and self.is_new:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            self.path.absolute().as_uri() + ("?mode=ro" if readonly else "?mode=rw"),
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _check(self, readonly: bool, *, thorough: bool = False) -> None:
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            unasked = readonly or self.path.stat().st_size > CHECKED_BYTES
            sound = (unasked and not thorough) or self._quick_check()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            sound, version = False, 0
            cause: Exception | None = error
        else:
            cause = None
        if not sound:
            raise ConfigError(
                f"{shown(str(self.path))}: the journal is damaged; nothing was touched. Move it away to begin"
                " a new one, and copy files that are in the work folder back into the drop folder by hand"
            ) from cause
        newest = len(self._migrations)
        if version > newest:
            raise ConfigError(
                f"{shown(str(self.path))}: the journal is of a newer version of watcher ({version}, this one"
                f" knows {newest}); nothing was touched. Install that version, or use another state"
                " folder"
            )
        if readonly:
            if version == 0:
                raise NoJournal(f"{shown(str(self.path))}: there is no journal yet; start the agent first")
            if version < newest:
                raise Outdated(
                    f"{shown(str(self.path))}: the journal is of an older version; open it to write"
                )
            return
        self._connection.execute("PRAGMA journal_mode=TRUNCATE")
        self._connection.execute("PRAGMA synchronous=FULL")
        if version < newest:
            self._migrate()

    def _migrate(self) -> None:
        """Bring the file to the newest version, all or nothing."""
        with self._transaction() as connection:
            # Looked at again inside the transaction: another process may have been faster.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for migration in self._migrations[version:]:
                if callable(migration):
                    migration(connection)
                else:
                    for statement in migration.split(";"):
                        connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _quick_check(self) -> bool:
        found: str = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        return found == "ok"
