"""Who goes next: looks into the drop folder, claims what may go, and says why the others wait.

It runs in the control thread and never waits: looks and claims are chores of the engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from watcher.agent.engine.engine import Engine
from watcher.agent.engine.runs import Attempt, Call
from watcher.agent.queue.claims import Claimed, Claiming, Claims
from watcher.agent.queue.drop_watcher import DropWatcher, Look
from watcher.agent.queue.pace import Pace
from watcher.agent.queue.patience import Patience
from watcher.core.errors import Outside
from watcher.core.holds import NEVER, Hold
from watcher.core.model import Fingerprint, Route, Row
from watcher.core.order import Waiting, blocked, present_key, present_of, queues, route_name
from watcher.core.policy import Policy
from watcher.core.settle import Wait
from watcher.core.suspects import wants_another
from watcher.core.target import Target

# So many of a route may let others go first; with more it is hardly one file's fault.
MOST_ASIDE = 100


class Dispatcher:
    """The files of one drop folder that were not claimed yet; under one set of settings."""

    def __init__(
        self,
        engine: Engine,
        watcher: DropWatcher,
        claims: Claims,
        policy: Policy,
        patience: Patience,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.patience = patience  # the files that wait for a reason of their own
        self.waiting: dict[str, Waiting] = {}  # by name, as of the last look
        self.odd: Sequence[tuple[str, str]] = ()  # (name, why) of what lies there and is none of ours
        self.is_stale = True  # a file ended since the last look began
        self.has_news = False  # others wait now, or for other reasons, than whoever tells of it knows
        self._engine, self._watcher, self._claims = engine, watcher, claims
        self._shared, self._policy, self._clock = claims.queue, policy, clock
        self._taken: list[Row] = []  # claimed, and not handed over yet
        self._present: Counter[str | None] = Counter()  # how many wait, by route: kept, not counted anew
        self._queues: dict[str | None, list[Waiting]] = {}  # those that are ready, the next one last
        self._claiming: Counter[str | None] = Counter()  # how many are being claimed, by route
        # Routes that others wait for, with an outcome since the last look, and before the one under way: what
        # came back is not known to be there until the look is over.
        self._unseen: set[str | None] = set()
        self._looked_for: set[str | None] = set()
        self._in_hand: dict[str, Fingerprint] = {}  # claimed since then, or about to be
        self._batch_in_hand: Sequence[Waiting] = ()  # being claimed at this moment
        self._elsewhere: Mapping[str | None, int] = {}  # in the work folders of other agents, by route
        self.stranded = 0  # files there that nobody will see to, as of the last look
        self._awaited = {name for route in policy.routes.values() for name in route.after}
        self._paces: dict[str | None, Pace] = {}
        self._again: dict[str, float] = {}  # names whose quiet time begins anew, and when
        self._is_looking = self._is_claiming = False
        # A claim tries the first three; the other two are what its file will need.
        self.claim_targets = (policy.drop, policy.work, policy.state)
        self._folders = (*self.claim_targets, policy.done, policy.failed)

    # -- in every turn -----------------------------------------------------------------------------

    def turn(self) -> None:
        """Begin a look and a claim, where they are due; tell of the files that have waited for too long."""
        if self._clock() >= self.patience.due_at:
            self.has_news = self.patience.tell(self.waiting) or self.has_news
        if self._shared.turn():
            self._watcher.at_once()
        if self._shared.came_through():
            self._engine.holds.others_came_through(self._clock())
        if not self._is_looking:
            self._watcher.soon()
        if not self._is_looking and self._clock() >= self._watcher.due_at:
            self._is_looking = True
            self._engine.chore("look", self._look(), self._looked)
        if not self._is_claiming and (batch := self._batch()):
            self._is_claiming = True
            self._batch_in_hand = batch
            self._engine.chore("claim", self._claim(batch), self._claimed)

    def taken(self) -> list[Row]:
        """Hand over the files that were claimed since the last call: from now on they are under way."""
        taken, self._taken = self._taken, []
        for row in taken:
            self._claiming[row.route] -= 1
        return taken

    @property
    def due_at(self) -> float:
        """When the next look, the next probe or something to tell is due, by the clock."""
        look = NEVER if self._is_looking else self._watcher.due_at
        probe = self._engine.holds.next_probe(self._clock()) if any(self._queues.values()) else None
        return min(look, self.patience.due_at, self._shared.due_at, NEVER if probe is None else probe)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, as far as the last look tells, and nothing is about to be claimed."""
        return not (self.waiting or self.is_at_it)

    @property
    def is_at_it(self) -> bool:
        """Whether a look or a claim is under way."""
        return self._is_claiming or self._is_looking

    def close(self, *, for_good: bool) -> None:
        """End watchdog's threads."""
        self._watcher.stop(for_good=for_good)

    @property
    def settling_seconds(self) -> float:
        """How long a file may take to settle; 0 where none does."""
        verdicts = [file.verdict for file in self.waiting.values()]
        settling = any(isinstance(verdict, Wait) and verdict.until is not None for verdict in verdicts)
        return self._watcher.longest_wait if settling else 0.0

    def give_up(self) -> None:
        """This is the end: tell of the files that stay, for a reason of their own."""
        self.patience.tell(self.waiting, all_of_them=True)

    def look_now(self) -> None:
        """Bring the next look forward."""
        self._watcher.due_at = self._clock()

    # -- the files under way -----------------------------------------------------------------------

    def sent(self, row: Row) -> None:
        """The server has a file: more of its route may be claimed ahead."""
        self._pace(row.route).faster()

    def held(self) -> None:
        """A hold began: nothing is claimed ahead any more."""
        for pace in self._paces.values():
            pace.halt()

    def ended(self, route: str | None) -> None:
        """A file of this route came to its end, or is another agent's."""
        self.is_stale = True
        self._shared.ended()
        if route in self._awaited:
            self._unseen.add(route)
            self._watcher.at_once()  # others may go now, unless there is one more before them

    # -- why they wait -----------------------------------------------------------------------------

    def reasons(self, files: Sequence[Waiting]) -> list[str]:
        """Say of each of these files why it waits."""
        of_route = {route: self._reason(ready[-1].route) for route, ready in self._queues.items() if ready}
        return [
            file.verdict.why
            if isinstance(file.verdict, Wait)
            else of_route.get(route_name(file)) or "next in line"
            for file in files
        ]

    def _reason(self, route: Route | None) -> str | None:
        """Say why no file of this route may be claimed now, or None."""
        # Asked in every turn: no more are counted than it names.
        named = (None,) if route is None else (*route.after, route.name)
        under_way = {name: self._engine.runs.under_way[name] + self._claiming[name] for name in named}
        if route is None:
            why = "behind another file" if under_way[None] > self._aside(None) else None
            targets: tuple[Target, ...] = self._folders
        else:
            ahead = self._pace(route.name).ahead + self._aside(route.name)
            # What came meanwhile goes first, too.
            unseen = self._unseen | self._looked_for
            present = self._present + Counter(unseen) if unseen else self._present
            why = self._shared.why(route.name) or blocked(
                route, present=present, under_way=under_way, elsewhere=self._elsewhere, ahead=ahead
            )
            targets = (*self._folders, *self._policy.way, Target("endpoint", route.url))
        if why is not None:
            return why
        for hold in self._engine.holds.held(targets):
            # A hold that nobody probes any more (its file changed, say) is probed by the next file.
            waits = hold.next_at > self._clock() or self._engine.attended(hold.target)
            if waits and not self._compares(hold, route, under_way):
                return f"held: {hold.target}: {hold.reason}"
        return None

    def _compares(self, hold: Hold, route: Route | None, under_way: Mapping[str | None, int]) -> bool:
        """Say whether a file of this route is wanted, to show whose fault it is what others met."""
        aside = self._aside(route.name if route else None)
        if route is None or under_way[route.name] > aside:
            return False
        steps = (self._clock() - hold.began) / self._policy.retry_cap
        return wants_another(hold, Target("endpoint", route.url), aside=aside, steps=steps)

    def _aside(self, route: str | None) -> int:
        return min(MOST_ASIDE, self._engine.runs.aside[route])

    # -- chores ------------------------------------------------------------------------------------

    async def _look(self) -> tuple[int | None, Look]:
        """Look at the whole folder, however long that takes."""
        again, self._again = self._again, {}
        self._looked_for, self._unseen, self.is_stale = self._unseen, set(), False
        # What was claimed before is not there any more: where it is seen, it came back.
        self._in_hand = {file.name: file.look for file in self._batch_in_hand}
        # That it can be read says nothing of a hold that a claim began: where files wait, a claim ends it.
        targets = () if any(self._queues.values()) else (self._policy.drop,)

        def look() -> tuple[int | None, Look]:
            return self._shared.mark(), self._watcher.look(again)

        return await Call(look, self._policy.drop, targets=targets)

    def _looked(self, result: tuple[int | None, Look], _seconds: float) -> None:
        mark, look = result
        self._shared.looked(mark)
        self._is_looking, self._looked_for = False, set()
        self.has_news = True
        if self._again:
            self._watcher.again_soon()
        if self._unseen:
            self._watcher.at_once()
        # What was claimed during the look may still have been seen, and what was replaced twice.
        self.waiting = {file.name: file for file in look.waiting if self._in_hand.get(file.name) != file.look}
        waiting = [*self.waiting.values()]
        self.odd = look.odd
        self.patience.look(look.waiting, look.misplaced)
        self._elsewhere, self.stranded = look.elsewhere, look.stranded
        self._present = present_of(waiting)
        self._queues = queues(waiting)

    def _batch(self) -> list[Waiting]:
        """Take the files that may go now out of those that wait."""
        batch: list[Waiting] = []
        for route, ready in self._queues.items():
            if ready and self._reason(ready[-1].route) is None:
                parallel = ready[-1].route.parallel if ready[-1].route else 1
                room = parallel + self._pace(route).most_ahead + self._aside(route)
                room -= self._engine.runs.under_way[route]
                batch += [ready.pop() for _ in range(min(len(ready), room))]
        for file in batch:
            del self.waiting[file.name]
            self._in_hand[file.name] = file.look
            self._present[present_key(file)] -= 1
            self._claiming[route_name(file)] += 1
        return batch

    async def _claim(self, batch: Sequence[Waiting]) -> tuple[Sequence[Waiting], Claimed]:
        under_way = self._engine.runs.has_files
        take = partial(self._claims.take, batch, self._shared.line(), under_way=under_way)
        try:
            if self._claims.needs_time(batch):
                [login] = [target for target in self._policy.way if target.kind == "login"]
                seconds = self._policy.request_seconds
                await Attempt(self._claims.ask_time, login, targets=(login,), seconds=seconds)
            return batch, await Claiming(take, self._policy.drop, targets=self.claim_targets)
        except Outside:
            return batch, Claimed((), ())

    def _claimed(self, result: tuple[Sequence[Waiting], Claimed], _seconds: float) -> None:
        batch, claimed = result
        self._is_claiming, self._batch_in_hand = False, ()
        files = {file.name: file for file in batch}
        for row in claimed.rows:
            del files[row.name]
        self.patience.over([row.name for row in claimed.rows])
        for file, why in claimed.refused:
            self._put_back(replace(files.pop(file.name), verdict=Wait(why)))
            self.patience.refused(file.name, why)
            self._again[file.name] = self._clock()
            self._watcher.again_soon()
        for file, why in claimed.behind:
            self._shared.refused(route_name(file), why)
            if file.route and file.route.after:
                self._watcher.at_once()
        for file in reversed(files.values()):  # nothing was tried with them
            if self._put_back(file):
                self._queues.setdefault(route_name(file), []).append(file)
        if not self._is_looking:
            self._in_hand = {}
        self._taken += claimed.rows

    def _put_back(self, file: Waiting) -> bool:
        """Let a file wait that was not claimed; False: a look found what lies there under its name by now."""
        self._claiming[route_name(file)] -= 1
        self._in_hand.pop(file.name, None)
        self.has_news = True
        if file.name in self.waiting:
            return False
        self.waiting[file.name] = file
        self._present[present_key(file)] += 1
        return True

    def _pace(self, route: str | None) -> Pace:
        return self._paces.setdefault(route, Pace())
