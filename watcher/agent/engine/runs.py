"""What the engine keeps of each script that is on its way, and the acts of the agent's own chores."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from watcher.agent.engine.contents import Contents
from watcher.core.acts import Act, Both, Found, Maybe, Pause
from watcher.core.errors import Outside, Proof
from watcher.core.holds import NEVER
from watcher.core.probing import Ask
from watcher.core.target import Target
from watcher.disk.faults import noting
from watcher.disk.system import processor_seconds

T = TypeVar("T")
# Of the time that an act takes: who waits for a disk needs next to nothing of the processor.
COMPUTING_SHARE = 0.05
Script = Coroutine[Act[Any], Any, Any]


@dataclass(frozen=True, slots=True)
class Call(Act[T]):
    """An act of a chore: call `work`, in a worker's thread."""

    work: Callable[[], T]
    blames: Target  # what does not answer, where it takes too long, unless it is at a folder elsewhere

    @property
    def blamed(self) -> Target:
        """What does not answer, where it takes too long: of nested folders the one that people know."""
        at = self.is_at
        return self.blames if at is None or Path(at.name).is_relative_to(self.blames.name) else at

    def proof(self, value: object) -> Proof | None:
        """Return what it shows of its targets: where it fails nothing, for it meets them in no order."""
        return None if isinstance(value, Outside) else Proof.ANSWER


@dataclass(frozen=True, slots=True)
class Awaited(Call[T]):
    """One that is waited for when the agent stops."""

    at_stop = "waits"


@dataclass(frozen=True, slots=True)
class Attempt(Call[T]):
    """One that is not done again after a fault outside: that is the chore's to deal with."""

    repeats = False


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
    route: str | None = None
    tasks: list[Task] = field(default_factory=list)  # what it waits for
    is_aside: bool = False  # others of its route go first
    rejoins: bool = False  # it left its place in line for that
    renewed: Part | None = None  # to go on with, as soon as it would have to wait

    @property
    def is_chore(self) -> bool:
        """Whether it is no file's."""
        return self.number < 0

    @property
    def target(self) -> Target:
        """What is held by a fault of ours."""
        return Target("file", self.name, self.number)

    def fault(self, error: Exception) -> Outside:
        """Return what holds this file alone."""
        words = f"a fault of watcher itself: {type(error).__name__}"
        return Outside(self.target, words, check="the traceback in the log, and report it")

    def step(self, value: object) -> Act[Any]:
        """Give the script the result of its last act, or raise it there; return its next one."""
        return self.script.throw(value) if isinstance(value, Exception) else self.script.send(value)


@dataclass(slots=True, eq=False)
class Task:
    """One act of a script, on its way."""

    run: Run
    act: Act[Any]
    maybe: bool
    not_before: float
    targets: tuple[Target, ...]  # those of the act, and further ones that it met a fault of
    asked_at: float = NEVER  # when it was handed out
    since: float = 0.0  # when it was ready to be
    thread: int = 0  # in which it is done, by the system's number
    computed_before: float = 0.0  # processor seconds that the thread had had by then
    late_for: Target | None = None  # what did not answer in time
    gone_on_at: float = 0.0  # ... when something else was seen to be what it waits for
    is_done: bool = False
    result: object = None

    def do(self) -> object:
        """Have it done, in this thread; returns its result. Raises what the act says."""
        self.thread, self.computed_before = threading.get_native_id(), time.thread_time()
        with noting(self.act.at):
            return self.run.part.do(self.act)

    @property
    def is_late(self) -> bool:
        """Whether it takes longer than is plausible, and that was told."""
        return self.late_for is not None

    @property
    def late_at(self) -> float:
        """When it takes longer than is plausible, where that was not told yet."""
        if self.is_late or self.act.blamed is None:
            return NEVER
        return max(self.asked_at, self.gone_on_at) + self.act.seconds

    def lateness(self) -> Outside:
        """It is late: return what is held for that. Where it computes no disk hangs, and that is the file."""
        computed = processor_seconds(self.thread) - self.computed_before
        if not self.run.is_chore and computed > COMPUTING_SHARE * self.act.seconds:
            words = f"it has been looked through for {self.act.seconds:.0f} s so far, by the processor"
            check = "wait; or `watcher withdraw` it, and make it smaller, or the checks of its route simpler"
            fault = Outside(self.run.target, words, check=check)
        else:
            assert self.act.blamed is not None
            words = f"it has not answered for {self.act.seconds:.0f} s"
            fault = Outside(self.act.blamed, words, check="is it still there?")
        self.late_for = fault.target
        self.met(fault)
        return fault

    def gone_on(self, now: float) -> list[Target]:
        """Return what it was late for, if it is at something else by now, which has as much time again."""
        late, blamed = self.late_for, self.act.blamed
        if late is None or late.kind == "file" or blamed in (None, late):
            return []
        self.late_for, self.gone_on_at = None, now
        return [late]

    def answering(self, fault: Outside | None) -> list[Target]:
        """Return what it was late for, if that answered now: it met this fault, or none."""
        late = self.late_for
        return [] if late is None or (fault is not None and fault.target == late) else [late]

    def met(self, fault: Outside) -> None:
        """From now on it waits for what failed, too, whatever its act says that it needs."""
        if fault.target not in self.targets:
            self.targets = (*self.targets, fault.target)

    def digested(self, result: object) -> tuple[object, Outside | None]:
        """Take apart what came back, as the act does; a fault of this file alone is not its namesake's."""
        value, fault = self.act.digested(result)
        if fault is not None and fault.target.kind == "file" and not self.run.is_chore:
            fault.target = self.run.target
        return value, fault

    @property
    def let_go(self) -> list[Target]:
        """What it probes no more, now that it came back: all, but for what it only asked about."""
        asked = self.act.targets if isinstance(self.act, Ask) else ()
        return [target for target in self.targets if target not in asked]

    def abandon(self, result: object) -> None:
        """Its worker is through, and nobody waits for it any more: let go of the files that are open."""
        self.run.script.close()
        if isinstance(result, Found):
            result.opened.close()


class Runs:
    """All scripts on their way."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.under_way: Counter[str | None] = Counter()  # files, by route
        self.aside: Counter[str | None] = Counter()  # those of them that let others go first
        self.contents = Contents()  # of the files
        self._clock = clock
        self._files: dict[int, Run] = {}
        self._chores: dict[int, Run] = {}
        self._last_chore = 0

    @property
    def files(self) -> list[Run]:
        """Those of files. Any thread may ask how many there are."""
        return list(self._files.values())

    @property
    def has_files(self) -> bool:
        """Whether a file is on its way."""
        return bool(self._files)

    def add(self, run: Run) -> None:
        """Take in the script of a file."""
        self.under_way[run.route] += 1
        self._files[run.number] = run
        self.contents.begin(run.number)

    def chore(self, name: str, script: Script, ended: Callable[[Any, float], None]) -> Run:
        """Take in the script of a chore."""
        self._last_chore -= 1
        part = Part(lambda: script, _called)
        run = Run(self._last_chore, name, part, ended, self._clock(), script)
        self._chores[run.number] = run
        return run

    def remove(self, run: Run) -> None:
        """A script came to its end."""
        if run.is_chore:
            del self._chores[run.number]
        else:
            del self._files[run.number]
            self.under_way[run.route] -= 1
            self.set_aside(run, False)
            self.contents.end(run.number)

    def set_aside(self, run: Run, aside: bool) -> None:
        """Others of a file's route go first, or not any more."""
        if run.is_aside != aside and not run.is_chore:
            self.aside[run.route] += 1 if aside else -1
            run.is_aside = aside

    def drop_chores(self) -> list[int]:
        """Let go of those of chores, and return their numbers; a worker may still be at an act of one."""
        for run in self._chores.values():
            run.script.close()
        numbers = list(self._chores)
        self._chores.clear()
        return numbers

    def uses(self, do: Callable[[Act[Any]], object]) -> bool:
        """Say whether a file still has its acts done this way."""
        return any(run.part.do == do for run in self._files.values())

    def close(self, *, busy: Collection[Run]) -> None:
        """Let go of all; what those that are busy have open may still be read, and stays open."""
        for run in (*self._files.values(), *self._chores.values()):
            if run not in busy:
                run.script.close()
        self._files.clear()
        self._chores.clear()


def tasks_of(run: Run, act: Act[Any], now: float) -> list[Task]:
    """Return the one or two acts that a script waits for."""
    tasks = []
    for part in (act.first, act.second) if isinstance(act, Both) else (act,):
        maybe = isinstance(part, Maybe)
        inner = part.act if isinstance(part, Maybe) else part
        begin = now + inner.length if isinstance(inner, Pause) else 0.0
        tasks.append(Task(run, inner, maybe, begin, inner.targets))
    return tasks


def _called(act: Act[Any]) -> object:
    """Do an act of a chore, which brings its own work with it."""
    assert isinstance(act, Call)
    return act.work()
