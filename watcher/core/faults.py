"""Pure: whose fault an answer is and what follows. The whole table, as data, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Follow(Enum):
    """What follows an answer of the server."""

    ACCEPT = "the chunk is delivered"
    HOLD = "hold the target and send the same chunk again, without end"
    AGAIN = "send the same chunk again, `attempts` times in all, then compare with other files"
    HALVE = "send smaller chunks"
    REFUSE = "the file fails, unless others are refused the same way"


class Scope(Enum):
    """What is held: the server with all its endpoints, or one endpoint's URL."""

    SERVER = "server"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer means, for the agent and for a person."""

    follow: Follow
    meaning: str
    check: str = ""  # what a person should look at, or do with the file
    scope: Scope = Scope.SERVER
    landed: bool = False  # the server may have taken the chunk all the same
    busy: bool = False  # it asks for fewer requests


def _at_the_url(meaning: str, check: str) -> Rule:
    """Return the rule for what no file can mend: something at this URL is not as it should be."""
    return Rule(Follow.HOLD, meaning, check, Scope.ENDPOINT)


_BUSY = Rule(Follow.HOLD, "the server asks for patience", "nothing: it goes on by itself")
# RFC 9110, 15.6.3 and 15.6.5: the gateway had no (valid) answer from the server behind it, which may
# have taken the chunk. 520 to 530 are Cloudflare's words for the same.
_GATEWAY = Rule(
    Follow.HOLD, "the gateway got no answer from the server behind it", "is the WFM server up?", landed=True
)
_LOCKED = Rule(Follow.HOLD, "the server is not ready for this", "the server's log: it should pass by itself")
_WRONG_URL = _at_the_url(
    "there is no import at this URL",
    "wfm.api_url and the route's path: the vendor documents paths with and without /_rest",
)
_GATEWAY_RULE = _at_the_url(
    "what stands before the API does not take such requests",
    "wfm.api_url, and the gateway or proxy before the API: its log says why",
)
_ASK = "read what the server said, mend the file, and copy it into the drop folder again"
_REFUSED = Rule(Follow.REFUSE, "the server refused the data", _ASK)

# An answer that is no answer of the API: a login page, a block page, the words of a gateway.
WEB_PAGE = _at_the_url(
    "a web page answers where the API should",
    "wfm.api_url: does it lead to the API itself? A login or block page says who answers",
)

RULES: dict[int, Rule] = {
    400: _REFUSED,
    401: Rule(
        Follow.HOLD,
        "the server refuses a fresh access token",
        "wfm.tenant, wfm.client_id, the client's roles, and the clocks of both machines",
    ),
    402: _at_the_url("the server asks for payment", "the licence of the WFM, or the account of the gateway"),
    403: _at_the_url(
        "the client may not import here",
        "the roles of wfm.client_id (a change in User Management takes up to 10 minutes to arrive)",
    ),
    404: _WRONG_URL,
    405: _WRONG_URL,
    407: Rule(
        Follow.HOLD,
        "the proxy asks for a login",
        "user and password in wfm.proxy, or in HTTP_PROXY and HTTPS_PROXY of the environment",
    ),
    408: _BUSY,
    409: Rule(
        Follow.REFUSE,
        "the server says that this conflicts with what it has",
        "look into the import history of the WFM, then copy the file into the drop folder again",
    ),
    410: _WRONG_URL,
    411: _GATEWAY_RULE,
    413: Rule(Follow.HALVE, "the chunk is too large for the server"),
    414: _GATEWAY_RULE,
    415: Rule(Follow.REFUSE, "the server does not take this kind of data", _ASK),
    417: _GATEWAY_RULE,
    421: _LOCKED,
    422: _REFUSED,
    423: _LOCKED,
    425: _BUSY,
    426: _at_the_url("the server asks for another protocol", "http against https in wfm.api_url"),
    429: Rule(Follow.HOLD, _BUSY.meaning, _BUSY.check, busy=True),
    431: _LOCKED,
    451: _at_the_url("somebody forbids this address by law or policy", "the gateway or proxy before the API"),
    502: _GATEWAY,
    503: _BUSY,
    504: _GATEWAY,
    507: Rule(Follow.HOLD, "the server's disk is full", "room on the WFM server"),
    511: Rule(Follow.HOLD, "the network asks for a login", "the captive portal of this network"),
    **dict.fromkeys(range(520, 531), _GATEWAY),
}

_SUCCESS = Rule(Follow.ACCEPT, "accepted")
_REDIRECT = _at_the_url(
    "the server redirects, and redirects are never followed",
    "wfm.api_url: use the address the redirect points to, if you trust it",
)
_SERVER_ERROR = Rule(
    Follow.AGAIN,
    "the server failed on this chunk",
    "look into the server's log, then copy the file into the drop folder again",
)
_NO_HTTP = Rule(Follow.HOLD, "this is no HTTP status", "does wfm.api_url lead to the API?")


def rule(status: int, *, html: bool = False) -> Rule:
    """Return what follows an answer with HTTP `status`; `html`: it is a web page."""
    means = _rule(status)
    return WEB_PAGE if html and means.follow in (Follow.ACCEPT, Follow.REFUSE) else means


def _rule(status: int) -> Rule:
    if status in RULES:
        return RULES[status]
    if 200 <= status < 300:
        return _SUCCESS
    if 300 <= status < 400:
        return _REDIRECT
    if 400 <= status < 500:
        return _REFUSED
    if 500 <= status < 600:
        return _SERVER_ERROR
    return _NO_HTTP  # 1xx as a final answer, or a number that is none
