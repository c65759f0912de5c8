"""The journal's tables in PostgreSQL, in a schema of their own; the columns are those of `schema`.

Text is compared byte by byte (collation C): times and states must sort as they do everywhere else.
"""

from __future__ import annotations

from watcher.core.model import FINAL
from watcher.journal.store import Connection

SCHEMA = "watcher"
FIRST_ID = 1_000_000_001  # of new rows; before them there is room for those of older journals
CHANNEL = "watcher"  # of NOTIFY: a file came to its end, or what it says
LEASE_ENDS = "seen_at + make_interval(secs => lease_seconds)"
LIVES = f"ended_at IS NULL AND {LEASE_ENDS} > clock_timestamp()"
_MIGRATING = 0x77617463  # advisory lock of whoever makes or changes the tables: "watc"

_TEXT = 'TEXT COLLATE "C"'
_ENDS = ", ".join(f"'{state}'" for state in sorted(FINAL))

# One item a version: the statements that bring a journal from the version before to it.
MIGRATIONS: tuple[str, ...] = (
    f"""
    CREATE TABLE meta (key {_TEXT} PRIMARY KEY, value {_TEXT} NOT NULL);
    CREATE TABLE files (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner {_TEXT} NOT NULL, state {_TEXT} NOT NULL,
        name BYTEA NOT NULL, origin {_TEXT} NOT NULL, source BYTEA NOT NULL,
        route {_TEXT}, acd_type {_TEXT}, push_token {_TEXT} NOT NULL, earlier_tokens {_TEXT},
        device {_TEXT} NOT NULL, inode {_TEXT} NOT NULL, size BIGINT NOT NULL, mtime_ns {_TEXT} NOT NULL,
        sha256 {_TEXT}, destination {_TEXT}, position BIGINT NOT NULL DEFAULT 0,
        chunks BIGINT NOT NULL DEFAULT 0, sending_to BIGINT, sends BIGINT NOT NULL DEFAULT 0, total BIGINT,
        target BYTEA, aside BYTEA, removed_at {_TEXT}, started_at {_TEXT} NOT NULL, finished_at {_TEXT},
        reason {_TEXT}, what_to_do {_TEXT}, lines {_TEXT}, status BIGINT, server_said {_TEXT}, note {_TEXT},
        problems {_TEXT}, records BIGINT, first_line {_TEXT}, last_line {_TEXT}
    );
    CREATE INDEX files_open ON files (id) WHERE state NOT IN ({_ENDS});
    CREATE INDEX files_by_owner ON files (owner, id);
    CREATE INDEX files_by_route ON files (route, id);
    CREATE INDEX files_by_state ON files (state, id);
    CREATE INDEX files_by_target ON files (target);
    CREATE INDEX files_by_token ON files (push_token);
    CREATE INDEX files_by_content ON files (sha256) WHERE sha256 IS NOT NULL;
    CREATE INDEX files_by_finish ON files (state, finished_at);
    CREATE INDEX files_by_end ON files (finished_at);
    CREATE TABLE holds (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target {_TEXT} NOT NULL, reason {_TEXT} NOT NULL, began_at {_TEXT} NOT NULL, ended_at {_TEXT} NOT NULL
    );
    CREATE INDEX holds_by_end ON holds (ended_at);
    CREATE TABLE agents (
        id {_TEXT} PRIMARY KEY, host {_TEXT} NOT NULL, pid BIGINT NOT NULL, version {_TEXT} NOT NULL,
        started_at TIMESTAMPTZ NOT NULL, seen_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ
    );
    CREATE FUNCTION instr(TEXT, TEXT) RETURNS INTEGER LANGUAGE SQL IMMUTABLE AS 'SELECT strpos($1, $2)'
    """,
    f"""
    ALTER TABLE agents
        ADD COLUMN lease_seconds DOUBLE PRECISION NOT NULL DEFAULT 30,
        ADD COLUMN request_seconds DOUBLE PRECISION,
        ADD COLUMN told_at TIMESTAMPTZ;
    ALTER TABLE files ADD COLUMN quiet_at TIMESTAMPTZ, ADD COLUMN end_number BIGINT;
    CREATE INDEX files_by_end_number ON files (end_number) WHERE end_number IS NOT NULL;
    ALTER TABLE files ALTER COLUMN id RESTART WITH {FIRST_ID};
    INSERT INTO meta VALUES ('journal_id', gen_random_uuid()::text);
    CREATE TABLE told (key {_TEXT} NOT NULL, agent {_TEXT} NOT NULL, until TIMESTAMPTZ NOT NULL);
    CREATE INDEX told_by_key ON told (key);
    CREATE SEQUENCE ends;
    CREATE FUNCTION next_end() RETURNS BIGINT LANGUAGE SQL
        AS 'SELECT nextval(''ends'') FROM pg_notify(''watcher'', '''')'
    """,
    f"""
    CREATE TABLE probes (
        target {_TEXT} PRIMARY KEY, agent {_TEXT} NOT NULL, tries BIGINT NOT NULL,
        free_at TIMESTAMPTZ NOT NULL, until TIMESTAMPTZ, is_wanted BOOLEAN NOT NULL
    );
    CREATE TABLE limits (
        agent {_TEXT} NOT NULL, place {_TEXT} NOT NULL, bytes BIGINT NOT NULL, PRIMARY KEY (agent, place)
    )
    """,
)


def version_of(connection: Connection) -> int:
    """Return the version of the tables; 0: there are none."""
    # By the tables of the catalog: what to_regclass() says may be from before we waited for another agent.
    there = connection.execute(
        "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = 'version'", (SCHEMA,)
    ).fetchone()
    if there is None:
        return 0
    found = connection.execute(f"SELECT number FROM {SCHEMA}.version").fetchone()
    return int(found[0]) if found else 0


def migrate(connection: Connection) -> None:
    """Bring the tables to the newest version within one transaction; one agent at a time."""
    connection.execute("SELECT pg_advisory_xact_lock(?)", (_MIGRATING,))
    version = version_of(connection)  # another agent may have been faster
    if version == 0:
        there = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", (SCHEMA,))
        if there.fetchone() is None:  # who may not make one may use one that was made for us
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
    connection.execute(f"SET LOCAL search_path TO {SCHEMA}")
    if version == 0:
        connection.execute("CREATE TABLE version (number BIGINT NOT NULL)")
        connection.execute("INSERT INTO version VALUES (0)")
    for migration in MIGRATIONS[version:]:
        for statement in migration.split(";"):
            connection.execute(statement)
    connection.execute("UPDATE version SET number = ?", (len(MIGRATIONS),))
