"""One probe of a held server at a time, of all agents: asked of the journal that they share."""

from __future__ import annotations

from collections.abc import Iterable

from watcher.core.holds import Hold
from watcher.core.probing import Ask, Report
from watcher.journal.peers import Failed, Peers


class SharedProbes:
    """Of one agent, under one set of settings. Called in workers' threads."""

    def __init__(self, peers: Peers | None, held: Iterable[Hold] = ()) -> None:
        """`peers`: None where the journal is one agent's alone; `held`: under the settings before."""
        self._peers = peers
        # New settings may be the cure: the first probe under them waits for no step of the backoff.
        self._at_once = {hold.target for hold in held}

    def do(self, act: Ask | Report) -> float | None:
        """Ask for our turn, or tell what came of it. Raises `Outside`."""
        if self._peers is None:
            return 0.0
        server = self._peers.server
        match act:
            case Ask(cap, request_seconds):
                at_once = self._at_once.issuperset(act.targets)
                wait = server.may_probe(
                    act.targets, request_seconds=request_seconds, cap=cap, at_once=at_once
                )
                self._at_once.difference_update(() if wait else act.targets)
                return wait
            case Report(probed, fault, cap):
                server.probed(probed, failed=Failed(cap, fault.retry_after) if fault else None)
        return None
