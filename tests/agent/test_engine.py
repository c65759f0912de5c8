"""The engine by hand: which acts begin, what is one transaction, what a fault holds, what a stop waits for.

The workers are the test's own: an act is done when the test says so, and brings back what the test says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.made import made_row
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.holding import Holding
from watcher.agent.engine.runs import Attempt, Awaited, Call, Part, Run, Script
from watcher.core.acts import Act, Both, Clear, Commit, Maybe, Release, Turn
from watcher.core.errors import ConfigError, IllegalStep, Outside
from watcher.core.events import Crashed, Event, HoldBegan, HoldEnded
from watcher.core.holds import Holds
from watcher.core.model import FileState, Row
from watcher.core.probing import Ask
from watcher.core.steps import Ready, Step
from watcher.core.target import Target
from watcher.disk.faults import blame, noting
from watcher.report.stream import Stream

STATE, SHARE, SERVER = Target("folder", "/state"), Target("folder", "/share"), Target("server", "http://x")


class Bench:
    """An engine whose workers and clock are the test's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[tuple[object, Callable[[], object]]] = []  # not done yet, oldest first
        self.done: list[tuple[object, object]] = []
        self.written: list[list[int]] = []  # the rows of each transaction
        self.refused: set[int] = set()  # rows whose steps are illegal
        self.store: Outside | None = None  # why the journal takes nothing
        self.events: list[Event] = []
        self.ended: dict[str, Any] = {}
        self.lost: list[str] = []
        stream = Stream()
        stream.subscribe(self.events.append)
        holding = Holding(
            Holds(cap_seconds=300, jitter=lambda: 0.0),
            stream,
            clock=lambda: self.now,
            now=lambda: datetime.now(UTC),
        )
        self.engine = Engine(self, holding, stream, apply=self.apply, clock=lambda: self.now)

    # -- the workers ---------------------------------------------------------------------------------

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        self.asked.append((ticket, work))

    def wait(self, seconds: float) -> list[tuple[object, object]]:
        assert self.done, f"nothing comes back, for {seconds} s"
        done, self.done = self.done, []
        return done

    def wake(self) -> None:
        """Nothing waits."""

    # -- what a test does ----------------------------------------------------------------------------

    def apply(self, steps: Sequence[Step]) -> list[Row]:
        if self.store is not None:
            raise self.store
        if any(step.row.id in self.refused for step in steps):
            raise IllegalStep("no such step")
        self.written.append([step.row.id for step in steps])
        return [step.row for step in steps]

    def begin(
        self, number: int, script: Script, again: Callable[[], Script] | None = None, **more: Any
    ) -> None:
        """Begin the script of a file called by its number."""
        part = Part(again or partial(forever, Target("file", str(number), number)), lambda act: act.work())  # type: ignore[attr-defined]
        ended = lambda result, _seconds: self.ended.__setitem__(str(number), result)  # noqa: E731
        run = Run(
            number, more.pop("name", str(number)), part, ended, self.now, script, more.pop("route", None)
        )
        self.engine.begin(run, **more)

    def turn(self) -> float:
        return self.engine.turn()

    def finish(self, *numbers: int) -> None:
        """Do the acts at these places of `asked`, by default all, and hand back what they bring."""
        chosen = [self.asked[number] for number in numbers] if numbers else list(self.asked)
        for ticket, work in chosen:
            self.asked.remove((ticket, work))
            try:
                result = work()
            except Exception as error:
                result = error
            self.engine.finished([(ticket, result)])


def done(act: Any) -> object:
    """Do an act of these scripts: it brings its own work with it."""
    return act.work()


async def forever(target: Target) -> None:
    """Begin again, and wait for the end of the hold on oneself."""
    await Clear(targets=(target,))


def ready(number: int) -> Commit:
    return Commit(Ready(made_row(FileState.SEEN, id=number)), targets=(STATE,))


async def ready_script(number: int) -> None:
    await ready(number)


def raising(error: Exception) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


def fault(target: Target = SHARE) -> Outside:
    return Outside(target, "it is not there")


async def call(work: Callable[[], object], *targets: Target, **more: Any) -> object:
    """What a worker does, until it works."""
    return await Call(work, (*targets, SHARE)[0], targets=targets, **more)


@dataclass(frozen=True, slots=True)
class Moves(Act[str]):
    """An act of a file."""

    def work(self) -> str:
        return "moved"


async def once(act: Act[Any]) -> object:
    """A script of one act."""
    return await act


async def attempt(work: Callable[[], object], *targets: Target) -> object:
    """What a worker does, once."""
    return await Attempt(work, (*targets, SHARE)[0], targets=targets)


@pytest.fixture
def bench(lines: list[str]) -> Bench:
    del lines  # the log must not go to the terminal
    return Bench()


async def two_commits(number: int) -> None:
    await ready(number)
    await ready(number)


def test_the_steps_of_one_turn_are_one_transaction_and_the_next_waits_for_it(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.begin(number, two_commits(number))
    bench.turn()
    bench.begin(4, two_commits(4))
    bench.turn()
    assert len(bench.asked) == 1

    bench.finish()
    bench.turn()
    bench.finish()
    bench.turn()
    bench.finish()

    assert bench.written == [[1, 2, 3], [4, 1, 2, 3], [4]]
    assert set(bench.ended) == {"1", "2", "3", "4"}


def test_one_illegal_step_holds_its_own_file_and_the_others_are_written(bench: Bench) -> None:
    bench.refused = {2}
    for number in (1, 2, 3):
        bench.begin(number, two_commits(number))
    for _ in range(5):
        bench.turn()
        bench.finish()

    assert sorted(chain(*bench.written)) == [1, 1, 3, 3]
    assert set(bench.ended) == {"1", "3"}
    assert [hold.target for hold in bench.engine.holds.active] == [Target("file", "2", 2)]
    assert [event.where for event in bench.events if isinstance(event, Crashed)] == ["the upload of 2"]
    assert bench.engine.faulty == {2}


def test_a_journal_that_takes_nothing_is_one_hold_and_every_step_is_written_afterwards(bench: Bench) -> None:
    bench.store = fault(STATE)
    for number in (1, 2, 3):
        bench.begin(number, two_commits(number))
    assert bench.turn() == bench.now + 60  # when that would be late
    bench.finish()
    assert bench.turn() == bench.now + 1  # the first step of the backoff
    assert bench.asked == []

    bench.store = None
    bench.now += 1
    for _ in range(6):
        bench.turn()
        bench.finish()

    assert sorted(chain(*bench.written)) == [1, 1, 2, 2, 3, 3]
    assert [type(event) for event in bench.events] == [HoldBegan, HoldEnded]


def test_while_one_file_probes_the_others_wait_and_all_go_on_when_it_came_through(bench: Bench) -> None:
    broken = [True]

    def work() -> str:
        if broken[0]:
            raise fault()
        return "done"

    async def insisting() -> object:
        while True:
            try:
                return await attempt(work, SHARE)
            except Outside:
                continue

    for number in (1, 2, 3):
        bench.begin(number, insisting())
    bench.turn()
    assert len(bench.asked) == 3
    bench.finish()
    bench.now += 1
    bench.turn()
    assert len(bench.asked) == 1
    broken[0] = False
    bench.finish()
    bench.turn()
    bench.finish()

    assert set(bench.ended.values()) == {"done"}
    assert sum(isinstance(event, HoldBegan) for event in bench.events) == 1


def test_an_act_that_does_not_answer_is_a_hold_and_costs_nobody_else_anything(bench: Bench) -> None:
    bench.begin(1, call(lambda: "late", SHARE, seconds=60.0))
    assert bench.turn() == bench.now + 60
    bench.now += 60
    bench.turn()
    bench.begin(2, call(lambda: "quick", SERVER))
    bench.begin(3, call(lambda: "behind", SHARE))
    bench.turn()

    (hold,) = bench.engine.holds.active
    assert (hold.target, hold.reason) == (SHARE, "it has not answered for 60 s")
    assert len(bench.asked) == 2  # nobody else is sent after it
    bench.finish(1)
    assert bench.ended == {"2": "quick"}
    bench.now += 1000
    bench.finish(0)  # it comes back after all: it was the probe
    bench.turn()
    bench.finish()
    assert bench.ended == {"1": "late", "2": "quick", "3": "behind"}
    assert bench.engine.holds.active == ()


def test_the_folder_that_an_act_hangs_at_is_held_until_the_act_comes_back(bench: Bench) -> None:
    """Whatever it needs first: a move needs the work folder, and may hang in the one that it moves to."""
    done = Target("folder", "/done")
    bench.begin(1, once(Moves(targets=(SHARE, done))))
    bench.turn()
    [(task, _)] = bench.asked
    with noting(task.act.at), blame(Path("/share")), blame(Path("/done")):  # type: ignore[attr-defined]
        bench.now += 60
        bench.turn()
        assert [hold.target for hold in bench.engine.holds.active] == [done]
    with noting(task.act.at), blame(Path("/share")):  # type: ignore[attr-defined]
        bench.now += 1
        assert bench.turn() == bench.now + 60  # that answered: what it is at now has as long
        assert bench.engine.holds.active == ()
        bench.now += 60
        bench.turn()
        assert [hold.target for hold in bench.engine.holds.active] == [SHARE]
    bench.finish()
    assert bench.ended == {"1": "moved"}
    assert bench.engine.holds.active == ()


def test_a_chore_that_does_not_answer_is_told_of_whatever_it_needs(bench: Bench) -> None:
    bench.engine.chore("look", call(lambda: "late"), lambda result, _seconds: bench.lost.append(result))
    bench.now += bench.turn() - bench.now
    bench.turn()
    assert [hold.reason for hold in bench.engine.holds.held([SHARE])] == ["it has not answered for 60 s"]
    bench.finish()
    assert bench.lost == ["late"]
    assert bench.engine.holds.active == ()


def test_an_act_that_came_back_late_and_hangs_again_is_late_again(bench: Bench) -> None:
    tries = [raising(fault()), lambda: "done"]
    bench.begin(1, call(lambda: tries.pop(0)(), SHARE))
    bench.now = bench.turn()
    bench.turn()
    bench.finish()
    [hold] = bench.engine.holds.active
    assert hold.reason == "it is not there"
    bench.now = bench.turn()
    assert bench.turn() == bench.now + 60
    bench.now += 60
    bench.turn()
    [hold] = bench.engine.holds.active
    assert hold.reason == "it has not answered for 60 s"
    bench.finish()
    assert bench.ended == {"1": "done"}
    assert bench.engine.holds.active == ()


def test_a_fault_of_something_that_the_act_does_not_name_is_waited_for_all_the_same(bench: Bench) -> None:
    tries = []

    def work() -> Row:
        tries.append(bench.now)
        if len(tries) == 1:
            raise fault(STATE)
        return made_row(FileState.SEEN)

    bench.begin(1, call(work, SHARE))
    bench.turn()
    bench.finish()
    assert bench.turn() == 1001.0
    bench.now += 1
    bench.turn()
    bench.finish()

    assert tries == [1000.0, 1001.0]
    assert bench.engine.holds.active == ()


def test_a_probe_that_ended_before_it_came_so_far_lets_others_probe(bench: Bench) -> None:
    """A request meets the login before the server: where the login fails, it says nothing of the server."""
    faults = [fault(SERVER), fault(), fault()]

    def work() -> object:
        raise faults.pop(0)

    async def insisting() -> None:
        while True:
            with suppress(Outside):
                await attempt(work, SHARE, SERVER)

    bench.begin(1, insisting())
    bench.turn()
    bench.finish()  # the server is held
    bench.now += 1
    bench.turn()
    bench.finish()  # this was its probe, and met the fault of the share

    bench.begin(2, call(lambda: "through", SERVER))
    bench.turn()
    bench.finish()

    assert bench.ended == {"2": "through"}
    assert [hold.target for hold in bench.engine.holds.active] == [SHARE]


async def in_turn(order: list[int], number: int) -> None:
    await Turn("front")
    await call(lambda: None)
    await Turn("upload")
    await call(lambda: order.append(number))
    await Release()
    await call(lambda: None)


def test_files_of_a_route_are_uploaded_in_the_order_of_their_claims(bench: Bench) -> None:
    order: list[int] = []
    for number in (1, 2, 3):
        bench.begin(number, in_turn(order, number), route="r", parallel=1)
    bench.turn()
    assert len(bench.asked) == 2  # the second one is inspected, the third one waits for that
    bench.finish(1)  # the second one is through first
    bench.turn()
    assert order == []
    for _ in range(8):
        bench.finish()
        bench.turn()

    assert order == [1, 2, 3]


def test_what_may_be_done_and_would_have_to_wait_is_left_and_the_script_goes_on(bench: Bench) -> None:
    async def script(name: str) -> str:
        return f"{name}: {await Maybe(Call(lambda: 'done', SERVER, targets=(SERVER,)))}"

    bench.begin(1, call(raising(fault(SERVER)), SERVER))
    bench.turn()
    bench.finish()
    bench.begin(2, script("beside a hold"))
    bench.turn()
    assert bench.ended == {"2": "beside a hold: None"}

    bench.engine.stopping = True
    bench.begin(3, script("at a stop"))
    assert bench.ended["3"] == "at a stop: None"


class AtOnce(Call[object]):
    """What is announced: it goes at once or not at all."""

    waits = False


def test_what_goes_at_once_or_not_at_all_is_left_where_something_is_held_by_now(bench: Bench) -> None:
    async def script() -> object:
        await ready(2)
        return await AtOnce(lambda: "sent", SERVER, targets=(SERVER,))

    bench.begin(1, call(raising(fault(SERVER)), SERVER))
    bench.begin(2, script())
    bench.turn()
    bench.finish(1)  # it is written down that it goes out
    bench.finish(0)  # and then another one meets a fault
    bench.turn()

    assert bench.ended == {"2": None}


@dataclass(frozen=True, slots=True)
class Asking(Ask):
    """Ask for the turn to probe, of whoever the test is."""

    work: Callable[[], object] = lambda: 0.0


def hold_the_server(bench: Bench) -> None:
    """The first file met a fault of it, and is not at it any more."""
    bench.begin(1, call(raising(fault(SERVER)), SERVER))
    bench.turn()
    bench.finish()
    bench.engine.tasks.forget(lambda task: task.run.number == 1)


def test_who_asks_others_for_the_turn_to_probe_goes_first_when_it_has_it(bench: Bench) -> None:
    answers, probed = [7.0, 0.0], list[int]()

    async def probe(number: int) -> None:
        while held := await Clear(targets=(SERVER, SHARE)):
            assert held == (SERVER,)
            if not await Asking(work=lambda: answers.pop(0), targets=held):
                break
        await call(lambda: probed.append(number), SERVER)

    hold_the_server(bench)
    bench.begin(2, probe(2))
    bench.begin(3, probe(3))
    bench.now += 1
    bench.turn()
    assert len(bench.asked) == 1, "the other one waits for it"
    bench.finish()
    assert bench.turn() == bench.now + 7.0, "another agent probes"
    [hold] = bench.engine.holds.active
    assert (hold.tries, hold.reason) == (1, "it is not there")

    bench.engine.holds.others_came_through(bench.now)
    bench.turn()
    bench.finish()
    bench.turn()
    assert len(bench.asked) == 1, "it probes, and the other one waits on"
    bench.finish()
    assert len(probed) == 1
    bench.turn()
    bench.finish()
    assert sorted(probed) == [2, 3]
    assert bench.engine.holds.active == ()


def test_a_journal_that_was_away_as_it_was_asked_for_the_turn_keeps_nobody_else(bench: Bench) -> None:
    works = [raising(fault(STATE)), lambda: 0.0]

    async def probe() -> None:
        held = await Clear(targets=(SERVER,))
        assert not await Asking(work=lambda: works.pop(0)(), targets=held)
        await forever(SHARE)  # it has something else to do before it goes on

    hold_the_server(bench)
    bench.begin(2, probe())
    bench.now += 1
    bench.turn()
    bench.finish()
    assert bench.engine.holds.held([STATE])
    bench.begin(3, ready_script(3))
    bench.now += 1
    for _ in range(3):
        bench.turn()
        bench.finish()
    assert bench.written == [[3]]
    assert not bench.engine.holds.held([STATE])


def test_a_journal_that_does_not_answer_who_asks_for_the_turn_is_no_fault_of_the_server(bench: Bench) -> None:
    async def probe() -> None:
        await Asking(work=lambda: 0.0, targets=await Clear(targets=(SERVER,)))

    hold_the_server(bench)
    bench.begin(2, probe())
    bench.now += 1
    bench.turn()
    bench.now += 1000
    bench.turn()
    [hold] = bench.engine.holds.active
    assert (hold.tries, hold.reason) == (1, "it is not there")


def test_a_stop_waits_for_what_must_end_and_for_nothing_that_may_be_left(bench: Bench) -> None:
    async def sending() -> None:
        sent, ahead = await Both(Awaited(lambda: "answer", SERVER), Maybe(Call(lambda: "read ahead", SHARE)))
        assert (sent, ahead) == ("answer", None)
        await ready(1)
        await call(lambda: bench.lost.append("begun after the stop"))

    bench.begin(1, sending())
    bench.begin(2, call(lambda: "a look at a share that hangs", SHARE))
    bench.turn()
    tickets = [ticket for ticket, _ in bench.asked]
    bench.done = [(tickets[0], "answer")]
    answers = iter([tickets[0]])

    def wait(_seconds: float) -> list[tuple[object, object]]:
        if (ticket := next(answers, None)) is not None:
            return [(ticket, "answer")]
        (batch,) = [(one, work) for one, work in bench.asked if one not in tickets]
        bench.asked.remove(batch)
        return [(batch[0], batch[1]())]

    bench.wait = wait  # type: ignore[method-assign] - the answer comes, and then the commit
    bench.engine.stop()

    assert bench.written == [[1]]
    assert bench.lost == []
    assert bench.ended == {}


def test_a_fault_of_one_file_does_not_hold_another_of_the_same_name(bench: Bench) -> None:
    def broken() -> None:
        raise Outside(Target("file", "a.csv"), "it cannot be read")  # as the disk tells it, by its name

    bench.begin(1, call(broken, Target("file", "a.csv", 1)), name="a.csv")
    bench.turn()
    bench.finish()
    bench.begin(2, call(lambda: "mended", Target("file", "a.csv", 2)), name="a.csv")
    bench.turn()
    bench.finish()

    assert bench.ended == {"2": "mended"}
    assert bench.engine.holds.held([Target("file", "a.csv", 1)])


def test_a_fault_of_ours_holds_one_file_which_begins_again_from_the_journal(bench: Bench) -> None:
    async def broken() -> None:
        await call(lambda: 1 // 0)

    async def mended() -> str:
        await Clear(targets=(Target("file", "1", 1),))
        return "mended"

    bench.begin(1, broken(), mended)
    bench.begin(2, call(lambda: "other"))
    bench.turn()
    bench.finish()
    bench.turn()
    assert bench.ended == {"2": "other"}
    assert bench.engine.faulty == {1}

    bench.now += 1
    bench.turn()

    assert bench.ended["1"] == "mended"
    assert bench.engine.faulty == set()
    assert bench.engine.holds.active == ()


def test_new_settings_take_over_a_file_as_soon_as_it_would_have_to_wait(bench: Bench) -> None:
    async def fresh(number: int) -> str:
        return f"{number} under the new ones"

    bench.begin(1, call(lambda: "under the old ones"))
    bench.begin(2, in_turn([], 2), route="r")
    bench.begin(3, in_turn([], 3), route="r")
    bench.begin(4, in_turn([], 4), route="r")  # waits for its turn
    bench.turn()

    bench.engine.renew(lambda number, _name: Part(partial(fresh, number), done))
    bench.turn()
    assert bench.ended == {"4": "4 under the new ones"}
    bench.finish(0)

    assert bench.ended["1"] == "under the old ones"


def test_where_one_chore_ends_the_agent_nobody_waits_for_what_came_back_with_it(bench: Bench) -> None:
    def broken() -> None:
        raise ConfigError("we are not alone")

    ended: list[object] = []
    for work in (broken, lambda: "looked"):
        script = call(work)
        bench.engine.chore("chore", script, lambda result, _seconds: ended.append(result))
    bench.turn()
    (first, _), (second, _) = bench.asked

    with pytest.raises(ConfigError):
        bench.engine.finished([(first, ConfigError("we are not alone")), (second, "looked")])

    assert bench.engine.quiet
    bench.asked.clear()
