"""One PostgreSQL database, opened with care: version checked, every write one durable transaction.

One connection, shared by the threads of this process behind a lock. It is made anew where it was lost;
whatever the database does wrong is `Outside`, and holds the queue as a full disk does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from watcher.core.errors import ConfigError, NoJournal, Outside
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.journal.postgres_schema import MIGRATIONS, SCHEMA, migrate, version_of
from watcher.journal.postgres_values import Record, adapt, records

OLDEST = 130000  # version 13, for pg_current_xact_id
# Libpq's words, where the URL does not say otherwise: a host that is gone is noticed in about 15 s.
_WAY = {
    "connect_timeout": "5", "keepalives_idle": "5", "keepalives_interval": "3", "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}  # fmt: skip
# The server lets go of a session whose host is gone as fast: its lock must not outlive it for hours.
_SESSION = (
    f"SET search_path TO {SCHEMA}",
    "SET statement_timeout TO '15s'",
    "SET lock_timeout TO '10s'",
    "SET idle_in_transaction_session_timeout TO '30s'",
    "SET default_transaction_isolation TO 'read committed'",
    "SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 3; SET tcp_keepalives_count TO 3",
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
)


class InDoubt(Outside):
    """The connection broke while the database was to commit: it did, or it did not."""

    transaction: int = 0


class Transaction:
    """What `store.Connection` is."""

    def __init__(self, cursor: psycopg.Cursor[Record]) -> None:
        self._cursor = cursor

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Record]:
        """Do one statement."""
        return self._cursor.execute(_marked(statement), values)

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> None:
        """Do one statement for each of the values."""
        self._cursor.executemany(_marked(statement), values)


class Listener(Transaction):
    """A connection without transactions: each statement is one; and it hears what others tell."""

    def __init__(self, connection: psycopg.Connection[Record]) -> None:
        super().__init__(connection.cursor())
        self._notifies = connection.notifies

    def hear(self, seconds: float) -> str | None:
        """Wait for what others tell, at most so long, and return it; None: there was nothing."""
        return next((told.payload for told in [*self._notifies(timeout=seconds, stop_after=1)]), None)


class PostgresStore:
    """A `store.Store`. `on_connect` is called with each new connection, before anything is done on it."""

    locked = " FOR UPDATE"

    def __init__(
        self,
        url: str,
        held: Target,
        *,
        name: str,
        readonly: bool,
        on_connect: Callable[[Transaction], None],
        tables: bool = True,
    ) -> None:
        """Open the database, and make its tables or bring them up to date. `held`: what faults hold.

        Raises `ConfigError` (no such URL, too old, of a newer version, behind a pooler that does not keep
        sessions), `NoJournal` with `readonly` where no agent made tables yet, `Outside` where it is away.
        `tables` False: leave them as they are, or are not.
        """
        self._way = _WAY | _parsed(url) | {"application_name": name, "client_encoding": "utf8"}
        self.place = f"{self._way.get('host', 'local')}/{self._way.get('dbname', self._way.get('user', ''))}"
        self._held = held
        self._on_connect = on_connect
        self.in_doubt = False  # what became of a transaction is being asked, by a connection that is new
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Record] | None = None
        with self._lock, self._translated():
            try:
                connection = self._connect()
                self._check(connection, readonly, tables=tables)
                self._begin_session(connection)
            except BaseException:
                self._drop()
                raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[Record]:
        """Return the rows of a SELECT. Raises `Outside`."""
        with self._lock, self._translated():
            found: list[Record] = self._first(
                lambda cursor: cursor.execute(_marked(statement), values)
            ).fetchall()
            return found

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """One durable transaction: the only place that changes rows.

        Raises `Outside` where it was not done, and `InDoubt` where nobody knows yet whether it was.
        """
        with self._lock, self._translated():
            self._first(lambda cursor: cursor.execute("BEGIN"))
            connection = self._connection
            assert connection is not None, "it has just begun a transaction"
            try:
                cursor = connection.cursor()
                [number] = cursor.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
                yield Transaction(cursor)
            except BaseException:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise
            try:
                connection.execute("COMMIT")
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not connection.broken:
                    connection.rollback()
                    raise
                if not self._was_committed_after(error, number):
                    raise

    @contextmanager
    def listening(self, channel: str) -> Iterator[Listener]:
        """One more connection, which hears what is told on a channel. Raises `Outside`."""
        try:
            with closing(psycopg.connect(**self._way, autocommit=True, row_factory=records)) as connection:
                adapt(connection)
                for statement in _SESSION:
                    connection.execute(statement)
                connection.execute(f"LISTEN {channel}")
                yield Listener(connection)
        except psycopg.Error as error:
            raise Outside(self._held, _said(error), check=self._check_words()) from error

    def was_committed(self, number: int) -> bool:
        """Say whether this transaction was committed. Raises `Outside` as long as nobody knows."""
        with self._lock, self._translated():
            try:
                found = self._first(
                    lambda cursor: cursor.execute("SELECT pg_xact_status(%s::text::xid8)", (str(number),))
                ).fetchone()
            except errors.InvalidParameterValue:  # it is still to come there: a replica that lacked it
                return False
            if found and found[0] == "in progress":
                raise errors.OperationalError("the transaction before has not ended yet")
            return bool(found and found[0] == "committed")

    # -- inside ------------------------------------------------------------------------------------

    def _was_committed_after(self, error: Exception, number: int) -> bool:
        self._drop()
        self.in_doubt = True
        try:
            return self.was_committed(number)
        except Outside:
            doubt = InDoubt(self._held, _said(error), check=self._check_words())
            doubt.transaction = number
            raise doubt from error
        finally:
            self.in_doubt = False

    def _first(self, do: Callable[[psycopg.Cursor[Record]], Any]) -> Any:
        """Do a thing that nothing came before, once more where the connection was lost meanwhile."""
        connection, is_old = self._connection, self._connection is not None
        try:
            return do((connection or self._opened()).cursor())
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not is_old or connection is None or not connection.closed:
                raise
        self._drop()
        return do(self._opened().cursor())

    def _opened(self) -> psycopg.Connection[Record]:
        connection = self._connect()
        try:
            self._begin_session(connection)
        except BaseException:
            self._drop()
            raise
        return connection

    def _connect(self) -> psycopg.Connection[Record]:
        self._drop()
        connection = self._connection = psycopg.connect(**self._way, autocommit=True, row_factory=records)
        connection.prepare_threshold = 5
        adapt(connection)
        return connection

    def _begin_session(self, connection: psycopg.Connection[Record]) -> None:
        for statement in _SESSION:
            connection.execute(statement)
        self._on_connect(Transaction(connection.cursor()))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check(self, connection: psycopg.Connection[Record], readonly: bool, *, tables: bool) -> None:
        where = f"journal {shown(self.place)}"
        if connection.info.server_version < OLDEST:
            raise ConfigError(
                f"{where}: PostgreSQL {connection.info.server_version // 10000} is too old; 13 or newer"
            )
        if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
            raise ConfigError(f"{where}: the database's encoding is {encoding}; make one with UTF8")
        if self._shares_sessions(connection):
            raise ConfigError(
                f"{where}: a pooler between here and the database gives its sessions to whoever has a"
                " transaction (pgbouncer's pool_mode transaction); the journal needs pool_mode session"
            )
        version = version_of(Transaction(connection.cursor()))
        if version > len(MIGRATIONS):
            raise ConfigError(
                f"{where}: it is of a newer version of watcher ({version}, this one knows"
                f" {len(MIGRATIONS)}); nothing was touched. Install that version"
            )
        if tables and version == 0 and readonly:
            raise NoJournal(f"{where}: there is no journal yet; start the agent first")
        if tables and version < len(MIGRATIONS):
            with connection.transaction():
                migrate(Transaction(connection.cursor()))

    def _shares_sessions(self, connection: psycopg.Connection[Record]) -> bool:
        """Say whether a pooler gives our session to others, while we are between two transactions."""
        mine = _backend(connection)
        self.has_pooler = mine != connection.info.backend_pid  # those tell a number of their own
        if not self.has_pooler:
            return False
        with psycopg.connect(**self._way, autocommit=True, row_factory=records) as other, other.transaction():
            return _backend(other) == mine or _backend(connection) != mine

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the database does wrong into `Outside`."""
        try:
            yield
        except (errors.InsufficientPrivilege, psycopg.OperationalError, psycopg.InternalError,
                psycopg.InterfaceError) as error:  # fmt: skip
            if self._connection is not None and self._connection.closed:
                self._drop()
            raise Outside(self._held, _said(error), check=self._check_words()) from error

    def _check_words(self) -> str:
        return f"does PostgreSQL {shown(self.place)} answer, with room on its disk and the right to write?"


def _marked(statement: str) -> str:
    return statement.replace("?", "%s")


def _backend(connection: psycopg.Connection[Record]) -> int:
    found = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(found[0]) if found else 0


def _parsed(url: str) -> dict[str, Any]:
    try:
        return {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        pass  # its words may quote the password
    raise ConfigError(
        "journal: no URL that PostgreSQL's library understands: postgresql://user@host/database"
    )


def _said(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return f"the journal in PostgreSQL cannot be used: {shown(words[:300])}"
