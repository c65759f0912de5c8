"""What this agent and the others of its journal tell each other of the server: one probe of what is held at a
time, of all of them, and how large a chunk may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from watcher.core.holds import NEVER, Hold, asked_for
from watcher.core.model import Route
from watcher.core.probing import Ask, Prober, Report
from watcher.core.target import Target
from watcher.journal.peers import Failed, Peers

POLL_SECONDS = 5.0


class SharedServer:
    """Of one agent, under one set of settings. `do` and `exchange` are called in workers' threads."""

    def __init__(
        self,
        peers: Peers | None,
        routes: Mapping[str, Route],
        held: Iterable[Hold] = (),
        *,
        clock: Callable[[], float],
    ) -> None:
        """`peers`: None where the journal is one agent's alone; `routes`: ours, by name; `held`: under the
        settings before."""
        self._peers, self._routes, self._clock = peers, routes, clock
        # New settings may be the cure: the first probe under them waits for no step of the backoff.
        self._at_once = {hold.target for hold in held}
        self._probing: dict[Target, Prober] = {}
        self.due_at = clock() if peers else NEVER  # the next exchange, by the clock

    def do(self, act: Ask | Report) -> float | None:
        """Ask for our turn, or tell what came of it. Raises `Outside`."""
        if self._peers is None:
            return 0.0
        server = self._peers.server
        match act:
            case Ask(prober, cap):
                at_once = self._at_once.issuperset(act.targets)
                wait = server.may_probe(act.targets, cap=cap, at_once=at_once)
                if not wait:
                    self._at_once.difference_update(act.targets)
                    self._probing |= dict.fromkeys(act.targets, prober)
                return wait
            case Report(probed, fault, cap):
                for target in probed:
                    self._probing.pop(target, None)
                server.probed(probed, failed=Failed(cap, asked_for(fault)) if fault else None)
        return None

    def exchange(self, limits: Mapping[str, int]) -> Mapping[str, int]:
        """Tell what we still probe, and what we learned: `limits`, the bytes of a chunk that the server
        takes, by route. Returns what others learned. Raises `Outside`."""
        self.due_at = self._clock() + POLL_SECONDS
        assert self._peers is not None, "alone there is nobody to tell"
        server = self._peers.server
        if probing := [target for target, prober in list(self._probing.items()) if not prober.is_over]:
            server.still_probing(probing)
        ours = {(name, route.url): limits.get(name) for name, route in self._routes.items()}
        return {name: limit for (name, _), limit in server.limits(ours).items()}
