"""The running agent: one loop, in one thread. It begins what is due, takes back what is done, and waits for
nothing but the next of both.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from watcher.agent.effects.effects import Effects
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.holding import Holding
from watcher.agent.engine.runs import Awaited, Part, Run, Script, Task
from watcher.agent.engine.workers import Workers
from watcher.agent.once import Once
from watcher.agent.queue.dispatcher import Dispatcher
from watcher.agent.signs import Signs
from watcher.agent.upkeep.chores import Chores, Duties
from watcher.agent.upkeep.recovery import Recovery
from watcher.core.acts import Act
from watcher.core.errors import ConfigError, NotAlone
from watcher.core.events import (
    ChunkSent,
    Claimed,
    Event,
    FileDelivered,
    FileFailed,
    FileReturned,
    FileVanished,
    HoldBegan,
    HoldEnded,
    LostToOther,
    Resumed,
    Stopped,
)  # fmt: skip
from watcher.core.holds import NEVER
from watcher.core.life import from_the_journal, life
from watcher.core.model import FileState, Row
from watcher.core.policy import Policy
from watcher.core.target import Target
from watcher.report.stream import Stream

TIDY_SECONDS = 5.0  # for the eye alone: a share that is away does not delay the end by more

# Exit codes; with REPLACED another agent goes on in this process, under new settings.
STOPPED, FILE_FAILED, OUR_FAULT, STILL_HELD, REPLACED = 0, 1, 3, 4, -1
_OUSTED = -2


def ended(row: Row, seconds: float) -> Event:
    """Return what there is to tell of a file that came to its end, so many seconds after its claim."""
    match row.state:
        case FileState.DONE:
            return FileDelivered(row, seconds)
        case FileState.FAILED:
            return FileFailed(row)
        case FileState.RETURNED:
            return FileReturned(row)
        case _:
            return FileVanished(row)


class Agent:
    """One agent under one set of settings; `run` returns the exit code."""

    def __init__(
        self,
        engine: Engine,
        holding: Holding,
        workers: Workers,
        stream: Stream,
        *,
        policy: Policy,
        effects: Effects,
        dispatcher: Dispatcher,
        recovery: Recovery,
        duties: Duties,
        signs: Signs,
        prepare: Callable[[], Coroutine[Act[Any], Any, list[Script]]],
        once: Once | None,
        clock: Callable[[], float],
    ) -> None:
        """`prepare`: what is done before anything else, and returns what goes on meanwhile; it may raise
        `ConfigError`."""
        self._engine, self._holding = engine, holding
        self._workers, self._stream = workers, stream
        self._policy, self._effects, self._dispatcher = policy, effects, dispatcher
        self._recovery, self._publisher, self._takeover = recovery, duties.publisher, duties.takeover
        file_left = partial(self._set_off, anew=True)
        self._chores = Chores(
            engine, dispatcher, policy, duties, set_off=self._set_off, file_left=file_left, clock=clock
        )
        self.signs, self._prepare, self._once, self._clock = signs, prepare, once, clock
        self._is_resumed = False
        self._unprepared = 0  # scripts that still prepare something

    def run(
        self,
        *,
        told_to_stop: Callable[[], bool],
        replaced: Callable[[], bool],
        prepared: Callable[[], None] = lambda: None,
    ) -> int:
        """Run until told to stop, until it is replaced, or with `--once` until nothing is left to do.

        Both are asked in every turn of the loop; `prepared` is told when the folders are. Raises
        `ConfigError` where its settings cannot be worked with after all, `NotAlone` where another agent works
        under our id.
        """
        end_of_hearing = self._stream.subscribe(self._hear)
        code = STOPPED
        try:
            self._begin(prepared)
            while not told_to_stop():
                self.signs.beat()
                for row in self._dispatcher.taken():
                    self._stream.emit(Claimed(row))
                    self._set_off(row)
                if (leaves := replaced()) and self._engine.drop_chores():
                    code = REPLACED
                    break
                due = self._turn(claims=not leaves)
                if (over := self._over()) is not None:
                    self._dispatcher.give_up()
                    code = over
                    break
                self._engine.finished(self._workers.wait(due - self._clock()))
        except NotAlone:
            code = _OUSTED
            raise
        except ConfigError:
            self._engine.drop_chores()
            code = REPLACED  # by the settings before these, if there are any
            raise
        finally:
            self._dispatcher.close(for_good=code != REPLACED)
            if code != REPLACED:
                self.signs.end()
                self._shut_down()
                self._stream.emit(Stopped(self._why(code, told_to_stop=told_to_stop())))
            end_of_hearing()
        return OUR_FAULT if self._engine.faulty and code != REPLACED else code

    @property
    def is_at_work(self) -> bool:
        """Whether a file's acts are still done under its settings."""
        return self._engine.runs.uses(self._effects.do)

    # -- the beginning -----------------------------------------------------------------------------

    def _begin(self, prepared: Callable[[], None]) -> None:
        """Take up what was under way at the last stop, before anything new; or go on under new settings."""
        self._engine.holds.cap = self._policy.retry_cap
        if self._engine.runs.has_files:
            prepared()
            self._engine.renew(self._part)
            self._let_go_of_others()
            self._is_resumed = True
        else:
            self._engine.chore("recovery", self._recovered(prepared), self._resumed)

    async def _recovered(self, prepared: Callable[[], None]) -> Sequence[Row]:
        for script in await self._prepare():
            self._unprepared += 1
            self._engine.chore("prepare", script, self._one_more_prepared)
        prepared()
        return await Awaited(
            self._recovery.recover, self._policy.work, targets=self._dispatcher.claim_targets
        )

    def _one_more_prepared(self, _result: None, _seconds: float) -> None:
        self._unprepared -= 1

    def _resumed(self, rows: Sequence[Row], _seconds: float) -> None:
        self._is_resumed = True
        for route, status in self._recovery.refused:
            self._holding.suspects.failed_before(Target("endpoint", route.url), f"HTTP {status}")
        self._takeover.begin()
        for row in rows:
            self._stream.emit(Resumed(row))
            self._set_off(row)

    def _let_go_of_others(self) -> None:
        """What the new settings do not name is not needed any more, nor held."""
        policy = self._policy
        urls = {target.name for target in policy.way} | {route.url for route in policy.routes.values()}
        kinds = {target.kind for target in policy.way} | {"proxy", "endpoint"}
        on_the_way = [hold.target for hold in self._engine.holds.active if hold.target.kind in kinds]
        self._holding.worked([target for target in on_the_way if target.name not in urls])

    def _set_off(self, row: Row, *, anew: bool = False) -> None:
        """Begin the life of a file that is claimed; `anew`: as the journal has it by then."""
        route = self._policy.routes.get(row.route or "")
        part = self._part(row.id, row.name)
        script = part.begin() if anew or self._takeover.quiet(row.id) else life(row, self._policy)
        run = Run(row.id, row.name, part, self._ended, self._clock(), script, row.route)
        self._engine.begin(run, parallel=route.parallel if route else 1)
        upload = row.upload
        if upload.sha256 is not None and upload.destination is not None:  # begun: none like it goes before it
            self._engine.runs.contents.enter(row.id, (upload.sha256, upload.destination), waits=False)

    def _part(self, number: int, name: str) -> Part:
        policy = self._policy
        begin = partial(from_the_journal, number, name, policy, partial(life, policy=policy))
        return Part(partial(self._quietly, number, begin), self._effects.do)

    async def _quietly(self, number: int, begin: Callable[[], Coroutine[Act[Any], Any, Row]]) -> Row:
        """Go on with a file, but not while a request of a dead agent for it may be under way."""
        if pause := self._takeover.quiet(number):
            await pause
        return await begin()

    def _ended(self, row: Row, seconds: float) -> None:
        self._takeover.ended(row.id)
        self._stream.emit(ended(row, seconds))

    # -- one turn ----------------------------------------------------------------------------------

    def _turn(self, *, claims: bool) -> float:
        """Begin what is due, with `claims` looks and claims, too; return when more may be, by the clock."""
        claims = claims and self._is_resumed
        if claims:
            self._dispatcher.turn()
        if self._is_resumed and not self._engine.runs.has_files and self._dispatcher.is_idle:
            self._holding.let_go(self._engine.attended)
        due_at = min(self._chores.begin(is_resumed=self._is_resumed), self._engine.turn())
        return min(due_at, self._dispatcher.due_at) if claims else due_at

    def _hear(self, event: Event) -> None:
        """Pass on what happened; subscribers are called by whoever emits, most of all in our own thread."""
        if self._once is not None:
            self._once.hear(event)
        match event:
            case ChunkSent(row, last=True):
                self._dispatcher.sent(row)
            case FileDelivered(row) | FileFailed(row) | FileReturned(row) | FileVanished(row):
                self._dispatcher.ended(row.route)
                self._publisher.has_news = True
            case LostToOther():
                self._dispatcher.ended(event.route)
                self._takeover.has_lost = self._publisher.has_news = True
            case HoldBegan(target) if target.kind != "file":
                self._dispatcher.held()
                self._publisher.has_news = True
            case HoldBegan() | HoldEnded() | Claimed():
                self._publisher.has_news = True

    # -- the end -----------------------------------------------------------------------------------

    def _over(self) -> int | None:
        """With `--once`: return the exit code if this is the end."""
        once, dispatcher = self._once, self._dispatcher
        if once is None:
            return None
        idle = not self._engine.runs.has_files
        if self._is_resumed and idle and dispatcher.is_idle and not self._unprepared:
            if not dispatcher.is_stale:
                return FILE_FAILED if once.failed else STOPPED
            if not self._engine.holds.held(dispatcher.claim_targets):
                dispatcher.look_now()  # one more: a file may have come meanwhile
        held = self._engine.holds.active
        more = 0.0
        if self._engine.tasks.are_at_work:
            more = NEVER  # what is read or sent takes as long as it takes, whatever holds others
        elif all(hold.target.kind == "file" for hold in held):
            # Others come along: what is tried again after a server error, settles for longer than that, or is
            # looked for on a slow disk.
            at_rest = self._is_resumed and (idle or held) and not dispatcher.is_at_it
            more = dispatcher.settling_seconds if at_rest else NEVER
        return STILL_HELD if self._clock() > once.gives_up_at(more) else None

    def _shut_down(self) -> None:
        self._engine.stop()
        self._workers.do(self, self._recovery.tidy)
        until, is_tidy = self._clock() + TIDY_SECONDS, False
        while not is_tidy and self._clock() < until:
            for ticket, result in self._workers.wait(until - self._clock()):
                is_tidy = is_tidy or ticket is self
                if isinstance(ticket, Task):
                    ticket.abandon(result)

    def _why(self, code: int, *, told_to_stop: bool) -> str:
        if self._engine.faulty:
            return "a fault of ours"
        if code == _OUSTED:
            return "another agent works under its id"
        if told_to_stop:
            return "asked to"
        return "out of patience, and something is still held" if code == STILL_HELD else "nothing left to do"
