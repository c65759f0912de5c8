"""The journal of several agents, in one PostgreSQL database: each has its own rows, and all see all.

An agent's session is an advisory lock on its id, which refuses a second one; with the connection it is lost
and taken anew before anything else is done on the next. Whether it lives is decided by its lease (`peers`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from watcher.core.errors import ConfigError, Outside, TakenOver
from watcher.core.model import FINAL, Claim, FileState, Row
from watcher.core.names import counted
from watcher.core.steps import Step
from watcher.core.target import Target
from watcher.journal.lease import Lease
from watcher.journal.peers import LEASE_SECONDS
from watcher.journal.postgres_beats import Beats
from watcher.journal.postgres_memory import Memory, Recent, Restored, write_again
from watcher.journal.postgres_peers import OPEN, TIME, PostgresPeers
from watcher.journal.postgres_schema import FIRST_ID
from watcher.journal.postgres_store import InDoubt, PostgresStore, Transaction
from watcher.journal.protocol import AgentSeen
from watcher.journal.sql import SqlJournal
from watcher.journal.store import Connection

_LIVES = 0x61676E74  # advisory locks of agents that live, each by its id: "agnt"


class PostgresJournal(SqlJournal):
    """A `protocol.Journal` of one agent among several."""

    def __init__(
        self,
        url: str,
        agent_id: str,
        held: Target,
        *,
        lives: bool = False,
        readonly: bool = False,
        lease: Lease | None = None,
        memory: Path | None = None,
    ) -> None:
        """`held`: what is held while the database is away. `lives`: this is the agent itself, and no other
        process may be; with its `lease`; `memory`: the folder in which it keeps what it knows of
        the database. Raises what `PostgresStore` raises, and `ConfigError` where another
        one lives."""
        self._lives = lives
        self._began = False
        self._turn = threading.RLock()
        self._doubt: tuple[int, list[Claim], list[Step]] | None = None
        self.under_hand: set[int] = set()  # rows of ours that this process knows of: nobody takes them twice
        self._recent = Recent()
        self._is_to_compare = False  # that, with a database we were connected to anew
        self.news: list[str] = []  # to be told
        self.may_have_more = False  # open rows of ours, that nobody of this process knows of
        self._landed: list[Step] = []  # steps that were taken, though whoever asked was told of a fault
        self._agent, self._held = agent_id, held
        self._beats = Beats(agent_id, lease or Lease(LEASE_SECONDS), Memory(memory), held)
        name = f"watcher {agent_id}"
        self._database = PostgresStore(
            url, held, name=name, readonly=readonly, on_connect=self._begin_session
        )
        super().__init__(self._database, agent_id)
        self._at_end = ", end_number = next_end()"  # which tells the others, too
        self._began = True
        if lives:
            self.peers = PostgresPeers(self, self._database, self._beats, held)
            self._beats.begin(self._database.listening)

    def close(self) -> None:
        """Say that the agent ended, and close the connection; the journal stays as it is."""
        self._beats.end()
        if self._lives:
            with suppress(Outside), self._database.writing() as connection:
                connection.execute(
                    "UPDATE agents SET seen_at = clock_timestamp(), ended_at = clock_timestamp()"
                    " WHERE id = ?",
                    (self._agent,),
                )
        super().close()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Nothing is in doubt in this block, and nobody else of this process writes. Raises `Outside`."""
        with self._turn:
            self._settle()
            if self._is_to_compare:
                with self._database.writing() as connection:
                    self._compare(connection)
            if self._beats.has_lost.is_set():
                with self._database.writing() as connection:
                    self._write_again(connection)
            yield

    def claim(self, claims: Sequence[Claim]) -> list[Row]:
        """As `SqlJournal.claim`; of claims whose answer was lost nothing stays."""
        return self.claim_some(lambda _connection: claims) if claims else []

    def claim_some(self, choose: Callable[[Transaction], Sequence[Claim]]) -> list[Row]:
        """Claim what is chosen within the transaction; of claims whose answer was lost nothing stays."""
        with self.settled():
            claims: Sequence[Claim] = ()
            try:
                with self._database.writing() as connection:
                    claims = choose(connection)
                    rows = [self._inserted(connection, claim) for claim in claims]
            except InDoubt as doubt:
                self._doubt = (doubt.transaction, list(claims), [])
                raise
            self._known.update({row.id: row for row in rows})
            self._recent.keep(rows)
            self.under_hand |= {row.id for row in rows}
            return rows

    def forget(self, rows: Sequence[Row]) -> None:
        """As `SqlJournal.forget`; rows that are gone since an answer was lost are no fault."""
        with self.settled():
            super().forget(rows)
            self._recent.forget(rows)
            self.under_hand -= {row.id for row in rows}

    def apply(self, steps: Sequence[Step]) -> list[Row]:
        """As `SqlJournal.apply`; a step whose answer was lost is not taken twice."""
        with self.settled():
            landed = [step for step in steps if step in self._landed]
            others = [step for step in steps if step not in landed]
            # Read first: should that fail, nothing was taken of the others, which will be asked for again.
            known = {step.row.id: self.row(step.row.id) for step in landed}
            try:
                rows = iter(super().apply(others))
            except InDoubt as doubt:
                self._doubt = (doubt.transaction, [], others)
                raise
            except TakenOver as lost:
                self.under_hand.discard(lost.id)
                raise
            self._landed = [step for step in self._landed if step not in landed]
            found = [known[step.row.id] if step in landed else next(rows) for step in steps]
            self._recent.keep(found)
            self.under_hand |= {row.id for row in found}
            self.under_hand -= {row.id for row in found if row.state in FINAL}
            return found

    def under_way(self, origin: Literal["drop", "hand"], *, of_all: bool = False) -> list[Row]:
        """As `SqlJournal.under_way`."""
        rows = super().under_way(origin, of_all=of_all)
        self.under_hand |= {row.id for row in rows if row.owner == self.agent_id}
        return rows

    def took(self, rows: Sequence[Row]) -> None:
        """These are ours from now on; what we knew of them from before they were others' is out of date."""
        self._known.update({row.id: row for row in rows})
        self._recent.keep(rows)
        self.under_hand |= {row.id for row in rows}

    def agents(self) -> list[AgentSeen]:
        """Return the agents that share the journal, by their ids."""
        found = self._store.query(
            f"SELECT id, host, pid, version, {TIME.format('started_at')}, {TIME.format('seen_at')},"
            f" {TIME.format('ended_at')},"
            " ended_at IS NULL AND seen_at < clock_timestamp() - make_interval(secs => lease_seconds)"
            " FROM agents ORDER BY id"
        )
        return [AgentSeen(*record) for record in found]

    def quiet_until(self) -> dict[int, str]:
        """As `SqlJournal.quiet_until`."""
        found = self._store.query(
            f"SELECT id, {TIME.format('quiet_at')} FROM files WHERE {OPEN} AND quiet_at > clock_timestamp()"
        )
        return {record[0]: record[1] for record in found}

    def ids_for_old_rows(self, connection: Connection, count: int) -> Iterator[int] | None:
        """As `SqlJournal.ids_for_old_rows`: below all ids that were given, where room was left for that."""
        [first] = connection.execute("SELECT coalesce(min(id), ?) FROM files", (FIRST_ID,)).fetchone()
        return iter(range(first - count, first))

    # -- inside ------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Hear what became of the transaction whose answer was lost. Raises `Outside` until we can."""
        if self._doubt is None:
            return
        number, claims, steps = self._doubt
        if self._database.was_committed(number) and self._are_taken(steps):
            self._landed += steps
            # The last one is there: so are all before.
            self._is_to_compare = self._is_to_compare and not steps
            with self._database.writing() as connection:
                # Whoever claimed was told of a fault: these files never left the drop folder.
                connection.executemany(
                    "DELETE FROM files WHERE owner = ? AND state = ? AND push_token = ?",
                    [
                        (self._agent, FileState.REJECTED if claim.fault else FileState.SEEN, claim.push_token)
                        for claim in claims
                    ],
                )
        self._doubt = None

    def _are_taken(self, steps: Sequence[Step]) -> bool:
        """Say whether rows are not any more as they were before these: a replica that took over may have
        given the number of a transaction to another one."""
        with suppress(LookupError):
            return all(self.row(step.row.id) != self._recent.before(step) for step in steps)
        return False

    def _compare(self, connection: Connection) -> None:
        """See whether the database has what we wrote last: a heartbeat tells of what was lost before it."""
        self._is_to_compare = False
        if self._recent.is_forgotten(connection, self._agent):
            self._beats.has_lost.set()

    def _write_again(self, connection: Connection) -> None:
        """Write what the database has forgotten, as far as this process knows it."""
        if count := write_again(connection, self._agent, self._recent.rows):
            self.may_have_more = True
            words = "PostgreSQL lost what it was told last, by a failover: written again for"
            self.news.append(f"{words} {counted(count, 'file')}")
        self._beats.has_lost.clear()

    def _begin_session(self, connection: Transaction) -> None:
        if not self._lives:
            return
        taken = connection.execute(
            "SELECT pg_try_advisory_lock(?, hashtext(?))", (_LIVES, self._agent)
        ).fetchone()
        if not (taken and taken[0]):
            words = f"another agent with the id {self._agent} is running with this journal"
            if self._began:
                raise Outside(self._held, words, check="is the state folder a copy of another agent's?")
            raise ConfigError(f"{words}; stop it first. Is the state folder a copy of another agent's?")
        try:
            self._beats.register(connection, began=self._began)
        except Restored as fault:
            if self._began:
                raise
            raise ConfigError(f"{fault.reason}; {fault.check}") from None
        self._is_to_compare = True
        if self._began and self._database.in_doubt:
            # What it has may be newer than what we know, until we know of that. And the number of our
            # transaction may be another's where it went back.
            if self._beats.has_lost.is_set():
                raise Outside(self._held, "the database went back while a transaction was not answered")
            return
        if self._doubt is None:
            self._compare(connection)
        if self._beats.has_lost.is_set():  # before anybody goes on with what is there
            connection.execute("BEGIN")
            self._write_again(connection)
            connection.execute("COMMIT")
