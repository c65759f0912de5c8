"""What an agent does besides its files: heartbeats, retention, history, the status file, requests, takeovers.

Each is an act of its own, begun when it is due; none waits for another, and no file waits for any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from watcher.agent.dispatcher import Dispatcher
from watcher.agent.effects import Effects
from watcher.agent.engine import Engine
from watcher.agent.publisher import Publisher
from watcher.agent.retention import Housekeeper
from watcher.agent.runs import Awaited, Call, Part, insist
from watcher.agent.shared_server import SharedServer
from watcher.agent.takeover import Found, Takeover
from watcher.agent.withdrawals import Withdrawals
from watcher.core.holds import NEVER
from watcher.core.life import life
from watcher.core.model import Row
from watcher.core.policy import Policy
from watcher.core.withdrawal import withdrawn
from watcher.disk.owner import HEARTBEAT_SECONDS, Owner
from watcher.report.hold_history import HoldHistory


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
        clock: Callable[[], float],
    ) -> None:
        """`set_off` begins the life of a file that was taken over."""
        self._engine, self._dispatcher, self._policy, self._duties = engine, dispatcher, policy, duties
        self._set_off, self._clock = set_off, clock
        self._beat_at = clock()
        self._busy: set[str] = set()  # those that are under way

    def begin(self, *, is_resumed: bool) -> float:
        """Begin what is due; returns when something more will be, by the clock."""
        duties, now = self._duties, self._clock()
        if duties.housekeeper.due_at <= now:
            self._chore("retention", Call(duties.housekeeper.step))
        if self._beat_at <= now or duties.owner.is_urgent:
            self._beat_at = now + HEARTBEAT_SECONDS
            self._chore("owner", Call(duties.owner.beat))
        if duties.withdrawals.due_at <= now and "requests" not in self._busy and self._engine.runs.files:
            self._busy.add("requests")
            self._engine.chore("requests", insist(Call(duties.withdrawals.read)), self._asked_to_withdraw)
        if is_resumed and duties.takeover.due_at <= now and "takeover" not in self._busy:
            self._busy.add("takeover")
            busy = frozenset(run.number for run in self._engine.runs.files)
            look = Awaited(partial(duties.takeover.look, busy), targets=(self._policy.state,))
            self._engine.chore("takeover", insist(look), self._took_over)
        if duties.shared.due_at <= now and "shared" not in self._busy:
            self._busy.add("shared")
            exchange = partial(duties.shared.exchange, dict(self._policy.limits))
            call = Call(exchange, targets=(self._policy.state,))
            self._engine.chore("shared", insist(call), self._heard)
        if duties.takeover.has_lost:
            self._chore("lost", Call(duties.takeover.put_back, targets=(self._policy.work,)))
        if duties.history.has_news:
            self._chore("history", Call(duties.history.write))
        if self._dispatcher.has_news:
            duties.publisher.has_news, self._dispatcher.has_news = True, False
        if duties.publisher.due_at <= now and "status" not in self._busy:
            duties.publisher.gather(self._dispatcher, self._engine.holds.active)
            self._chore("status", Call(duties.publisher.tell, targets=(), blames=self._policy.state))
        return self._due_at(is_resumed=is_resumed)

    def _due_at(self, *, is_resumed: bool) -> float:
        duties = self._duties
        each = {
            "retention": duties.housekeeper.due_at,
            "requests": duties.withdrawals.due_at if self._engine.runs.files else NEVER,
            "owner": self._beat_at,
            "status": duties.publisher.due_at,
            "takeover": duties.takeover.due_at if is_resumed else NEVER,
            "shared": duties.shared.due_at,
        }
        return min(due if name not in self._busy else NEVER for name, due in each.items())

    def _chore(self, name: str, call: Call[None]) -> None:
        if name not in self._busy:
            self._busy.add(name)
            self._engine.chore(name, insist(call), lambda _result, _seconds: self._busy.discard(name))

    def _asked_to_withdraw(self, requests: list[tuple[int, str]], _seconds: float) -> None:
        self._busy.discard("requests")
        runs = {run.number: run for run in self._engine.runs.files}
        for number, user in self._duties.withdrawals.begun(requests):
            if number in runs:  # as soon as it would have to wait, it goes on to its end
                go_on = partial(life, policy=self._policy)
                begin = partial(withdrawn, number, user, self._policy, go_on)
                runs[number].renewed = Part(begin, self._duties.effects.do)

    def _heard(self, others_limits: Mapping[str, int], _seconds: float) -> None:
        self._busy.discard("shared")
        self._policy.others_limits.clear()
        self._policy.others_limits.update(others_limits)

    def _took_over(self, found: Found, _seconds: float) -> None:
        self._busy.discard("takeover")
        for number, by in found.lost:
            self._engine.lose(number, by)
        for row in found.rows:
            self._set_off(row)
