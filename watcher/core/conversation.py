"""Pure: one push conversation. The next request out, the answer in, a verdict out.

Everything the import API says about requests stands here (vendor's page "Custom Import of Adherence Data
Using API"). It knows no network, no journal, no clock and no file: the pipeline glues them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from watcher.core.errors import LostAnswer, Outside
from watcher.core.faults import Follow, Scope, rule
from watcher.core.model import Chunk, Route
from watcher.core.target import Target

# Under this size a chunk is not halved any more: a server that refuses 16 KiB refuses everything.
SMALLEST_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out, all but the headers that are the same for all of them."""

    url: str
    params: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's answer."""

    status: int
    said: str = ""  # its body, cut, as text
    retry_after: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Accepted:
    """The chunk is the server's; `note` says so where that was not plain."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
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
    """Too large: cut again, with bodies of at most `limit` bytes.

    With `start_over` under a new push token: the chunk went out before, and the server may have it.
    """

    limit: int
    start_over: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The file's fault: it fails."""

    reason: str
    what_to_do: str
    status: int | None = None
    said: str = ""


Verdict = Accepted | Hold | Again | Smaller | Refused


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
    ) -> None:
        """`server` is what is held where the fault is not the endpoint's; `unknown`: the first chunk may have
        been taken already."""
        self._route = route
        self._push_token = push_token
        self._server = server
        self._attempts = attempts
        self._new_token = lost_answer == "new_token"
        self._failures = 0  # answers in a row that may be the file's fault
        self.unknown = unknown  # this chunk went out, and the server may have taken it without our knowing

    def request(self, chunk: Chunk) -> Request:
        """Return the request for `chunk`. `lastChunk=true` is the commit: on the last chunk alone."""
        params = [("pushToken", self._push_token)]
        if self._route.acd_type is not None:
            params.append(("acdType", self._route.acd_type))
        params.append(("lastChunk", "true" if chunk.last else "false"))
        return Request(self._route.url, (*params, *self._route.params), self._route.content_type, chunk.body)

    def no_answer(self, fault: Outside) -> Hold:
        """Digest that no answer came: the chunk never left, or its answer was lost (`LostAnswer`)."""
        lost = isinstance(fault, LostAnswer)
        self.unknown = self.unknown or lost
        return Hold(fault, start_over=lost and self._new_token)

    def answered(self, chunk: Chunk, reply: Reply) -> Verdict:
        """Digest the answer to `chunk`."""
        means = rule(reply.status)
        why = f"HTTP {reply.status}: {means.meaning}"
        match means.follow:
            case Follow.ACCEPT:
                self._failures, self.unknown = 0, False
                return Accepted()
            case Follow.HOLD:
                endpoint = Target("endpoint", self._route.url)
                target = endpoint if means.scope is Scope.ENDPOINT else self._server
                self.unknown = self.unknown or means.landed
                fault = Outside(target, why, check=means.check, retry_after=reply.retry_after)
                return Hold(fault, start_over=means.landed and self._new_token)
            case Follow.AGAIN:
                self._failures += 1
                if self._failures < self._attempts:
                    return Again(self._failures, why)
                reason = f"HTTP {reply.status}: the server failed on this chunk {self._failures} times"
                return Refused(reason, means.check, reply.status, reply.said)
            case Follow.HALVE:
                return self._halved(chunk, reply)
            case Follow.FAIL:
                if reply.status == 409 and chunk.last and self.unknown:
                    return Accepted("the last chunk had landed; only its answer was lost")
                return Refused(why, means.check, reply.status, reply.said)

    def _halved(self, chunk: Chunk, reply: Reply) -> Smaller | Refused:
        size = len(chunk.body)
        if self._route.format == "json" and self._route.split is None:
            too_large = f"the document ({size:,} bytes) is larger than the server takes in one request"
        elif size <= SMALLEST_CHUNK_BYTES:
            too_large = f"the server refuses even a chunk of {size:,} bytes"
        else:
            return Smaller(max(SMALLEST_CHUNK_BYTES, size // 2), start_over=self.unknown)
        what_to_do = "ask for a higher limit on the server or its proxy, then drop the file again"
        return Refused(f"HTTP 413: {too_large}", what_to_do, reply.status, reply.said)
