"""Pure: the one probe of what is held on the way to the server, where several agents meet the same fault.

Among the files of one agent the table of holds sees to that (`holds`). Among agents that share a journal the
journal does: whoever's step of the backoff is over asks it first, and tells it what came of the probe.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from watcher.core.acts import Act, Clear, Maybe
from watcher.core.conversation import OnHold, Suspected, Verdict
from watcher.core.errors import Outside, Proof
from watcher.core.policy import Policy
from watcher.core.target import Target


@dataclass(slots=True, eq=False)
class Prober:
    """A file on its way, as long as it is."""

    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Ask(Act[float]):
    """Ask whether it is our turn, of all agents, to probe these targets, of which each is held.

    Gives the seconds after which to ask again; 0: it is. That says nothing of the targets, and whoever probes
    them here goes on to.
    """

    prober: Prober = field(default_factory=Prober)  # who goes on, if it is
    cap: float = 0.0  # seconds of the longest step of the backoff

    @property
    def blamed(self) -> Target | None:
        """Nothing, where it takes long: none of the targets is met, and the journal has time limits of its
        own."""
        return None

    def proof(self, _value: object) -> Proof | None:
        """Return nothing, either."""
        return None


@dataclass(frozen=True, slots=True)
class Report(Act[None]):
    """Tell the other agents what came of our probe of these: they go on, or wait for the next step."""

    probed: tuple[Target, ...]
    fault: Outside | None  # None: it came through
    cap: float  # seconds of the longest step of the backoff
    at_stop = "begins"


class Probing:
    """Of one file on its way."""

    def __init__(self, policy: Policy, way: tuple[Target, ...]) -> None:
        """`way`: what it needs."""
        self._policy, self._way = policy, way
        self._prober = Prober()
        self._probed: tuple[Target, ...] = ()

    async def clear(self) -> None:
        """Wait until nothing on the way is held, or until it is our turn to probe: among all agents."""
        while held := await Clear(targets=self._way):
            if not await Ask(self._prober, self._policy.retry_cap, targets=held):
                self._probed = held
                return

    async def over(self, verdict: Verdict) -> None:
        """A request was answered, or not: if it was a probe, the others hear of it."""
        probed, self._probed = self._probed, ()
        if probed:
            fault = verdict.fault if isinstance(verdict, OnHold | Suspected) else None
            # Where the journal is away the others go on a while after that.
            await Maybe(Report(probed, fault, self._policy.retry_cap, targets=(self._policy.state,)))

    def end(self) -> None:
        """It is not on its way any more, however that ended: no other agent waits for it."""
        self._prober.is_over = True
