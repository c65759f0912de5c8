"""Drives the scripts of all files, and of the agent's own chores, in one thread; the only place that knows holds.

It hands out every act whose targets are free, takes results back, begins and ends holds by one rule, repeats an
act after a fault outside the file, and resumes the script otherwise. It never waits: the loop around it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from watcher.agent.holding import NEVER, Holding
from watcher.agent.lines import Lines
from watcher.agent.workers import Done, Workers
from watcher.core.acts import Act, Both, Clear, Commit, Free, Maybe, Pause, Release, Tell, Turn
from watcher.core.errors import Outside, WatcherError
from watcher.core.events import Crashed
from watcher.core.model import Row
from watcher.core.steps import Step
from watcher.core.target import Target
from watcher.report.stream import Stream

T = TypeVar("T")
Script = Coroutine[Act[Any], Any, Any]


@dataclass(frozen=True, slots=True)
class Call(Act[T]):
    """An act of a chore: call `work`, in a worker's thread. A fault outside is the chore's to deal with."""

    work: Callable[[], T]
    blames: Target | None = None  # what does not answer, where it takes too long; by default its first target
    repeats = False

    @property
    def blamed(self) -> Target | None:
        """What does not answer, where it takes too long."""
        return self.blames or (self.targets[0] if self.targets else None)


@dataclass(frozen=True, slots=True)
class Awaited(Call[T]):
    """One that is waited for when the agent stops."""

    at_stop = "waits"


@dataclass(frozen=True, slots=True)
class Part:
    """How a file's script is begun, and how its acts are done."""

    begin: Callable[[], Script]
    do: Callable[[Act[Any]], object]  # called in a worker's thread


@dataclass(slots=True, eq=False)
class Run:
    """One script on its way; only the control thread touches it."""

    number: int  # a file's row; negative: a chore
    name: str  # for people
    part: Part
    ended: Callable[[Any, float], None]
    began: float
    script: Script
    route: str | None
    tasks: list[Task] = field(default_factory=list)  # what it waits for
    renewed: Part | None = None  # to go on with, as soon as it would have to wait

    @property
    def is_chore(self) -> bool:
        """Whether it is no file's."""
        return self.number < 0


@dataclass(slots=True, eq=False)
class Task:
    """One act of a script, on its way."""

    run: Run
    act: Act[Any]
    maybe: bool
    not_before: float
    targets: tuple[Target, ...]  # those of the act, and further ones that it met a fault of
    asked_at: float = NEVER  # when it was handed out
    is_late: bool = False
    is_done: bool = False
    result: object = None


class Engine:
    """All scripts of this process. Only its own thread may call it."""

    def __init__(
        self,
        workers: Workers,
        holding: Holding,
        stream: Stream,
        *,
        apply: Callable[[Sequence[Step]], list[Row]],
        clock: Callable[[], float],
    ) -> None:
        """`apply` writes steps down, as `Journal.apply` does; `clock` in monotonic seconds."""
        self.holds = holding.table
        self.lines = Lines()
        self.under_way: Counter[str | None] = Counter()  # files, by route
        self.stopping = False
        self.faulty: set[int] = set()  # files that are held by a fault of ours
        self._workers, self._stream = workers, stream
        self._holding, self._apply, self._clock = holding, apply, clock
        self._runs: dict[int, Run] = {}
        self._waiting: list[Task] = []
        self._flying: set[Task] = set()
        self._steps: list[Task] = []  # commits for the next transaction
        self._batch: list[Task] = []  # those of the one that is under way
        self._alone: list[Task] = []  # to be tried one by one: together they were refused
        self._chores = 0

    # -- for those around it -----------------------------------------------------------------------

    def begin(
        self,
        number: int,
        name: str,
        script: Script,
        part: Part,
        ended: Callable[[Any, float], None],
        *,
        route: str | None = None,
        parallel: int = 1,
    ) -> None:
        """Begin the script of a file; `part` says how it would be begun again. `ended` is told of its result,
        and how many seconds it took. It goes behind the others of its `route`; `parallel` of them are uploaded
        at a time."""
        self.under_way[route] += 1
        self.lines.join(number, route, parallel)
        run = Run(number, name, part, ended, self._clock(), script, route)
        self._runs[number] = run
        self._resume(run, None)

    def chore(self, name: str, script: Script, ended: Callable[[Any, float], None]) -> None:
        """Begin a script that is no file's. An error in it ends the agent."""
        self._chores -= 1
        part = Part(lambda: script, _called)
        run = Run(self._chores, name, part, ended, self._clock(), script, None)
        self._runs[run.number] = run
        self._resume(run, None)

    @property
    def files(self) -> int:
        """How many files are under way. Any thread may ask."""
        return sum(number > 0 for number in list(self._runs))

    def attended(self, target: Target) -> bool:
        """Say whether anybody waits for this target, or is at it."""
        return any(target in task.targets for task in [*self._waiting, *self._flying, *self._steps])

    @property
    def quiet(self) -> bool:
        """Whether a stop need not wait any more: what is still under way may be left alone."""
        if self._steps or self._alone:
            return False
        if any(task.act.at_stop != "leaves" and not task.is_late for task in self._flying):
            return False
        now = self._clock()
        return not any(self._due_at(task) <= now for task in self._waiting)

    def turn(self) -> float:
        """Begin every act that may begin now; returns when the next one may, by the clock."""
        now = self._clock()
        late = self._late(now)
        while ready := [task for task in self._waiting if self._due_at(task) <= now]:
            for task in ready:
                # Not dropped by what came before it, and no second probe of what that one probes now.
                if task in self._waiting and self._due_at(task) <= now:
                    self._waiting.remove(task)
                    self._hand_out(task, now)
        for run in [run for run in self._runs.values() if run.renewed and self._rests(run)]:
            self._renew(run)
        self._write()
        return min([late, *map(self._due_at, self._waiting)])

    def finished(self, done: Iterable[Done]) -> None:
        """Take back what workers did."""
        for ticket, result in done:
            if ticket is self._batch:
                self._written(result)
            elif isinstance(ticket, Task) and ticket in self._flying:
                self._flying.remove(ticket)
                self._digest(ticket, result)

    def renew(self, part_of: Callable[[int, str], Part]) -> None:
        """New settings are in force: each file goes on under them as soon as it would have to wait."""
        self.holds.hurry(self._clock())
        for run in self._runs.values():
            if not run.is_chore:
                run.renewed = part_of(run.number, run.name)

    def drop_chores(self) -> bool:
        """Let go of all chores; False: something is being done for one of them."""
        if any(task.run.is_chore for task in self._flying):
            return False
        self._waiting = [task for task in self._waiting if not task.run.is_chore]
        for run in [run for run in self._runs.values() if run.is_chore]:
            run.script.close()
            del self._runs[run.number]
        return True

    def uses(self, part_do: Callable[[Act[Any]], object]) -> bool:
        """Say whether a file still has its acts done this way."""
        return any(run.part.do == part_do for run in self._runs.values())

    def stop(self) -> None:
        """Finish what is under way, as far as that takes no longer than its deadline; begin nothing more."""
        self.stopping = True
        while True:
            due = self.turn()
            if self.quiet:
                break
            self.finished(self._workers.wait(due - self._clock()))
        self.close()

    def close(self) -> None:
        """Let go of all scripts; what is under way may still be read by its worker, and is left alone."""
        busy = {task.run for task in self._flying}
        for run in self._runs.values():
            if run not in busy:
                run.script.close()
        self._runs.clear()
        self._waiting.clear()

    # -- acts --------------------------------------------------------------------------------------

    def _due_at(self, task: Task) -> float:
        act = task.act
        if self.stopping and act.at_stop != "begins":
            return NEVER
        if isinstance(act, Turn):
            return 0.0 if self.lines.reached(task.run.number, ahead=act.place == "front") else NEVER
        return max(task.not_before, self.holds.due_at(task.run.number, task.targets))

    def _hand_out(self, task: Task, now: float) -> None:
        act, number = task.act, task.run.number
        if isinstance(act, Turn | Pause):
            self._collect(task, None)
            return
        self.holds.take(number, task.targets)
        if isinstance(act, Clear):
            self._collect(task, None)
        elif isinstance(act, Commit):
            self._steps.append(task)
        else:
            task.asked_at = now
            self._flying.add(task)
            self._workers.do(task, partial(task.run.part.do, act))

    def _digest(self, task: Task, result: object) -> None:
        """An act came back: with a value, with an error that is the file's, or with a fault outside it."""
        act, number = task.act, task.run.number
        if isinstance(result, Exception) and not isinstance(result, WatcherError):
            self._collect(task, result)  # a fault of ours, wherever it was: the script ends with it
            return
        value, fault = act.digested(result)
        touched = task.targets if act.repeats or not isinstance(value, Exception) else ()
        if fault is not None:
            self._holding.failed(fault, number)
            # It meets its targets in their order: the fault of one says that those before it are there.
            touched = touched[: touched.index(fault.target)] if fault.target in touched else ()
        self._holding.worked(touched, asked_at=task.asked_at)
        self.holds.leave(number, task.targets)
        if fault is not None and act.repeats and not task.maybe:
            if fault.target not in task.targets:
                task.targets = (*task.targets, fault.target)
            self._waiting.append(task)
        else:
            self._collect(task, value)

    def _late(self, now: float) -> float:
        """Hold what an act waits for longer than is plausible; return when the next one will be late.

        It is not begun anew: it is the probe, and ends the hold when it comes back after all.
        """
        due = NEVER
        for task in self._flying:
            target = task.act.blamed
            if task.is_late or target is None:
                continue
            if now < task.asked_at + task.act.seconds:
                due = min(due, task.asked_at + task.act.seconds)
                continue
            task.is_late = True
            words = f"it has not answered for {task.act.seconds:.0f} s"
            self._holding.failed(Outside(target, words, check="is it still there?"), task.run.number)
            task.targets = tuple(dict.fromkeys((*task.targets, target)))
            self.holds.take(task.run.number, (target,))
        return due

    # -- commits -----------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write all steps that wait in one transaction, one at a time."""
        if self._batch:
            return
        if self._alone:
            self._batch = [self._alone.pop()]
        else:
            self._batch, self._steps = self._steps, []
        if not self._batch:
            return
        asked_at = self._clock()
        for task in self._batch:
            task.asked_at = asked_at
        self._flying.update(self._batch)
        steps = [task.act.step for task in self._batch if isinstance(task.act, Commit)]
        self._workers.do(self._batch, partial(self._apply, steps))

    def _written(self, result: object) -> None:
        batch, self._batch = self._batch, []
        self._flying.difference_update(batch)
        if isinstance(result, list):
            for task, row in zip(batch, result, strict=True):
                self._digest(task, row)
        elif isinstance(result, Outside) or len(batch) == 1:
            for task in batch:
                self._digest(task, result)
        else:
            self._alone = batch  # one of the steps is a fault of ours; the others are not to blame

    # -- scripts -----------------------------------------------------------------------------------

    def _resume(self, run: Run, value: object) -> None:
        """Let a script go on up to its next act that takes time."""
        run.tasks = []
        while True:
            try:
                if isinstance(value, Exception):
                    act = run.script.throw(value)
                else:
                    act = run.script.send(value)
            except StopIteration as end:
                self._end(run, end.value)
                return
            except Exception as error:
                self._crashed(run, error)
                return
            match act:
                case Tell(event):
                    self._stream.emit(event)
                    value = None
                case Free():
                    value = not self.stopping and not self.holds.held(act.targets)
                case Release():
                    self.lines.leave(run.number)
                    value = None
                case _:
                    break
        parts = (act.first, act.second) if isinstance(act, Both) else (act,)
        run.tasks = [self._task(run, part) for part in parts]
        for task in run.tasks:
            if task.maybe and self._due_at(task) > self._clock():
                task.is_done = True  # it would have to wait
            else:
                self._waiting.append(task)

    def _task(self, run: Run, act: Act[Any]) -> Task:
        maybe = isinstance(act, Maybe)
        if isinstance(act, Maybe):
            act = act.act
        begin = self._clock() + act.length if isinstance(act, Pause) else 0.0
        return Task(run, act, maybe, begin, act.targets)

    def _collect(self, task: Task, value: object) -> None:
        if task.maybe and isinstance(value, Exception):
            value = None
        task.is_done, task.result = True, value
        run = task.run
        if not all(part.is_done for part in run.tasks):
            return
        results = [part.result for part in run.tasks]
        error = next((result for result in results if isinstance(result, Exception)), None)
        self._resume(run, error or (results[0] if len(results) == 1 else tuple(results)))

    def _end(self, run: Run, result: object) -> None:
        del self._runs[run.number]
        if not run.is_chore:
            self.under_way[run.route] -= 1
        self.lines.leave(run.number)
        self.holds.leave(run.number)
        self.faulty.discard(run.number)
        self._holding.worked((_file(run),))
        run.ended(result, self._clock() - run.began)

    def _crashed(self, run: Run, error: Exception) -> None:
        """A fault of ours, in one file: it holds that file and no other. In a chore it ends the agent."""
        if run.is_chore:
            raise error
        self._stream.emit(Crashed(f"the upload of {run.name}", error))
        self.faulty.add(run.number)
        words = f"a fault of watcher itself: {type(error).__name__}"
        check = "the traceback in the log, and report it"
        self.holds.leave(run.number)
        self._holding.failed(Outside(_file(run), words, check=check), run.number)
        run.renewed = run.renewed or run.part
        self._renew(run)

    def _rests(self, run: Run) -> bool:
        """Whether a script only waits for others, or for the end of a hold."""
        now = self._clock()
        return all(
            task in self._waiting
            and task.act.at_stop != "begins"
            and not isinstance(task.act, Pause)
            and self._due_at(task) > now
            for task in run.tasks
            if not task.is_done
        )

    def _renew(self, run: Run) -> None:
        """Begin a script anew, from where the journal says that its file is."""
        assert run.renewed is not None
        run.script.close()
        self._waiting = [task for task in self._waiting if task.run is not run]
        self.holds.leave(run.number)
        run.part, run.renewed = run.renewed, None
        run.script = run.part.begin()
        self._resume(run, None)


async def insist(call: Call[T]) -> T:
    """Do something until it works. That it works says nothing about its targets, unless it failed before."""
    while True:
        try:
            return await call
        except Outside as fault:
            call = replace(call, targets=tuple(dict.fromkeys((*call.targets, fault.target))))


def _file(run: Run) -> Target:
    return Target("file", run.name)


def _called(act: Act[Any]) -> object:
    """Do an act of a chore, which brings its own work with it."""
    assert isinstance(act, Call)
    return act.work()
