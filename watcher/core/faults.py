"""Pure: whose fault an HTTP status is and what follows. The whole table, as data, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Follow(Enum):
    """What follows an answer of the server."""

    ACCEPT = "the chunk is delivered"
    HOLD = "hold the target and send the same chunk again, without end"
    AGAIN = "send the same chunk again, `attempts` times in all, then fail the file"
    HALVE = "send smaller chunks"
    FAIL = "fail the file"


class Scope(Enum):
    """What is held: the server with all its endpoints, or one endpoint's URL."""

    SERVER = "server"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a status means, for the agent and for a person."""

    follow: Follow
    meaning: str
    check: str = ""  # what a person should look at, or do with the file
    scope: Scope = Scope.SERVER
    landed: bool = False  # the server may have taken the chunk all the same


_BUSY = Rule(Follow.HOLD, "the server asks for patience", "nothing: it goes on by itself")
# RFC 9110, 15.6.3 and 15.6.5: the gateway had no (valid) answer from the server behind it, which may
# have taken the chunk.
_GATEWAY = Rule(
    Follow.HOLD, "the gateway got no answer from the server behind it", "is the WFM server up?", landed=True
)
_WRONG_URL = Rule(
    Follow.HOLD,
    "there is no import at this URL",
    "wfm.api_url and the route's path: the vendor documents paths with and without /_rest",
    Scope.ENDPOINT,
)
_ASK = "read what the server said, mend the file, and copy it into the drop folder again"
_REFUSED = Rule(Follow.FAIL, "the server refused the data", _ASK)

RULES: dict[int, Rule] = {
    400: _REFUSED,
    401: Rule(
        Follow.HOLD,
        "the server refuses a fresh access token",
        "wfm.tenant, wfm.client_id, the client's roles, and the clocks of both machines",
    ),
    403: Rule(
        Follow.HOLD,
        "the client may not import here",
        "the roles of wfm.client_id (a change in User Management takes up to 10 minutes to arrive)",
        Scope.ENDPOINT,
    ),
    404: _WRONG_URL,
    405: _WRONG_URL,
    408: _BUSY,
    409: Rule(
        Follow.FAIL,
        "the server says that this conflicts with what it has",
        "look into the import history of the WFM, then copy the file into the drop folder again",
    ),
    413: Rule(Follow.HALVE, "the chunk is too large for the server"),
    415: Rule(Follow.FAIL, "the server does not take this kind of data", _ASK),
    422: _REFUSED,
    425: _BUSY,
    429: _BUSY,
    502: _GATEWAY,
    503: _BUSY,
    504: _GATEWAY,
}

_SUCCESS = Rule(Follow.ACCEPT, "accepted")
_REDIRECT = Rule(
    Follow.HOLD,
    "the server redirects, and redirects are never followed",
    "wfm.api_url: use the address the redirect points to, if you trust it",
    Scope.ENDPOINT,
)
_SERVER_ERROR = Rule(
    Follow.AGAIN,
    "the server failed on this chunk each time",
    "look into the server's log, then copy the file into the drop folder again",
)


def rule(status: int) -> Rule:
    """Return what follows an answer with HTTP `status` (any number from 100 to 599)."""
    if status in RULES:
        return RULES[status]
    if 200 <= status < 300:
        return _SUCCESS
    if 300 <= status < 400:
        return _REDIRECT
    if 400 <= status < 500:
        return _REFUSED
    if status >= 500:
        return _SERVER_ERROR
    return _REDIRECT  # 1xx as a final answer: no API does that, so something else answers at this URL
