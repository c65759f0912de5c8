"""Drives the scripts of all files, and of the agent's chores, in one thread: the only place that knows holds.

It hands out every act whose targets are free, takes results back, begins and ends holds by one rule, repeats
an act after a fault outside the file, and resumes the script otherwise. It never waits: the loop around does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from watcher.agent.engine.batches import Batches, steps_of
from watcher.agent.engine.holding import Holding
from watcher.agent.engine.runs import Part, Run, Runs, Script, Task, tasks_of
from watcher.agent.engine.tasks import Tasks
from watcher.agent.engine.turns import Turns
from watcher.agent.engine.workers import Done, Workers
from watcher.core.acts import Accuse, Aside, Clear, Commit, Free, Pace, Pause, Push, Release, Tell, Turn
from watcher.core.errors import TakenOver, WatcherError
from watcher.core.events import Crashed, LostToOther
from watcher.core.holds import NEVER
from watcher.core.model import Row
from watcher.core.steps import Step
from watcher.core.target import Target
from watcher.report.stream import Stream


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
        self.holds, self.runs = holding.table, Runs(clock)
        self.stopping, self.faulty = False, set[int]()  # files that are held by a fault of ours
        self._workers, self._stream, self._apply, self._clock = workers, stream, apply, clock
        self._holding, self._turns = holding, Turns(self.runs, stream)
        self.tasks, self._commits = Tasks(self.holds, self._turns, self._due_at), Batches()

    # -- for those around it -----------------------------------------------------------------------

    def begin(self, run: Run, *, parallel: int = 1) -> None:
        """Begin the script of a file, behind the others of its route: `parallel` are uploaded at a time."""
        self.runs.add(run)
        self._turns.join(run, parallel)
        self._resume(run, None)

    def chore(self, name: str, script: Script, ended: Callable[[Any, float], None]) -> None:
        """Begin a script that is no file's. An error in it ends the agent."""
        self._resume(self.runs.chore(name, script, ended), None)

    def attended(self, target: Target) -> bool:
        """Say whether anybody waits for this target, or is at it."""
        return self.tasks.attend(target, self._commits.waiting)

    @property
    def quiet(self) -> bool:
        """Whether a stop need not wait any more: what is still under way may be left alone."""
        at_work = any(task.act.at_stop != "leaves" and not task.is_late for task in self.tasks.flying)
        return not (at_work or self._commits.waiting or self._ready(self._clock())[0])

    def turn(self) -> float:
        """Begin every act that may begin now; returns when the next one may, by the clock."""
        now = self._clock()
        self._holding.answered(self.tasks.gone_on(now))
        for task in self.tasks.late(now):
            self._holding.late(fault := task.lateness(), task.run.number)
            if fault.target == task.run.target:
                self._turns.step_aside(task.run)
        for task in self.tasks.missed(now):
            self._collect(task, None)
        while (found := self._ready(now))[0]:
            # One that did not meet a server's fault itself makes the better probe of it.
            for task in sorted(found[0], key=lambda task: self.holds.has_met(task.targets)):
                # Not dropped by what came before, and no second probe of what that probes.
                if task in self.tasks.waiting and self._due_at(task) <= now:
                    self.tasks.waiting.remove(task)
                    self._hand_out(task, now)
        due_at = found[1]
        for run in [run for run in self.runs.files if run.renewed and self.tasks.rest(run, self._clock())]:
            self._renew(run)
            due_at = now
        self._write(now, busy=(busy := bool(self.tasks.flying) and not self.stopping))
        return min([self._commits.due_at(busy=busy), due_at, *(task.late_at for task in self.tasks.flying)])

    def finished(self, done: Iterable[Done]) -> None:
        """Take back what workers did. Raises what a chore ended with."""
        back = self._commits.back(done)
        try:
            for task, result in back:
                if task in self.tasks.flying:
                    self.tasks.flying.remove(task)
                    self._digest(task, result)
        except Exception:  # nobody is to wait for those whose results go by the board
            self.tasks.flying = [task for task in self.tasks.flying if task not in dict(back)]
            raise

    def renew(self, part_of: Callable[[int, str], Part]) -> None:
        """New settings are in force: each file goes on under them as soon as it would have to wait."""
        self.holds.hurry(self._clock())
        for run in self.runs.files:
            run.renewed = part_of(run.number, run.name)

    def drop_chores(self) -> bool:
        """Let go of all chores; False: one is at something that is to be waited for."""
        if any(task.run.is_chore and task.act.at_stop == "waits" for task in self.tasks.flying):
            return False
        self.tasks.forget(lambda task: task.run.is_chore)
        for number in self.runs.drop_chores():
            self.holds.leave(number)  # one that is late was the probe of what does not answer
        return True

    def stop(self) -> None:
        """Finish what is under way, as far as that takes no longer than its deadline; begin nothing more."""
        self.stopping = True
        self.holds.hurry(self._clock())  # a last try to write down what is known
        optional = [task for task in (*self.tasks.flying, *self.tasks.waiting) if task.maybe]
        self.tasks.forget(optional.__contains__)
        for task in optional:
            self._collect(task, None)
        try:
            while True:
                due = self.turn()
                if self.quiet:
                    break
                self.finished(self._workers.wait(due - self._clock()))
        finally:
            busy = {task.run for task in self.tasks.flying if not isinstance(task.act, Commit)}
            self.runs.close(busy=busy)
            self.tasks.waiting, self._turns.waiting = [], []

    # -- acts --------------------------------------------------------------------------------------

    def _ready(self, now: float) -> tuple[list[Task], float]:
        self.tasks.waiting += [] if self.stopping else self._turns.next()
        return self.tasks.due(now)

    def _due_at(self, task: Task) -> float:
        act = task.act
        if self.stopping and act.at_stop != "begins" and not isinstance(act, Push):
            return NEVER
        pace = self._holding.tempo.due_at if isinstance(act, Pace) else 0.0
        return max(task.not_before, pace, self.holds.due_at(task.run.number, task.targets))

    def _hand_out(self, task: Task, now: float) -> None:
        act, number = task.act, task.run.number
        if isinstance(act, Turn | Pause | Pace):
            if isinstance(act, Pace):
                self._holding.paced()
            self._collect(task, None)
            return
        self.holds.take(number, task.targets)
        if isinstance(act, Clear):
            self._collect(task, tuple(hold.target for hold in self.holds.held(task.targets)))
        elif isinstance(act, Commit):
            task.since = now
            self._commits.waiting.append(task)
        else:
            task.asked_at, task.late_for = now, None
            self.tasks.flying.append(task)
            self._workers.do(task, task.do, at_once=len(task.run.tasks) > 1)

    def _digest(self, task: Task, result: object) -> None:
        """An act came back: with a value, with an error that is the file's, or with a fault outside it."""
        act, number = task.act, task.run.number
        if isinstance(result, Exception) and not isinstance(result, WatcherError):
            self._collect(task, result)  # a fault of ours, wherever it was: the script ends with it
            return
        value, fault = task.digested(result)
        proof = act.proof(value)
        touched = task.targets if proof is not None else ()
        self._holding.answered(task.answering(fault))
        if fault is not None:
            self._holding.failed(fault, number, asked_at=task.asked_at)
            # It meets its targets in their order: the fault of one says that those before it are there.
            touched = touched[: touched.index(fault.target)] if fault.target in touched else ()
            if fault.target == task.run.target and not task.maybe:
                self._turns.step_aside(task.run)
        self._holding.heard(number, task.run.target, act, value, asked_at=task.asked_at)
        if proof is not None:
            self._holding.worked(touched, asked_at=task.asked_at, proof=proof)
            if not (self.holds.held([task.run.target]) or self._holding.suspects.is_open(number)):
                self.runs.set_aside(task.run, False)
        self.holds.leave(number, task.let_go)
        if fault is not None and act.repeats and not task.maybe:
            task.met(fault)
            self.tasks.waiting.append(task)
        else:
            self._collect(task, value)

    def _write(self, now: float, *, busy: bool) -> None:
        """Write all steps that wait in one transaction, one at a time."""
        if batch := self._commits.next(now, busy=busy):
            self.tasks.flying += batch
            self._workers.do(self._commits, partial(self._apply, steps_of(batch)))

    # -- scripts -----------------------------------------------------------------------------------

    def _resume(self, run: Run, value: object) -> None:
        """Let a script go on up to its next act that takes time."""
        run.tasks = []
        while True:
            try:
                act = run.step(value)
            except StopIteration as end:
                self._remove(run)
                run.ended(end.value, self._clock() - run.began)
                return
            except TakenOver as error:
                self._let_go(run, error.by)
                return
            except Exception as error:
                self._crashed(run, error)
                return
            value = None
            match act:
                case Tell(event):
                    self._stream.emit(event)
                case Free():
                    value = not (self.stopping or self.holds.held(act.targets)) and self._holding.paced()
                case Accuse(met):
                    value = self._holding.accuse(run.number, run.target, met, alone=self._turns.is_alone(run))
                case Aside(fault):
                    self._holding.failed(fault, run.number)
                    self._turns.step_aside(run)
                case Turn() if not self.stopping and self._turns.has(run, act):
                    pass
                case Release():
                    self._turns.leave(run)
                case _:
                    break
        run.tasks = tasks_of(run, act, self._clock())
        for task in run.tasks:
            self._await(task)

    def _await(self, task: Task) -> None:
        if isinstance(task.act, Turn):
            self.holds.leave(task.run.number)  # whoever waits for others does not probe
            self._turns.waiting.append(task)
        elif task.maybe and self._due_at(task) > self._clock():
            self._collect(task, None)  # it would have to wait
        else:
            self.tasks.waiting.append(task)

    def _collect(self, task: Task, value: object) -> None:
        task.is_done, task.result = True, None if task.maybe and isinstance(value, Exception) else value
        run = task.run
        if all(part.is_done for part in run.tasks):
            results = [part.result for part in run.tasks]
            error = next((result for result in results if isinstance(result, Exception)), None)
            self._resume(run, error or (results[0] if len(results) == 1 else tuple(results)))

    def _remove(self, run: Run) -> None:
        self.runs.remove(run)
        self._turns.leave(run)
        self.holds.leave(run.number)
        self.faulty.discard(run.number)
        self._holding.left(run.number, run.target)

    def lose(self, number: int, by: str) -> None:
        """The file of this row is another agent's; one that is busy hears it with its next commit."""
        for run in self.runs.files:
            if run.number == number and self.tasks.rest(run, self._clock()):
                self._let_go(run, by)

    def _let_go(self, run: Run, by: str) -> None:
        run.script.close()
        self.tasks.forget(lambda task: task.run is run)
        self._remove(run)
        self._stream.emit(LostToOther(run.name, run.route, by))

    def _crashed(self, run: Run, error: Exception) -> None:
        """A fault of ours, in one file: it holds that file and no other. In a chore it ends the agent."""
        if run.is_chore:
            raise error
        self._stream.emit(Crashed(f"the upload of {run.name}", error))
        self.faulty.add(run.number)
        self._turns.step_aside(run)
        self.holds.leave(run.number)
        self._holding.failed(run.fault(error), run.number)
        run.renewed = run.renewed or run.part
        self._renew(run)

    def _renew(self, run: Run) -> None:
        """Begin a script anew, from where the journal says that its file is."""
        assert run.renewed is not None
        run.script.close()
        self.tasks.forget(lambda task: task.run is run)
        self.holds.leave(run.number)
        run.part, run.renewed = run.renewed, None
        run.script = run.part.begin()
        self._resume(run, None)
