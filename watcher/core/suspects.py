"""Pure: is it the file, or is it everybody? Decided by comparison, for what one answer cannot tell.

A file whose chunk is refused, failed on or cut off again and again is a suspect: it steps aside, and others
make the probe. Where one of them is delivered and the suspect then fails once more, the fault is the file's.
Where another meets the same, it lies outside, and nobody fails. With nobody to compare with, the file alone
is held. A table: it waits for nothing and knows no clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from watcher.core.errors import Outside, Proof
from watcher.core.holds import NEVER, Hold
from watcher.core.target import Target

# So many files may fail of one refusal, without a delivery between, where their own route has no other.
MOST_FAILED = 2
# So many files of a route are taken out of the drop folder to compare them, where all meet the same; and one
# more for each longest step of the backoff, up to so many: there may be that many bad ones in a row.
COMPARED = 8
MOST_COMPARED = 32
# What one endpoint met is compared with another after so many tries: most troubles are over by then.
TRIES_BEFORE_OTHERS = 2


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a file met that may be its own fault."""

    sign: str  # what all who meet the same have in common: "HTTP 500"
    reason: str
    check: str  # what a person should look at, where it is not the file
    endpoint: Target
    server: Target
    last: bool  # it was the last chunk: no other proves anything
    fails: bool = True  # if it is the file's fault it fails; else it may be tried otherwise
    at_once: bool = False  # the first of its kind fails without comparison
    held: Target | None = None  # meanwhile, where it never fails; None: the server

    @property
    def proof(self) -> Proof:
        """What shows that it is over; where no answer came, any answer does."""
        if not self.fails:
            return Proof.ANSWER
        return Proof.DELIVERY if self.last else Proof.CHUNK


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A file whose chunk did not pass."""

    target: Target
    endpoint: Target
    server: Target
    since: float
    start: int  # first byte of the chunk
    asked_at: float  # when the last request went out that did not pass
    suspicion: Suspicion | None = None  # None: it tries again, and is no suspect yet
    compared_at: float = NEVER  # when another file of its endpoint was delivered
    elsewhere_at: float = NEVER  # when another of the server was


class Suspects:
    """All suspects of this process. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._open: dict[int, _Trouble] = {}
        self._failed: Counter[tuple[Target, str]] = Counter()  # since the endpoint's last delivery

    def noticed(
        self,
        file: int,
        target: Target,
        endpoint: Target,
        server: Target,
        *,
        start: int = 0,
        asked_at: float,
        at: float,
    ) -> None:
        """A chunk of this file did not pass: what is delivered from now on is compared with it."""
        known = self._open.get(file)
        if known is None or known.endpoint != endpoint:
            known = _Trouble(target, endpoint, server, since=at, start=start, asked_at=asked_at)
        self._open[file] = replace(known, asked_at=asked_at, start=max(known.start, start))

    def accuse(self, file: int, met: Suspicion, *, alone: bool) -> Outside | None:
        """Say what is to be held, this file alone or more; None: the fault is the file's.

        It was `noticed`. `alone`: no other file of its route is under way.
        """
        key = (met.endpoint, met.sign)
        known = self._open[file]
        alike = [other for number, other in self._meeting(met.sign) if number != file]
        others = [other.endpoint for other in alike if other.server == met.server]
        first = met.at_once and not self._failed[key] and met.endpoint not in others
        nobody_else = alone and not others and self._failed[key] < MOST_FAILED
        # What was asked before the other one was through may have met what is over by now.
        compared, elsewhere = known.asked_at > known.compared_at, known.asked_at > known.elsewhere_at
        if first or compared or (elsewhere and nobody_else):
            if met.fails:
                self._failed[key] += 1
                del self._open[file]
            return None
        self._open[file] = replace(known, suspicion=met)
        if others or not met.fails:
            # What never fails the file is held as it was before, and others probe it next.
            everybody = bool(others) and met.fails
            where = met.endpoint if met.endpoint in others and met.fails else met.held or met.server
            narrow = None if everybody else met.endpoint
            reason = f"{met.reason}; other files meet the same" if others else met.reason
            return Outside(where, reason, check=met.check, until=met.proof, narrow=narrow)
        reason = f"{met.reason}; no other file shows yet whose fault it is"
        return Outside(known.target, reason, check=met.check, until=met.proof)

    def failed_before(self, endpoint: Target, sign: str) -> None:
        """Files failed of this before the agent was started, and nothing was delivered since: no more may."""
        self._failed[endpoint, sign] = MOST_FAILED

    def alike(self, file: int) -> list[Target]:
        """Return the files that met the same as this one, and itself; those that were compared already wait
        each for itself."""
        met = self._open[file].suspicion
        same = [] if met is None else self._meeting(met.sign)
        return [other.target for _number, other in same if other.compared_at == NEVER]

    def _meeting(self, sign: str) -> list[tuple[int, _Trouble]]:
        return [
            (number, other)
            for number, other in self._open.items()
            if other.suspicion is not None and other.suspicion.sign == sign
        ]

    def passed(
        self,
        file: int,
        endpoint: Target,
        server: Target,
        *,
        start: int = 0,
        last: bool,
        asked_at: float,
        at: float,
    ) -> list[Target]:
        """A chunk was accepted: return the files that are compared with this now, and may try again.

        `last`: it was the last one, and the file is delivered; `asked_at`: when it went out.
        """
        known = self._open.get(file)
        if known and (last or start >= known.start):  # not where it began again, and is not so far yet
            del self._open[file]
        if not last:
            return []
        for key in [key for key in self._failed if key[0] == endpoint]:
            del self._failed[key]
        compared = []
        for number, other in self._open.items():
            if number == file or other.server != server or other.since > asked_at:
                continue
            same = at if other.endpoint == endpoint else NEVER
            fresh = replace(
                other, compared_at=min(other.compared_at, same), elsewhere_at=min(other.elsewhere_at, at)
            )
            if fresh != other:
                self._open[number] = fresh
                compared.append(other.target)
        return compared

    def is_open(self, file: int) -> bool:
        """Say whether a chunk of this file did not pass so far."""
        return file in self._open

    def leave(self, file: int) -> None:
        """A file came to its end."""
        self._open.pop(file, None)

    def bear(self, target: Target) -> bool:
        """Say whether any suspect is left that a hold on this endpoint, or server, may rest on."""
        return any(
            other.suspicion is not None and target in (other.endpoint, other.server)
            for other in self._open.values()
        )


def wants_another(hold: Hold, endpoint: Target, *, aside: int, steps: float) -> bool:
    """Say whether one more file for this endpoint is to be taken out, to show whose fault a hold is.

    `aside`: the files of its route that let others go first; `steps`: how often the longest step of the
    backoff has gone by since the hold began.
    """
    if aside or hold.until is not Proof.ANSWER:
        return aside < min(COMPARED + int(steps), MOST_COMPARED)
    return bool(hold.met) and endpoint not in hold.met and hold.tries >= TRIES_BEFORE_OTHERS
