"""What several agents of one journal have in common: a lease each, the files of the dead, and one queue.

Times are the database's. An agent lives as long as its lease, which each heartbeat makes longer; whose lease
is over may be dead, cut off or asleep, and its open rows may be made another's. Then a step of the old owner
finds no row of its own, so nothing more is announced, nor sent: at most the request that is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from watcher.core.model import Claim, Row
from watcher.core.target import Target

LEASE_SECONDS = 30.0
BEATS_PER_LEASE = 6
# So much longer may a request take for each byte of the file that it carries. Twice what the client gives a
# body (`wfm.bounds`): that may be larger than what it is made of.
SECONDS_A_BYTE = 2 / 16_000


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of another agent that is ours from now on."""

    row: Row
    agent: str  # whose it was
    host: str
    silent_since: str  # UTC, ISO 8601: its last heartbeat
    quiet_in: float  # seconds, until no request of that agent can be under way any more


@dataclass(frozen=True, slots=True)
class Turn:
    """What the claim of a file of one route must wait for, whichever agent has it."""

    after: tuple[str, ...]  # routes
    parallel: int  # files under way at a time
    aside: int = 0  # of our own, let others go first


@dataclass(frozen=True, slots=True)
class Failed:
    """A probe that did not come through."""

    cap: float  # seconds of the longest step of the backoff
    wait: float | None = None  # seconds that the server asked for


Place = tuple[str, str]  # a route's name, and the URL of its endpoint
PROBED = "probed"  # what is told, beside "" for the end of a file: a server that was held came through


class SharedServer(Protocol):
    """What the agents tell each other of the way to the server. Any thread may call it; raises `Outside`."""

    def may_probe(self, targets: Sequence[Target], *, cap: float, at_once: bool) -> float:
        """Return 0 where it is our turn, of all agents, to probe these; else the seconds after which to ask
        again. `cap`: of the longest step of the backoff; `at_once`: not to wait for the next step, but for
        whoever probes now."""

    def still_probing(self, targets: Sequence[Target]) -> None:
        """We are still at it: to be told every few seconds, or else another one has the turn."""

    def probed(self, targets: Sequence[Target], *, failed: Failed | None) -> None:
        """Our probe is over: the others hear that it came through, or wait for the next step."""

    def limits(self, ours: Mapping[Place, int | None]) -> dict[Place, int]:
        """Tell how many bytes of a chunk the server took of us after an HTTP 413, for each of our routes,
        where we know; returns the least that others which live know."""


class Peers(Protocol):
    """The other agents. Any thread may call it; what it asks the database may raise `Outside`."""

    @property
    def server(self) -> SharedServer:
        """What is told of the server."""

    def promise(self, request_seconds: float) -> None:
        """From now on a request of ours takes at most so long, once it has begun to go out, with a body of
        the usual size; and `SECONDS_A_BYTE` more for each byte of the file."""

    def require_lease(self, id: int) -> None:
        """Raise `TakenOver` where this row is another's by now, and `Outside` where that cannot be told, or
        where others may make it theirs. Asks the database only where our lease was over, or is."""

    def listen(self, wake: Callable[[str], None]) -> None:
        """Call `wake` with "" when a file of another agent came to its end, and with `PROBED`; some such
        calls may be lost."""

    def mark(self) -> int:
        """Return where the ends of files are by now: what ended later was not seen by a look that begins."""

    def claim(
        self,
        claims: Sequence[Claim],
        turns: Mapping[str | None, Turn],
        *,
        mark: int,
        known: Collection[int],
        sees: Callable[[], Collection[str]],
    ) -> list[Row | str]:
        """As `Journal.claim`, for those whose turn it is; for the others, why it is not.

        `mark` is from before the look that found them; `known`: our rows that have their place in our own
        line, which one that was taken over just now has not yet; `sees` gives the ids of the agents that
        share our work folder, asked once nobody else claims."""

    def news(self) -> list[str]:
        """Return what people should know of the database, and was not returned yet."""

    def is_first(self, key: str, *, seconds: float, sees: Callable[[], Collection[str]] | None) -> bool:
        """Say whether nobody else asked this within so many seconds: of a message to people that each agent
        would send, one is sent. `sees`: only those count that share our work folder; None: all."""

    def take_over(
        self, sees: Callable[[], Collection[str]], routes: Collection[str], busy: Collection[int] = ()
    ) -> list[Taken]:
        """Make the open rows of agents whose lease is over our own, where we share their work folder and have
        the route: without, the file would fail for our settings.

        `busy`: rows that were ours before, and that something here is still at: not those, until it knows."""

    def quiet_in(self) -> dict[int, float]:
        """Return the seconds until an earlier owner's request can be under way no more, by row of ours."""

    def lost(self) -> dict[int, str]:
        """Return the rows that were ours when we last knew, and whose they are now (""; they are gone);
        asked only after our lease was over."""
