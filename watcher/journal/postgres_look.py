"""What a database is like for a journal: whether we may write there, how far it is, what its clock says."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from watcher.core.target import Target
from watcher.journal.postgres_schema import MIGRATIONS, SCHEMA
from watcher.journal.postgres_store import PostgresStore

_TRIES = 3  # the fastest of these tells the way, and not what else went on
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen; nothing was changed."""

    place: str  # host and database
    server: str  # its version
    lacks: str  # what we may not do, and would have to; "": nothing
    agents: int | None  # that it knows; None: there are no tables yet
    answer_seconds: float
    commit_seconds: float | None  # None: it takes no writes at all
    has_pooler: bool  # between here and the database, which keeps sessions: others are refused
    ahead_seconds: float  # that this machine's clock is, of the database's
    loses: str  # settings of the server by which it may lose what it acknowledged; "": none


def look(
    url: str, *, clock: Callable[[], float] = time.perf_counter, now: Callable[[], float] = time.time
) -> Look:
    """Look at the database. `now`: this machine's time, in seconds since 1970.

    Raises `ConfigError` for what `PostgresStore` refuses, and `Outside` where it does not answer.
    """
    held = Target("folder", "journal")
    store = PostgresStore(
        url, held, name="watcher check", readonly=True, on_connect=lambda _: None, tables=False
    )
    with closing(store):
        answer = min(_seconds(lambda: store.query("SELECT 1"), clock) for _ in range(_TRIES))
        began = now()
        [[theirs]] = store.query("SELECT extract(epoch FROM clock_timestamp())::double precision")
        ahead = (began + now()) / 2 - theirs
        [[server]] = store.query("SHOW server_version")
        unsafe = (
            "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'"
        )
        tables = {
            record[0]
            for record in store.query("SELECT tablename FROM pg_tables WHERE schemaname = ?", (SCHEMA,))
        }
        # Of a replica, or by a setting of the role, the database or the URL: then there is no commit to time.
        [[read_only]] = store.query("SHOW transaction_read_only")
        lacks = _lacks(store, tables)
        agents = store.query("SELECT count(*) FROM agents") if "agents" in tables and not lacks else None
        return Look(
            store.place,
            str(server).split()[0],
            lacks,
            int(agents[0][0]) if agents else None,
            answer,
            None
            if read_only == "on"
            else min(_seconds(lambda: _commit(store), clock) for _ in range(_TRIES)),
            store.has_pooler,
            ahead,
            ", ".join(sorted(record[0] for record in store.query(unsafe))),
        )


def _seconds(do: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    do()
    return clock() - began


def _commit(store: PostgresStore) -> None:
    with store.writing():  # it gets a number, so its end is written down
        pass


def _lacks(store: PostgresStore, tables: set[str]) -> str:
    """Say which right is missing, for people; "": none. Asks the catalog, so that nothing is left behind."""
    if not tables:
        return _lacks_to_make(store)
    for table in sorted(tables):
        for right in _RIGHTS:
            [[may]] = store.query("SELECT has_table_privilege(?, ?)", (f"{SCHEMA}.{table}", right))
            if not may:
                return f"{right} on the table {SCHEMA}.{table}"
    # Each file that comes to its end takes a number. (The sequences of ids need no right of their own.)
    there = "SELECT 1 FROM pg_sequences WHERE schemaname = ? AND sequencename = 'ends'"
    for right in ("USAGE", "SELECT") if store.query(there, (SCHEMA,)) else ():
        [[may]] = store.query("SELECT has_sequence_privilege(?, ?)", (f"{SCHEMA}.ends", right))
        if not may:
            return f"{right} on the sequence {SCHEMA}.ends"
    return _lacks_to_change(store)


def _lacks_to_make(store: PostgresStore) -> str:
    there = store.query(
        "SELECT has_schema_privilege(nspname, 'CREATE') FROM pg_namespace WHERE nspname = ?", (SCHEMA,)
    )
    if there:
        return "" if there[0][0] else f"CREATE in the schema {SCHEMA}"
    [[may]] = store.query("SELECT has_database_privilege(current_database(), 'CREATE')")
    return "" if may else f"CREATE in the database, or a schema {SCHEMA} made for it"


def _lacks_to_change(store: PostgresStore) -> str:
    """Say what is missing to bring tables of an older version up to date, which their owner alone may."""
    [[version]] = store.query("SELECT number FROM version")
    if version == len(MIGRATIONS):
        return ""
    owned = "SELECT bool_and(pg_has_role(tableowner, 'USAGE')) FROM pg_tables WHERE schemaname = ?"
    [[may]] = store.query(owned, (SCHEMA,))
    return "" if may else f"bring the tables up to date (version {version}): they are another role's"
