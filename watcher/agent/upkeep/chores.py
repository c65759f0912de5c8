"""What an agent does besides its files: heartbeats, retention, history, the status file, requests, takeovers.

Each is an act of its own, begun when it is due; none waits for another, and no file waits for any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from watcher.agent.effects.effects import Effects
from watcher.agent.effects.shared_server import SharedServer
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.runs import Awaited, Call, Part
from watcher.agent.queue.dispatcher import Dispatcher
from watcher.agent.upkeep.publisher import Publisher
from watcher.agent.upkeep.retention import Housekeeper
from watcher.agent.upkeep.takeover import Found, Takeover
from watcher.agent.upkeep.withdrawals import Request, Withdrawals
from watcher.core.holds import NEVER
from watcher.core.life import life
from watcher.core.model import Row
from watcher.core.policy import Policy
from watcher.core.withdrawal import withdrawn
from watcher.disk.owner import HEARTBEAT_SECONDS, Owner
from watcher.report.hold_history import HoldHistory

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Duties:
    """Whom the chores are done by; each in a worker's thread."""

    publisher: Publisher
    housekeeper: Housekeeper
    history: HoldHistory
    owner: Owner
    withdrawals: Withdrawals
    takeover: Takeover
    shared: SharedServer
    effects: Effects


class Chores:
    """Of one agent, under one set of settings; the control thread's."""

    def __init__(
        self,
        engine: Engine,
        dispatcher: Dispatcher,
        policy: Policy,
        duties: Duties,
        *,
        set_off: Callable[[Row], None],
        file_left: Callable[[Row], None],
        clock: Callable[[], float],
    ) -> None:
        """`set_off` begins the life of a file that was taken over, `file_left` of one that was withdrawn from
        outside, and could not be moved from there."""
        self._engine, self._dispatcher, self._policy, self._duties = engine, dispatcher, policy, duties
        self._set_off, self._file_left, self._clock = set_off, file_left, clock
        self._beat_at = clock()
        self._busy: set[str] = set()  # those that are under way

    def begin(self, *, is_resumed: bool) -> float:
        """Begin what is due; returns when something more will be, by the clock."""
        duties, policy, now = self._duties, self._policy, self._clock()
        if duties.housekeeper.due_at <= now:
            self._chore("retention", Call(duties.housekeeper.step, duties.housekeeper.at))
        if self._beat_at <= now or duties.owner.is_urgent:
            self._beat_at = now + HEARTBEAT_SECONDS
            self._chore("owner", Call(duties.owner.beat, policy.work))
        if is_resumed and duties.withdrawals.due_at <= now and "requests" not in self._busy:
            self._busy.add("requests")
            read = Call(duties.withdrawals.read, policy.state)
            self._engine.chore("requests", _script(read), self._asked_to_withdraw)
        if is_resumed and duties.takeover.due_at <= now and "takeover" not in self._busy:
            self._busy.add("takeover")
            busy = frozenset(run.number for run in self._engine.runs.files)
            look = Awaited(partial(duties.takeover.look, busy), policy.work, targets=(policy.state,))
            self._engine.chore("takeover", _script(look), self._took_over)
        if duties.shared.due_at <= now and "shared" not in self._busy:
            self._busy.add("shared")
            exchange = partial(duties.shared.exchange, dict(policy.limits))
            call = Call(exchange, policy.state, targets=(policy.state,))
            self._engine.chore("shared", _script(call), self._heard)
        if duties.takeover.has_lost:
            self._chore("lost", Call(duties.takeover.put_back, policy.work, targets=(policy.work,)))
        if duties.history.has_news:
            self._chore("history", Call(duties.history.write, policy.state))
        if self._dispatcher.has_news:
            duties.publisher.has_news, self._dispatcher.has_news = True, False
        if duties.publisher.due_at <= now and "status" not in self._busy:
            duties.publisher.gather(self._dispatcher, self._engine.holds.active)
            self._chore("status", Call(duties.publisher.tell, policy.state))
        return self._due_at(is_resumed=is_resumed)

    def _due_at(self, *, is_resumed: bool) -> float:
        duties, busy = self._duties, self._busy
        return min(
            NEVER if "retention" in busy else duties.housekeeper.due_at,
            NEVER if "requests" in busy or not is_resumed else duties.withdrawals.due_at,
            NEVER if "owner" in busy else self._beat_at,
            NEVER if "status" in busy else duties.publisher.due_at,
            NEVER if "takeover" in busy or not is_resumed else duties.takeover.due_at,
            NEVER if "shared" in busy else duties.shared.due_at,
        )

    def _chore(self, name: str, call: Call[None]) -> None:
        if name not in self._busy:
            self._busy.add(name)
            self._engine.chore(name, _script(call), lambda _result, _seconds: self._busy.discard(name))

    def _asked_to_withdraw(self, requests: list[Request], _seconds: float) -> None:
        self._busy.discard("requests")
        runs = {run.number: run for run in self._engine.runs.files}
        for request in self._duties.withdrawals.fresh(requests):
            number = request.row.id
            if number in runs:  # as soon as it would have to wait, it goes on to its end
                go_on = partial(life, policy=self._policy)
                begin = partial(withdrawn, number, request.user, self._policy, go_on)
                runs[number].renewed = Part(begin, self._duties.effects.do)
            elif request.is_left:
                self._file_left(request.row)
            else:
                continue  # it is about to be begun
            self._duties.withdrawals.begin(request)

    def _heard(self, others_limits: Mapping[str, int], _seconds: float) -> None:
        self._busy.discard("shared")
        self._policy.others_limits.clear()
        self._policy.others_limits.update(others_limits)

    def _took_over(self, found: Found, _seconds: float) -> None:
        self._busy.discard("takeover")
        for number, by in found.lost:
            self._engine.lose(number, by)
        known = {run.number for run in self._engine.runs.files}
        for row in found.rows:
            if row.id not in known:
                self._set_off(row)


async def _script(call: Call[T]) -> T:
    """A script of one act."""
    return await call
