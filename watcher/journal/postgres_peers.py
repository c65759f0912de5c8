"""`peers.Peers` in PostgreSQL: leases, the files of the dead, and one queue, by statements."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watcher.core.errors import Outside, TakenOver
from watcher.core.model import FINAL, Claim, Row
from watcher.core.target import Target
from watcher.journal.peers import SECONDS_A_BYTE, Taken, Turn
from watcher.journal.postgres_beats import Beats
from watcher.journal.postgres_schema import LEASE_ENDS, LIVES
from watcher.journal.postgres_server import PostgresServer
from watcher.journal.postgres_store import PostgresStore, Transaction
from watcher.journal.postgres_values import Record
from watcher.journal.schema import row_of, stored

if TYPE_CHECKING:
    from watcher.journal.postgres import PostgresJournal

TIME = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
_CLAIMING = 0x71756575  # advisory lock of whoever claims: "queu"
_TELLING = 0x74656C6C  # ... of whoever tells people: "tell"
OPEN = "state NOT IN ({}) AND origin = 'drop'".format(", ".join(f"'{state}'" for state in sorted(FINAL)))
_THEIRS = f"{OPEN} AND owner = ? AND id <> ALL(?::bigint[])"
_QUIET_IN = "extract(epoch FROM quiet_at - clock_timestamp())::double precision"
_LOST = (
    "does PostgreSQL answer in time? Until it does, another agent may go on with what this one has under way"
)


class PostgresPeers:
    """For one agent that lives."""

    def __init__(self, journal: PostgresJournal, database: PostgresStore, beats: Beats, held: Target) -> None:
        self._journal, self._database, self._beats, self._held = journal, database, beats, held
        self._agent = journal.agent_id
        self.server = PostgresServer(database, self._agent)
        self._times_seen = 0  # that our lease was over: since then it is known what others took
        self._lost: dict[int, str] = {}  # and this is it, as far as nobody asked
        self._learning = threading.Lock()

    # -- the lease ---------------------------------------------------------------------------------

    def promise(self, request_seconds: float) -> None:
        """As `Peers.promise`; it is told with the next heartbeat, which comes at once."""
        self._beats.promise(request_seconds)

    def beat(self) -> None:
        """Make our lease longer, and tell our promise, now. Raises `Outside`."""
        with self._database.writing() as connection:
            self._beats.beat(connection)

    def require_lease(self, id: int) -> None:
        """As `Peers.require_lease`."""
        if not self._beats.is_good:
            self.beat()
        # In this order: a beat that makes it longer may say that it was over.
        if not self._beats.is_good:
            words = "the lease of this agent on its files is over: it is not made longer in time"
            raise Outside(self._held, words, check=_LOST)
        self._learn()
        if id not in self._journal.under_hand:
            raise TakenOver(id, "")

    def listen(self, wake: Callable[[str], None]) -> None:
        """As `Peers.listen`."""
        self._beats.wake = wake

    def news(self) -> list[str]:
        """As `Peers.news`."""
        told, self._journal.news = self._journal.news, []
        return told

    def is_first(self, key: str, *, seconds: float, sees: Callable[[], Collection[str]] | None) -> bool:
        """As `Peers.is_first`."""
        what, near = stored("reason", key), None if sees is None else [*sees(), self._agent]
        with self._database.writing() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(?)", (_TELLING,))
            connection.execute("DELETE FROM told WHERE until < clock_timestamp()")
            told = connection.execute("SELECT agent FROM told WHERE key = ?", (what,)).fetchall()
            if any(near is None or record[0] in near for record in told):
                return False
            until = "clock_timestamp() + make_interval(secs => ?)"
            connection.execute(f"INSERT INTO told VALUES (?, ?, {until})", (what, self._agent, seconds))
        return True

    # -- the files of the dead ---------------------------------------------------------------------

    def take_over(
        self, sees: Callable[[], Collection[str]], routes: Collection[str], busy: Collection[int] = ()
    ) -> list[Taken]:
        """As `Peers.take_over`."""
        if self._beats.has_lost.is_set():
            with self._journal.settled():
                pass  # what it forgot is written again, before anybody is believed to be dead
        dead = self._dead()
        near = set(dead) & set(sees()) if dead else set()
        if not near and not self._journal.may_have_more:
            return []
        with self._journal.settled():
            ours, self._journal.may_have_more = [*self._journal.under_hand, *busy], True
            with self._database.writing() as connection:
                was = {id: agent for agent in near for id in self._moved(connection, agent, ours, routes)}
                # Those too that we took before, if we were not told so.
                rows = connection.execute(
                    f"SELECT *, {_QUIET_IN} AS quiet_in FROM files WHERE {_THEIRS} ORDER BY id",
                    (self._agent, ours),
                ).fetchall()
            self._journal.may_have_more = not self._journal.under_hand.issuperset(busy)
            self._journal.took([row_of(record) for record in rows])
        return [self._told(record, dead.get(was.get(record["id"], ""))) for record in rows]

    def _dead(self) -> dict[str, tuple[str, str, str]]:
        """Return id, host and last heartbeat of agents whose lease is over while files of theirs are open."""
        found = self._database.query(
            f"SELECT id, host, {TIME.format('seen_at')} FROM agents"
            f" WHERE id <> ? AND {LEASE_ENDS} < clock_timestamp()"
            f" AND EXISTS (SELECT 1 FROM files WHERE {OPEN} AND owner = agents.id)",
            (self._agent,),
        )
        return {record[0]: (record[0], record[1], record[2]) for record in found}

    def _moved(
        self, connection: Transaction, agent: str, ours: list[int], routes: Collection[str]
    ) -> list[int]:
        """Make the files of a dead agent ours; returns their rows."""
        # Locked: it beats before, and lives, or behind us, and finds that its files are ours.
        is_dead = connection.execute(
            f"SELECT 1 FROM agents WHERE id = ? AND {LEASE_ENDS} < clock_timestamp() FOR UPDATE", (agent,)
        ).fetchone()
        if not is_dead:
            return []
        theirs = connection.execute(
            f"SELECT id, route FROM files WHERE {OPEN} AND owner = ?", (agent,)
        ).fetchall()
        if not set(ours).isdisjoint(record["id"] for record in theirs):
            return []  # one that we are still at, from before it was theirs, goes before others: with it
        ours_too = {None, *map(_stored, routes)}
        fit = [record["id"] for record in theirs if record["route"] in ours_too]
        # What was announced may be under way until its deadline; where that is not known, for a day.
        seconds = "coalesce(request_seconds, 86400) + (sending_to - position) * ?::double precision"
        connection.execute(
            "UPDATE files SET owner = ?, quiet_at = CASE WHEN sending_to IS NULL THEN quiet_at ELSE greatest("
            f"quiet_at, (SELECT {LEASE_ENDS} + make_interval(secs => {seconds})"
            " FROM agents WHERE agents.id = ?)) END WHERE id = ANY(?::bigint[])",
            (self._agent, SECONDS_A_BYTE, agent, fit),
        )
        return fit

    def _told(self, record: Record, was: tuple[str, str, str] | None) -> Taken:
        agent, host, since = was or ("", "", "")
        return Taken(row_of(record), agent, host, since, max(0.0, record["quiet_in"] or 0.0))

    def quiet_in(self) -> dict[int, float]:
        """As `Peers.quiet_in`."""
        found = self._database.query(
            f"SELECT id, {_QUIET_IN} FROM files WHERE {OPEN} AND owner = ? AND quiet_at > clock_timestamp()",
            (self._agent,),
        )
        return {record[0]: record[1] for record in found}

    def lost(self) -> dict[int, str]:
        """As `Peers.lost`."""
        self._learn()
        with self._learning:
            lost, self._lost = self._lost, {}
        return lost

    def _learn(self) -> None:
        """If our lease was over, see what others took meanwhile."""
        with self._learning:
            times_over = self._beats.times_over
            if times_over == self._times_seen:
                return
            ours = set(self._journal.under_hand)
            found = self._database.query(
                "SELECT id, owner FROM files WHERE id = ANY(?::bigint[])", (list(ours),)
            )
            owners = {record[0]: record[1] for record in found}
            lost = {id: owners.get(id, "") for id in ours if owners.get(id) != self._agent}
            self._journal.under_hand -= lost.keys()
            self._lost |= lost
            self._times_seen = times_over

    # -- one queue ---------------------------------------------------------------------------------

    def mark(self) -> int:
        """As `Peers.mark`."""
        found = self._database.query("SELECT last_value, is_called FROM ends")[0]
        return int(found[0]) if found[1] else 0

    def claim(
        self,
        claims: Sequence[Claim],
        turns: Mapping[str | None, Turn],
        *,
        mark: int,
        known: Collection[int],
        sees: Callable[[], Collection[str]],
    ) -> list[Row | str]:
        """As `Peers.claim`."""

        def those_whose_turn_it_is(connection: Transaction) -> list[Claim]:
            connection.execute("SELECT pg_advisory_xact_lock(?)", (_CLAIMING,))
            queue = _Queue(connection, self._agent, [*sees(), self._agent], mark, known)
            why.extend(queue.why_not(claim.route, turns.get(claim.route)) for claim in claims)
            return [claim for claim, reason in zip(claims, why, strict=True) if not reason]

        why: list[str] = []
        rows = iter(self._journal.claim_some(those_whose_turn_it_is))
        return [reason or next(rows) for reason in why]


class _Queue:
    """What is under way, within the transaction of a claim."""

    def __init__(
        self, connection: Transaction, agent: str, near: Sequence[str], mark: int, known: Collection[int]
    ) -> None:
        """`near`: the agents that share our work folder."""
        self._ours, self._theirs = Counter[str | None](), Counter[str | None]()
        found = connection.execute(
            "SELECT route, owner = ? AND id = ANY(?::bigint[]), count(*) FROM files"
            f" WHERE {OPEN} AND owner = ANY(?::text[]) GROUP BY 1, 2",
            (agent, list(known), list(near)),
        ).fetchall()
        for route, is_ours, count in found:
            (self._ours if is_ours else self._theirs)[route] += count
        ended = connection.execute(
            "SELECT DISTINCT route FROM files WHERE end_number > ? AND owner <> ? AND owner = ANY(?::text[])",
            (mark, agent, list(near)),
        ).fetchall()
        self._ended = {record[0] for record in ended}
        living = connection.execute(
            f"SELECT 1 FROM agents WHERE id <> ? AND id = ANY(?::text[]) AND {LIVES} LIMIT 1",
            (agent, list(near)),
        ).fetchone()
        self._alone = living is None

    def why_not(self, route: str | None, turn: Turn | None) -> str:
        """Say why no file of this route may be claimed now; "": it is, and counts from now on."""
        if route is None or turn is None:
            return ""
        name = _stored(route)
        for other in turn.after:
            if self._theirs[_stored(other)]:
                return f"waits for {other}, of which another agent has a file under way"
            if _stored(other) in self._ended:
                return f"waits for {other}, of which another agent's file came to its end just now"
        theirs, ours = self._theirs[name], self._ours[name] - turn.aside
        # As long as nobody else may want a turn, it is our own line: what is claimed ahead waits in that.
        if (theirs or not self._alone) and theirs + ours >= turn.parallel:
            return (
                f"behind a file of {route}, which another agent has"
                if theirs
                else f"behind a file of {route}"
            )
        self._ours[name] += 1
        return ""


def _stored(route: str) -> Any:
    """Return a route's name as the database gives it back."""
    return stored("route", route)
