"""Several agents of one journal in PostgreSQL, in simulated time: processes, requests, connections.

Each process, act and heartbeat is a greenlet; one of them runs at a time, and one that waits lets simulated
time pass for all. The agents are built as `watcher run` builds them, and PostgreSQL is a real one: only its
clock is ours (`sim.clock_timestamp`, before its own in the search path), and so is the way to it, which loses
statements and answers. A process dies, sleeps or is cut off wherever it waits, or at any effect.
"""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import psycopg
from greenlet import getcurrent, greenlet

from tests.simulation import MOST_VAIN_TURNS, Crash, Effects, Wire
from watcher.agent import signals
from watcher.agent.build import World
from watcher.agent.engine.runs import Task
from watcher.commands.run import run
from watcher.core.conversation import Reply
from watcher.core.conversation import Request as Push
from watcher.core.errors import ConfigError, LostAnswer, Outside
from watcher.core.events import Event
from watcher.journal import postgres_beats, postgres_store
from watcher.journal.lease import Lease
from watcher.journal.postgres_memory import Recent
from watcher.sandbox.server import Answer
from watcher.settings.config import load
from watcher.settings.settings import Config

BEGAN = datetime(2026, 11, 23, 19, 24, 39, tzinfo=UTC)
CONNECT = psycopg.connect
CLOCK = """
    CREATE SCHEMA IF NOT EXISTS sim;
    CREATE OR REPLACE FUNCTION sim.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE SQL VOLATILE
        AS 'SELECT to_timestamp(current_setting(''sim.now'')::double precision)';
"""
HEARD_SECONDS = 2.0  # so late may a NOTIFY be heard
ZOMBIE_SECONDS = 14.0  # so long does PostgreSQL keep the session of a host that is gone


class Hub:
    """Simulated time: whoever sleeps in it is woken in the order of time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 1000.0  # seconds
        self.process: Process | None = None  # whose greenlet runs
        self.switches = 0
        self.dying: list[Process] = []  # what they leave is cleared away before anything else happens
        self._main = getcurrent()
        self._serial = itertools.count()
        self._due: list[tuple[float, int, greenlet, Process | None]] = []

    def later(self, seconds: float, do: Callable[[], object], process: Process | None = None) -> greenlet:
        """Do a thing in a greenlet of its own, of a process or of the world; returns that."""
        made = greenlet(do, parent=self._main)
        if process is not None:
            process.greenlets.append(made)
        self._push(seconds, made, process)
        return made

    def sleep(self, seconds: float) -> None:
        """Let time pass. Raises `Crash` where our process died meanwhile, or has."""
        process = self.process
        if process is not None and process.is_dead:
            raise Crash("asleep")
        self._push(seconds, getcurrent(), process)
        self._main.switch()
        if process is not None and process.is_dead:
            raise Crash("asleep")

    def wake(self, sleeper: greenlet, process: Process) -> None:
        """End the sleep of one that sleeps."""
        self._due = [entry for entry in self._due if entry[2] is not sleeper]
        heapq.heapify(self._due)
        self._push(0.0, sleeper, process)

    def cancel(self, made: greenlet) -> None:
        """It is not to go on."""
        self._due = [entry for entry in self._due if entry[2] is not made]
        heapq.heapify(self._due)

    def run(self, until: Callable[[], bool], *, seconds: float) -> bool:
        """Let the world go on until something is true, at most so long; returns whether it is."""
        end, look_at = self.now + seconds, self.now
        while self.now < end:
            if look_at <= self.now:
                if until():
                    return True
                look_at = self.now + 1.0
            if not self._due:
                return until()
            self._next()
        return until()

    def _next(self) -> None:
        while self.dying:
            self.dying.pop().bury()  # here: a greenlet that ends goes on in the main one
        at, _, made, process = heapq.heappop(self._due)
        self.now = max(self.now, at)
        if process is not None and process.frozen_until > self.now:
            self._push(process.frozen_until - self.now, made, process)
            return
        if made.dead:
            return
        self.switches += 1
        self.process = process
        try:
            made.switch()
        finally:
            self.process = None
        if process is not None and process.is_dead:
            process.bury()

    def _push(self, seconds: float, made: greenlet, process: Process | None) -> None:
        heapq.heappush(self._due, (self.now + max(0.0, seconds), next(self._serial), made, process))

    def bury(self, process: Process) -> None:
        """Let everything of a dead process end; nothing that it does now has an effect."""
        for made in process.greenlets:
            if made and not made.dead:  # one that never began needs no end
                was, self.process = self.process, process
                with suppress(Crash):
                    made.throw(Crash("killed"))
                self.process = was
        self._due = [entry for entry in self._due if entry[3] is not process]
        heapq.heapify(self._due)
        process.greenlets.clear()


class ManyEffects(Effects):
    """The effects of whichever process is at work."""

    def __init__(self, hub: Hub, root: Path) -> None:
        super().__init__((root,))
        self._hub = hub

    def point(self, name: str) -> None:
        """The process may end here."""
        process = self._hub.process
        if not self.active or process is None:
            return
        if process.is_dead:
            raise Crash(name)
        process.points_left -= 1
        if process.points_left == 0:
            process.is_dead = True  # the hub buries it
            raise Crash(name)
        process.passed(name)


class HubWorkers:
    """Stands in for threads: every act is a greenlet, takes time before and behind what it does."""

    lost: list[str] = []  # noqa: RUF012 - threads of this kind do not die

    def __init__(self, hub: Hub, process: Process) -> None:
        self.acts = 0
        self._hub, self._process = hub, process
        self._done: list[tuple[object, object]] = []
        self._flying: dict[
            int, tuple[object, object]
        ] = {}  # what was asked for, and its result, if there is one
        self._waits: greenlet | None = None
        self._is_woken = False
        self._vain = 0

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Do it, sometime."""
        self.acts += 1
        self._flying[self.acts] = (ticket, None)
        self._hub.later(self._some_time(), partial(self._act, self.acts, ticket, work), self._process)

    def _act(self, serial: int, ticket: object, work: Callable[[], object]) -> None:
        if self._process.is_dead:
            return
        result: object
        try:
            try:
                result = work()
            except Exception as error:
                result = error
            self._flying[serial] = (ticket, result)
            self._hub.sleep(self._some_time())  # its result is late
        except Crash:
            return
        del self._flying[serial]
        self._done.append((ticket, result))
        self.wake()

    def wait(self, seconds: float) -> list[tuple[object, object]]:
        """Let time pass until something is done, or it is woken."""
        self._vain = self._vain + 1 if seconds <= 0 else 0
        assert self._vain < MOST_VAIN_TURNS, "it turns and turns, and nothing is due"
        if not (self._done or self._is_woken):
            self._waits = getcurrent()
            self._hub.sleep(min(max(seconds, 0.001), 5.0))
            self._waits = None
        elif self._process.is_dead:
            raise Crash("nobody waits any more")
        self._is_woken = False
        done, self._done = self._done, []
        return done

    def wake(self) -> None:
        """End the wait."""
        self._is_woken = True
        if self._waits is not None:
            waits, self._waits = self._waits, None
            self._hub.wake(waits, self._process)

    def forget(self) -> None:
        """The process is gone: the files of what it had under way are closed."""
        for ticket, result in (*self._flying.values(), *self._done):
            if isinstance(ticket, Task):
                ticket.abandon(result)

    def _some_time(self) -> float:
        return self._hub.chance.choice((0.0, 0.0, 0.01, 0.3, 2.0)) * self._hub.chance.random()


class Process:
    """One agent's process, from its start to its end; and again."""

    def __init__(self, hub: Hub, number: int, settings: Path, effects: ManyEffects, wire: ManyWire) -> None:
        self.number, self.hub = number, hub
        self.config, _ = load(settings, {})
        self.hear: Callable[[Process, Event], None] = lambda _process, _event: None
        self.died: Callable[[Process], None] = lambda _process: None
        self.clock_error = timedelta()
        self.greenlets: list[greenlet] = []
        self.connections: list[Connection] = []
        self.is_dead = True
        self.agent_id = ""  # its own, once it has met the database
        self.code: int | None = None  # how it ended; None: it lives, or was killed
        self.frozen_until = 0.0
        self.cut_off_until = 0.0  # from the database
        self.lose = ""  # the next answer of the database: "before", or "behind" what it was asked for
        self.points_left = 0
        self.acts = 0
        self.effects, self._wire = effects, wire
        self._handlers: dict[int, Callable[[int, None], None]] = {}
        self._workers: HubWorkers | None = None

    def start(self, *, dies_after: int = 0) -> None:
        """Begin to live; `dies_after`: effects, or 0."""
        self._handlers = {}
        self.is_dead, self.code, self.points_left, self.frozen_until = False, None, dies_after, 0.0
        self.hub.later(0.0, self._live, self)

    def kill(self) -> None:
        """As by kill -9."""
        self.is_dead = True
        self.hub.dying.append(self)

    def bury(self) -> None:
        """Take away what a dead process had: the system closes its files and connections."""
        if not self.is_dead:
            return
        self.hub.bury(self)
        self.died(self)
        if self._workers is not None:
            self._workers.forget()
            self.acts += self._workers.acts
            self._workers = None
        for connection in self.connections:
            connection.finish()
        self.connections.clear()

    def terminate(self) -> None:
        """As by SIGTERM."""
        if handler := self._handlers.pop(signal.SIGTERM, None):  # the second one would end it at once
            handler(signal.SIGTERM, None)

    def on_signal(self, number: int, handler: Any) -> None:
        """Stands in for `signal.signal`."""
        self._handlers[number] = handler

    def passed(self, point: str) -> None:
        """It came past one of its effects."""

    def _live(self) -> None:
        self._workers = HubWorkers(self.hub, self)
        world = World(
            workers=self._workers,
            clock=lambda: self.hub.now,
            now=lambda: BEGAN + timedelta(seconds=self.hub.now) + self.clock_error,
            jitter=self.hub.chance.random,
            new_token=lambda: str(uuid.UUID(int=self.hub.chance.getrandbits(128), version=4)),
            client=lambda _config: self._wire,
        )
        world.stream.subscribe(partial(self.hear, self))
        try:
            self.code = run(self.config, (), once=False, patience=0.0, world=world)
        except ConfigError:  # its session of before is still there, say
            self.code = 2
        except Crash:
            return
        self.is_dead = True


class ByHand(Process):
    """A command that somebody gives beside an agent, with its settings: others go on between its effects."""

    def __init__(self, agent: Process, do: Callable[[Config], object]) -> None:
        self.__dict__.update(vars(agent))
        self.greenlets, self.connections = [], []
        self.died = lambda _process: None
        self.is_dead, self.cut_off_until, self.lose, self.acts = True, 0.0, "", 0
        self._workers, self._do = None, do

    def passed(self, point: str) -> None:
        """Others go on; but whoever is in a transaction of SQLite would keep them waiting, in real time."""
        if not point.endswith(("journal", "commit")) and self.hub.chance.random() < 0.3:
            self.hub.sleep(self.hub.chance.choice([0.0, 0.1, 3.0]) * self.hub.chance.random())

    def _live(self) -> None:
        try:
            self._do(self.config)
        except (Outside, ConfigError) as error:
            self.code = 1
            self.why = str(error)
        except Crash:
            return
        self.is_dead = True


class ManyWire(Wire):
    """The way to the server, of all agents. A request takes up to `longest` from its guard to the server."""

    def __init__(self, effects: Effects, hub: Hub, longest: float) -> None:
        super().__init__(effects)
        self._hub, self._longest = hub, longest
        self.is_slow = True  # sometimes
        self.guarded: Callable[[Process, Push], int] = lambda _process, _push: 0
        self.landed: Callable[[Process, Push, int], None] = lambda _process, _push, _guarded: None
        self.under_way: dict[Process, list[greenlet]] = {}

    def push(self, push: Push, guard: Callable[[], None] | None = None) -> Reply:
        """Send one request: it waits for its connection, is guarded, and lands, whatever its sender does."""
        hub, process = self._hub, self._hub.process
        assert process is not None
        hub.sleep(hub.chance.choice((0.0, 0.5, 10.0)) * hub.chance.random())
        self._effects.point("before request")
        if guard is not None:
            guard()
        guarded = self.guarded(process, push)
        answers: list[Reply | Outside] = []

        def land() -> None:
            def take() -> Answer:
                self.landed(process, push, guarded)
                return self._taken(push)

            answers.append(self.script(push, take))

        slow = 1.0 if self.is_slow else 0.0
        span = slow * hub.chance.choice((0.0, 0.05, 1.0)) * self._longest * hub.chance.random()
        landing = hub.later(span, land)
        self.under_way.setdefault(process, []).append(landing)
        # Its sender may be asleep as it lands, or give up before: then nobody knows.
        hub.sleep(self._longest if hub.chance.random() < 0.02 else span + 0.001)
        self._effects.point("after answer")
        if not answers:
            return self._lost()
        if isinstance(answers[0], Outside):
            raise answers[0]
        return answers[0]

    @staticmethod
    def _lost() -> Reply:
        raise LostAnswer(Wire.way[1], "no answer in time")


class Connection(psycopg.Connection[Any]):
    """One connection to the database, which may break between any two statements."""

    hub: Hub
    process: Process | None = None
    is_cut = False
    told_now = -1.0

    @property
    def closed(self) -> bool:
        """Whether nothing goes over it any more."""
        return self.is_cut or super().closed

    @property
    def broken(self) -> bool:
        """Whether it was not closed by us."""
        return self.is_cut or super().broken

    def close(self) -> None:
        """Close it; where it is cut, its session lives on until the database notices."""
        if not self.is_cut:
            super().close()

    def finish(self) -> None:
        """The database knows that nobody is at its other end."""
        self.pgconn.finish()

    def cut(self) -> psycopg.OperationalError:
        """Break it; what was not committed will not be."""
        if not self.is_cut:
            self.is_cut = True
            idle = self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if idle and self.hub.chance.random() < 0.5:
                self.hub.later(self.hub.chance.random() * ZOMBIE_SECONDS, self.finish)
            else:
                self.finish()
        return psycopg.OperationalError("the connection is cut off")

    def rollback(self) -> None:
        """As the driver does; one that is cut is rolled back by the database."""
        if not self.is_cut:
            super().rollback()

    def before(self, statement: str) -> None:
        """A statement is about to be sent."""
        process = self.process
        assert process is not None
        if process.is_dead:
            raise Crash(statement)
        if statement == "COMMIT":
            process.effects.point("before commit")
        if self.is_cut or process.cut_off_until > self.hub.now or self._is_lost(statement, "before"):
            raise self.cut()
        idle = self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if idle and self.told_now != self.hub.now:
            self.told_now = self.hub.now
            now = str(BEGAN.timestamp() + self.hub.now)
            psycopg.Cursor(self).execute("SELECT set_config('sim.now', %s, false)", [now])

    def behind(self, statement: str) -> None:
        """A statement was done, and its answer is on its way."""
        if self._is_lost(statement, "behind"):
            raise self.cut()
        if statement == "COMMIT" and self.process is not None:
            self.process.effects.point("after commit")

    def _is_lost(self, statement: str, when: str) -> bool:
        if self.process is None or self.process.lose != when:
            return False
        beats = "UPDATE agents" in statement and self.hub.chance.random() < 0.2
        if statement != "COMMIT" and not beats:
            return False
        self.process.lose = ""
        return True

    def notifies(self, *, timeout: float | None = None, stop_after: int | None = None) -> Iterator[Any]:
        """What others told; heard late, and now and then not at all."""
        self.hub.sleep(HEARD_SECONDS * self.hub.chance.random())
        if self.is_cut or (self.process and self.process.cut_off_until > self.hub.now):
            raise self.cut()
        heard = list(super().notifies(timeout=0, stop_after=stop_after))
        return iter(heard if self.hub.chance.random() < 0.9 else [])


class Cursor(psycopg.Cursor[Any]):
    """Tells its connection of each statement."""

    def execute(self, query: Any, params: Any = None, **words: Any) -> Any:
        """Do one statement."""
        connection: Any = self.connection
        connection.before(query)
        found = super().execute(query, params, **words)
        connection.behind(query)
        return found

    def executemany(self, query: Any, params_seq: Any, **words: Any) -> None:
        """Do one statement for each."""
        connection: Any = self.connection
        connection.before(query)
        super().executemany(query, params_seq, **words)


class HubThread:
    """Stands in for `threading.Thread`."""

    def __init__(
        self, hub: Hub, *, target: Callable[..., object], args: Sequence[Any], **_words: Any
    ) -> None:
        self._hub, self._do = hub, partial(target, *args)
        self._made: greenlet | None = None

    def start(self) -> None:
        """Begin."""
        self._made = self._hub.later(0.0, self._run, self._hub.process)

    def _run(self) -> None:
        with suppress(Crash):
            self._do()

    def join(self) -> None:
        """Wait for its end."""
        while self._made is not None and not self._made.dead:
            self._hub.sleep(0.1)


class HubEvent:
    """Stands in for `threading.Event`."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._is_set = hub, False

    def set(self) -> None:
        """It happened."""
        self._is_set = True

    def clear(self) -> None:
        """It is to happen anew."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it happened."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait for it, at most so long."""
        until = self._hub.now + seconds
        while not self._is_set and self._hub.now < until:
            self._hub.sleep(min(0.5, until - self._hub.now + 0.001))
        return self._is_set


@contextmanager
def simulated(hub: Hub, effects: ManyEffects) -> Iterator[None]:
    """Everything that the agents lean on is the hub's, as long as the block lasts."""

    def connect(conninfo: str = "", **words: Any) -> Any:
        process = hub.process
        assert process is not None
        if process.is_dead:
            raise Crash("connect")
        if process.cut_off_until > hub.now:
            raise psycopg.OperationalError("no way to the database")
        made = Connection.connect(conninfo, cursor_factory=Cursor, **words)
        made.hub, made.process = hub, process
        process.connections.append(made)
        process.agent_id = words["application_name"].removeprefix("watcher ")
        return made

    def listen(number: int, handler: Any) -> None:
        assert hub.process is not None
        hub.process.on_signal(number, handler)

    numbers = {name: getattr(signal, name) for name in dir(signal) if name.startswith("SIG")}
    threads = SimpleNamespace(Event=partial(HubEvent, hub), Thread=partial(HubThread, hub))
    session = ("SET search_path TO watcher, sim, pg_catalog", *postgres_store._SESSION[1:])
    with ExitStack() as stack:
        stack.enter_context(effects.installed())
        for where, name, what in (
            (psycopg, "connect", connect),
            (postgres_store, "_SESSION", session),
            (postgres_beats, "threading", threads),
            (signals, "signal", SimpleNamespace(**numbers, signal=listen)),
            (Lease.__init__, "__defaults__", (lambda: hub.now,)),
            (Recent.__init__, "__defaults__", (lambda: hub.now,)),
        ):
            stack.enter_context(mock.patch.object(where, name, what))
        yield
