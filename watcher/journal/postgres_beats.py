"""An agent's heartbeat in PostgreSQL, and its ear: one connection for both, beside that of the journal.

A question that takes long on the other one must not cost the lease. What goes wrong here is tried again at
each beat: whoever needs the lease asks for it, and the journal's own connection says what is wrong.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from watcher import __version__
from watcher.core.errors import Outside
from watcher.core.target import Target
from watcher.journal.lease import Lease
from watcher.journal.peers import BEATS_PER_LEASE
from watcher.journal.postgres_memory import (
    MOST_LOST_SECONDS,
    TOLERANCE_SECONDS,
    Memory,
    Restored,
    lost_words,
)
from watcher.journal.postgres_schema import CHANNEL
from watcher.journal.postgres_store import Listener, Transaction

_RESTORED = (
    "was it restored from a backup? Restore a newer one; or say that it is right as it is, with `watcher"
    " journal accept`: files that are in the work folder, and that it does not know, are sent anew then"
)
_ANOTHER = (
    "does `journal` name the database that it was in? Bring that back, and take what it knows along with"
    " `watcher journal copy --back`, and `watcher journal copy`; or say that this one is right, with `watcher"
    " journal accept`: files that are in the work folder, and that it does not know, are sent anew then"
)
_PIECE_SECONDS = 0.2  # that is heard for at a time: an end waits no longer
# One that begins has promised nothing yet: until then it holds what it promised in its life before.
_BEAT = """
    UPDATE agents
    SET seen_at = clock_timestamp(), told_at = clock_timestamp(), ended_at = NULL,
        request_seconds = coalesce(?::double precision, request_seconds)
    FROM (SELECT id, seen_at + make_interval(secs => lease_seconds) < clock_timestamp() AS is_over
          FROM agents WHERE id = ? FOR UPDATE) AS before
    WHERE agents.id = before.id RETURNING before.is_over, extract(epoch FROM told_at)::double precision
"""
_HEARD = """
    SELECT (SELECT value FROM meta WHERE key = 'journal_id'),
        (SELECT extract(epoch FROM told_at)::double precision FROM agents WHERE id = ?)
"""


class Beats:
    """One agent's: a thread from `begin` to `end`."""

    def __init__(self, agent_id: str, lease: Lease, memory: Memory, held: Target) -> None:
        self.lease = lease
        self.times_over = 0  # that our lease was, by the database's clock: then rows may be others' now
        self.wake: Callable[[str], None] = lambda _told: None
        self.has_lost = threading.Event()  # the database has forgotten what we wrote last
        self._agent, self._memory, self._held = agent_id, memory, held
        self._promise: float | None = None  # seconds
        self._promised: float | None = None  # as the database has it
        self._is_new = False  # the database had never heard of us
        self._began_at: float | None = None  # then: when it did, seconds since 1970
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, listening: Callable[[str], AbstractContextManager[Listener]]) -> None:
        """Begin to beat. `listening` gives a connection that hears a channel; it may raise `Outside`."""
        self._thread = threading.Thread(target=self._run, args=[listening], name="heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End; waits for a beat that is under way."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def promise(self, seconds: float) -> None:
        """A request of ours takes at most so long; told with the next beat."""
        self._promise = seconds

    @property
    def is_good(self) -> bool:
        """Whether the lease holds, and what we promised is known."""
        return not self.lease.is_over and self._promise == self._promised

    def register(self, connection: Transaction, *, began: bool) -> None:
        """Say that we live, and since when: from now on, or with `began` as before."""
        self._heard(connection)  # raises, before anything is written
        since = "agents.started_at" if began else "excluded.started_at"
        connection.execute(
            "INSERT INTO agents (id, host, pid, version, started_at, seen_at, lease_seconds)"
            " VALUES (?, ?, ?, ?, clock_timestamp(), clock_timestamp(), ?)"
            " ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid,"
            f" version = excluded.version, started_at = {since}",
            (self._agent, socket.gethostname(), os.getpid(), __version__, self.lease.seconds),
        )
        self.beat(connection)
        # Now: until then it was the lease of whoever we were before.
        connection.execute(
            "UPDATE agents SET lease_seconds = ? WHERE id = ?", (self.lease.seconds, self._agent)
        )

    def beat(self, connection: Transaction) -> bool:
        """Make the lease longer; returns whether we are registered. Raises `Restored`."""
        asked_at, promise = self.lease.clock(), self._promise
        journal = self._heard(connection)
        found = connection.execute(_BEAT, (promise, self._agent)).fetchone()
        if found is None:
            return False
        if found[0]:
            self.times_over += 1
        self._promised = promise
        if self._is_new and self._began_at is None:
            self._began_at = found[1]
        self._memory.keep(journal, found[1])
        self.lease.renewed(asked_at)
        return True

    def _heard(self, connection: Transaction) -> str:
        """See whether the database knows what it knew; returns its id."""
        of, known = self._memory.latest  # first: another heartbeat of ours may come in between
        journal, seen = connection.execute(_HEARD, (self._agent,)).fetchone() or ("", None)
        if known is None and seen is None:
            self._is_new = True
        if of not in (None, journal) and not self._memory.is_accepted():
            raise Restored(
                self._held, "this database is another one than that with this agent's journal", check=_ANOTHER
            )
        if known is not None and of == journal and (seen is None or seen < known - TOLERANCE_SECONDS):
            least = self._began_at if seen is None else seen
            if least is not None and known - least <= MOST_LOST_SECONDS:
                self.has_lost.set()
            elif not self._memory.is_accepted():
                raise Restored(self._held, lost_words(known, seen), check=_RESTORED)
        return str(journal)

    def _run(self, listening: Callable[[str], AbstractContextManager[Listener]]) -> None:
        while not self._ending.is_set():
            with suppress(Outside), listening(CHANNEL) as connection:
                while not self._ending.is_set():
                    if self._is_due and not self.beat(connection):
                        self.register(connection, began=True)  # somebody removed our row
                    self._listen(connection)
            self._ending.wait(self._pause)

    def _listen(self, connection: Listener) -> None:
        """Hear what is told until the next beat is due."""
        while not (self._ending.is_set() or self._is_due):
            if (told := connection.hear(_PIECE_SECONDS)) is not None:
                self.wake(told)

    @property
    def _is_due(self) -> bool:
        return self.lease.age >= self._pause or self._promise != self._promised

    @property
    def _pause(self) -> float:
        return self.lease.seconds / BEATS_PER_LEASE
