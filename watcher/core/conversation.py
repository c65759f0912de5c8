"""Pure: one push conversation. The next request out, the answer in, a verdict out.

Everything the import API says about requests stands here (vendor's page "Custom Import of Adherence Data
Using API"). It knows no network, no journal, no clock and no file: the pipeline glues them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from watcher.core.errors import CutOff, LostAnswer, Outside
from watcher.core.faults import Follow, Rule, Scope, rule
from watcher.core.model import Chunk, Route
from watcher.core.names import counted
from watcher.core.suspects import Suspicion
from watcher.core.target import Target

# Under this size a chunk is not halved any more: a server that refuses 16 KiB refuses everything.
SMALLEST_CHUNK_BYTES = 16 * 1024


MOST_PATIENCE = 4


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out, all but the headers that are the same for all of them."""

    url: str
    params: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes
    patience: int = 1  # so many times the usual timeout


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's answer."""

    status: int
    said: str = ""  # its body, cut, as text
    retry_after: float | None = None  # seconds
    html: bool = False  # it is a web page


@dataclass(frozen=True, slots=True)
class Accepted:
    """The chunk is the server's; `note` says so where that was not plain."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class OnHold:
    """The fault lies outside: hold `fault.target`, then the same chunk again.

    With `start_over` the file begins again from its first chunk, under a new push token.
    """

    fault: Outside
    start_over: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """Perhaps the file's fault: the same chunk again after a wait; `attempt` tries were made."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Smaller:
    """Too large: cut again, with bodies of at most `limit` bytes; where that cannot be, it is `uncut`.

    With `start_over` under a new push token: the chunk went out before, and the server may have it.
    """

    limit: int
    uncut: Suspected
    start_over: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The file's fault: it fails. With `in_doubt` an earlier try may have completed it all the same."""

    reason: str
    what_to_do: str
    status: int | None = None
    said: str = ""
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Suspected:
    """Perhaps the file's fault: others decide by comparison. Then it is `refused`, or may be tried otherwise;
    else the same chunk goes out again, with `start_over` from the first one on, under a new push token."""

    suspicion: Suspicion
    refused: Refused | None = None
    start_over: bool = False
    fault: Outside | None = None  # what is held meanwhile


Verdict = Accepted | OnHold | Again | Smaller | Suspected

_MAY_BE_COMPLETE = "; an earlier try of its last chunk may have completed it"
_LOOK_FIRST = "look into the import history of the WFM first: the file may be complete there; if it is not, "


class Conversation:
    """One upload operation under one push token, one chunk at a time."""

    def __init__(
        self,
        route: Route,
        push_token: str,
        *,
        server: Target,
        attempts: int,
        lost_answer: Literal["resend", "new_token"],
        unknown: bool = False,
        held_up_at: int | None = None,
    ) -> None:
        """`server` is what is held where the fault is not the endpoint's; `unknown`: the first chunk may have
        been taken already; `held_up_at`: the first byte of a chunk that went out in vain."""
        self._route = route
        self._push_token = push_token
        self.server, self.endpoint = server, Target("endpoint", route.url)
        self._attempts = attempts
        self._new_token = lost_answer == "new_token"
        self._failures = 0  # answers in a row that may be the file's fault
        self._vain: Counter[int] = Counter()  # tries that were held up, by the first byte of the chunk
        self.blamed_at: int | None = None  # first byte of the chunk that is to blame: others get through
        self.unknown = unknown  # this chunk went out, and the server may have taken it without our knowing
        self._held_up_at = held_up_at

    def renew(self, push_token: str) -> None:
        """Begin again under a new token; what was tried in vain is not forgotten."""
        self._push_token, self.unknown = push_token, False

    def request(self, chunk: Chunk) -> Request:
        """Return the request for `chunk`. `lastChunk=true` is the commit: on the last chunk alone."""
        params = [("pushToken", self._push_token)]
        if self._route.acd_type is not None:
            params.append(("acdType", self._route.acd_type))
        params.append(("lastChunk", "true" if chunk.last else "false"))
        return Request(
            self._route.url, (*params, *self._route.params), self._route.content_type, chunk.body,
            self.patience(chunk),
        )  # fmt: skip

    def patience(self, chunk: Chunk) -> int:
        """Return how many times the usual timeout this chunk gets: twice as much with each try in vain.

        A server that is slower than the timeout is to get a chunk as rarely as can be.
        """
        return min(MOST_PATIENCE, 1 << min(self._vain[chunk.start], 8))

    def no_answer(self, chunk: Chunk, fault: Outside) -> Verdict:
        """Digest that no answer came: the chunk never left, it broke off, or its answer was lost."""
        lost = isinstance(fault, LostAnswer)
        self.unknown = self.unknown or lost
        if lost or isinstance(fault, CutOff):
            fault.narrow = self.endpoint
            return self._unanswered(chunk, fault)
        return OnHold(fault)

    def answered(self, chunk: Chunk, reply: Reply) -> Verdict:
        """Digest the answer to `chunk`."""
        means = rule(reply.status, html=reply.html)
        why = f"HTTP {reply.status}: {means.meaning}"
        match means.follow:
            case Follow.ACCEPT:
                return self._accepted(chunk)
            case Follow.HOLD:
                return self._held(chunk, reply, means, why)
            case Follow.AGAIN:
                self._failures += 1
                self.unknown = self.unknown or chunk.last  # it may have failed behind the commit
                if self._failures < self._attempts:
                    return Again(self._failures, why)
                times = counted(self._failures, "time")
                reason = f"HTTP {reply.status}: the server failed on this chunk {times}"
                return self._refused(chunk, reply, reason, means.check, at_once=False)
            case Follow.HALVE:
                return self._halved(chunk, reply)
            case Follow.REFUSE:
                if reply.status == 409 and chunk.last and self.unknown:
                    return self._accepted(chunk, "the last chunk had landed; only its answer was lost")
                return self._refused(chunk, reply, why, means.check)

    def _accepted(self, chunk: Chunk, note: str | None = None) -> Accepted:
        self._failures, self.unknown = 0, False
        if self.blamed_at is not None and chunk.start >= self.blamed_at:
            self.blamed_at = None  # not where it only came as far as that again
        del self._vain[chunk.start]
        return Accepted(note)

    def _held(self, chunk: Chunk, reply: Reply, means: Rule, why: str) -> Verdict:
        self.unknown, self._held_up_at = self.unknown or means.landed, chunk.start
        target, narrow = self.endpoint, None
        if means.scope is Scope.SERVER:
            target, narrow = self.server, self.endpoint
        fault = Outside(
            target, why, check=means.check, retry_after=reply.retry_after, narrow=narrow, busy=means.busy
        )
        if means.landed:
            return self._unanswered(chunk, fault)
        if means.scope is Scope.SERVER:
            return OnHold(fault)
        # What refuses a request before the API sees it may do so for what is in this one.
        sign = "a web page" if reply.html else f"HTTP {reply.status}"
        return self._held_up(chunk, fault, sign, "this chunk was answered so")

    def _unanswered(self, chunk: Chunk, fault: Outside) -> OnHold | Suspected:
        # A commit is settled under its own token: otherwise the file may be there twice.
        start_over = self.unknown and self._new_token and not chunk.last
        return self._held_up(chunk, fault, "no answer", "this chunk had no answer", start_over=start_over)

    def _held_up(
        self, chunk: Chunk, fault: Outside, sign: str, words: str, *, start_over: bool = False
    ) -> OnHold | Suspected:
        """The way's fault, or that of a chunk which it never lets through: others show, after some tries."""
        self._vain[chunk.start] += 1
        if self._vain[chunk.start] < self._attempts:
            return OnHold(fault, start_over)
        times = counted(self._vain[chunk.start], "time")
        suspicion = Suspicion(
            sign, f"{words} {times}: {fault.reason}", fault.check, self.endpoint, self.server,
            last=chunk.last, fails=False, held=fault.target,
        )  # fmt: skip
        return Suspected(suspicion, start_over=start_over, fault=fault if self.blamed_at is None else None)

    def _refused(
        self, chunk: Chunk, reply: Reply, reason: str, what_to_do: str, *, at_once: bool = True
    ) -> Suspected:
        # Whoever answered for the server before may not have known that it had taken it.
        conflicts = reply.status == 409 and self._held_up_at == chunk.start
        refused = Refused(reason, what_to_do, reply.status, reply.said)
        if chunk.last and (self.unknown or conflicts):
            words, todo = reason + _MAY_BE_COMPLETE, _LOOK_FIRST + what_to_do
            refused = replace(refused, reason=words, what_to_do=todo, in_doubt=True)
        suspicion = Suspicion(
            f"HTTP {reply.status}", reason,
            f"what the server said: {reply.said[:200]}" if reply.said else "the server's log",
            self.endpoint, self.server, last=chunk.last, at_once=at_once,
        )  # fmt: skip
        return Suspected(suspicion, refused)

    def _halved(self, chunk: Chunk, reply: Reply) -> Smaller | Suspected:
        size, raise_limit = len(chunk.body), "ask for a higher limit on the server or its proxy"
        if size <= SMALLEST_CHUNK_BYTES:
            # A limit under which nothing fits is hardly meant for this file.
            why = f"the server refuses even a chunk of {size:,} bytes"
        elif self._route.format == "json" and self._route.split is None:
            why = f"the document ({size:,} bytes) is larger than the server takes in one request"
        elif chunk.last and self.unknown:
            why = f"the last chunk ({size:,} bytes) is larger than the server takes"
        else:
            why = f"one record of {len(chunk.raw):,} bytes is larger than the server takes"
            uncut = self._refused(chunk, reply, f"HTTP 413: {why}", f"{raise_limit}, or shorten the record")
            return Smaller(max(SMALLEST_CHUNK_BYTES, size // 2), uncut, start_over=self.unknown)
        return self._refused(chunk, reply, f"HTTP 413: {why}", f"{raise_limit}, then drop the file again")
