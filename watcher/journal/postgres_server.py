"""`peers.SharedServer` in PostgreSQL: one schedule of probes for all agents, and what they learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watcher.core.target import Target
from watcher.journal.peers import PROBED, Failed, Place
from watcher.journal.postgres_schema import CHANNEL, LIVES
from watcher.journal.postgres_store import PostgresStore, Transaction

# While another one probes it is asked so often whether that failed; that it came through is told.
BUSY_SECONDS = 1.0
PROBE_SECONDS = 20.0  # without a word of whoever probes: then another one does
# Whoever tried last lets those go first that asked meanwhile: it may be its file that is to blame.
COURTESY_SECONDS = 0.5
# In one statement: a row that another agent takes away between two would be there, and not.
_FOUND = f"""
    INSERT INTO probes VALUES (?, '', 0, clock_timestamp(), NULL, false)
    ON CONFLICT (target) DO UPDATE SET is_wanted = probes.is_wanted OR probes.agent <> ?
    RETURNING agent = ?, extract(epoch FROM free_at - clock_timestamp())::double precision, is_wanted,
        coalesce(until > clock_timestamp(), false)
            AND EXISTS (SELECT 1 FROM agents WHERE agents.id = probes.agent AND {LIVES})
"""
# What was left by agents that are gone says nothing of a fault of today.
_TAKEN = """
    UPDATE probes SET agent = ?, until = clock_timestamp() + make_interval(secs => ?), is_wanted = false,
        tries = CASE WHEN free_at < clock_timestamp() - make_interval(secs => 2 * ?) THEN 0 ELSE tries END
    WHERE target = ANY(?::text[])
"""
# Before several are changed they are locked, by everybody in this order: or two would wait for each other.
_IN_ORDER = "SELECT 1 FROM probes WHERE target = ANY(?::text[]) ORDER BY target FOR UPDATE"
_GOES_ON = """
    UPDATE probes SET until = clock_timestamp() + make_interval(secs => ?)
    WHERE target = ANY(?::text[]) AND agent = ? AND until IS NOT NULL
"""
_FAILED = """
    UPDATE probes SET until = NULL, tries = tries + 1, free_at = clock_timestamp()
        + make_interval(secs => coalesce(?::double precision, least(?, power(2, least(tries, 40)))))
    WHERE target = ANY(?::text[]) AND agent = ?
"""


class PostgresServer:
    """For one agent that lives."""

    def __init__(self, database: PostgresStore, agent: str) -> None:
        self._database, self._agent = database, agent
        self._told: dict[str, int] | None = None  # what the database has of us

    def may_probe(self, targets: Sequence[Target], *, cap: float, at_once: bool) -> float:
        """As `SharedServer.may_probe`."""
        keys = sorted(map(_key, targets))
        with self._database.writing() as connection:
            wait = max(self._wait(connection, key, at_once=at_once) for key in keys)
            if wait <= 0:
                connection.execute(_TAKEN, (self._agent, PROBE_SECONDS, cap, keys))
        return max(0.0, wait)

    def still_probing(self, targets: Sequence[Target]) -> None:
        """As `SharedServer.still_probing`."""
        keys = sorted(map(_key, targets))
        with self._database.writing() as connection:
            connection.execute(_IN_ORDER, (keys,))
            connection.execute(_GOES_ON, (PROBE_SECONDS, keys, self._agent))

    def _wait(self, connection: Transaction, key: str, *, at_once: bool) -> float:
        """Return the seconds until this one may be probed by us; 0 or less: now."""
        found = connection.execute(_FOUND, (key, self._agent, self._agent)).fetchone()
        assert found is not None, "it is there, or was put there"
        is_ours, seconds, is_wanted, is_busy = found
        if is_busy:
            return 0.0 if is_ours else BUSY_SECONDS
        if at_once:
            return 0.0
        return float(seconds) + (COURTESY_SECONDS if is_ours and is_wanted else 0.0)

    def probed(self, targets: Sequence[Target], *, failed: Failed | None) -> None:
        """As `SharedServer.probed`."""
        keys = sorted(map(_key, targets))
        with self._database.writing() as connection:
            connection.execute(_IN_ORDER, (keys,))
            if failed is not None:
                connection.execute(_FAILED, (failed.wait, failed.cap, keys, self._agent))
                return
            connection.execute(
                "DELETE FROM probes WHERE target = ANY(?::text[]) AND agent = ?", (keys, self._agent)
            )
            connection.execute("SELECT pg_notify(?, ?)", (CHANNEL, PROBED))

    def limits(self, ours: Mapping[Place, int | None]) -> dict[Place, int]:
        """As `SharedServer.limits`."""
        keys = {place: _text(*place) for place in ours}
        told = {keys[place]: limit for place, limit in ours.items() if limit is not None}
        if told != self._told:
            with self._database.writing() as connection:
                connection.execute("DELETE FROM limits WHERE agent = ?", (self._agent,))
                connection.executemany(
                    "INSERT INTO limits VALUES (?, ?, ?)",
                    [(self._agent, key, limit) for key, limit in told.items()],
                )
            self._told = told
        found = self._database.query(
            "SELECT place, min(bytes) FROM limits JOIN agents ON agents.id = limits.agent"
            f" WHERE agent <> ? AND {LIVES} GROUP BY 1",
            (self._agent,),
        )
        theirs = {record[0]: int(record[1]) for record in found}
        return {place: theirs[key] for place, key in keys.items() if key in theirs}


def _key(target: Target) -> str:
    return _text(target.kind, target.name)


def _text(*words: str) -> str:
    """Return what every database takes as text: an unpaired surrogate is none."""
    return " ".join(words).encode("utf-8", "backslashreplace").decode()
