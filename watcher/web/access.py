"""Who may look, and how: methods, the Host header, password and token, and the headers of every answer.

It stands in front of the whole application, so that no page can be forgotten.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import math
import re
import time
from collections.abc import AsyncIterator, Callable

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.settings.status_settings import Address
from watcher.web.acts import PATHS, Acts
from watcher.web.asked import Asked, BrokenOff
from watcher.web.brakes import Brakes, origin
from watcher.web.lingering import lingering
from watcher.web.refusals import Refusals

COOKIE = "watcher_status"
# Nothing but our own files, no inline script or style: a file's name that gets through as markup is inert.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application around another one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        address: Address,
        password: str | None,
        token: str | None,
        acts: Acts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` in seconds: wrong passwords make whoever gives them wait; `acts`: what takes a POST."""
        self._app, self._acts = app, acts
        self._address = address
        self._password = password
        self._token = token
        self._brakes, self._refusals = Brakes(clock), Refusals(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by itself, or hand on."""
        if scope["type"] != "http":
            return  # no websockets here: the server closes them
        if self._is_act(scope):
            receive, send = lingering(receive, send, self._acts.ended)
        refusal = self._refusal(scope)
        if refusal is not None and scope["method"] == "POST" and scope["path"] in PATHS.values():
            self._tell(scope, refusal)
        refusal = refusal or self._foreign(scope)
        await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD") and not self._is_act(scope):
            return PlainTextResponse("this page only shows\n", 405, {"allow": "GET, HEAD"})
        if self._address.is_loopback and not _names_loopback(headers.get("host", "")):
            # DNS rebinding: a page of somebody else's whose name now means this machine.
            return PlainTextResponse("this address is not known here; use 127.0.0.1 or localhost\n", 421)
        if self._password is None and self._token is None:
            return None
        query = QueryParams(scope["query_string"])
        scheme = headers.get("authorization", "").partition(" ")[0].lower()
        if self._token is not None and "token" in query:
            scheme = "bearer"
        if scheme not in ("basic", "bearer"):  # nothing, or our cookie, which nobody guesses
            return None if self._may(headers) else _ask(self._password is not None)
        # Each kind for itself: guesses of the password do not shut out what has the token, by one proxy, say.
        who = f"{scheme} {origin(scope.get('client'))}"
        if wait := self._brakes.wait(who):
            return PlainTextResponse("too many wrong ones\n", 429, {"retry-after": str(math.ceil(wait))})
        by_query = self._token is not None and "token" in query and _same(query["token"], self._token)
        if by_query or self._may(headers):
            self._brakes.right(who)
            return self._exchange() if by_query else None
        self._brakes.wrong(who)
        return _ask(self._password is not None)

    def _is_act(self, scope: Scope) -> bool:
        return scope["method"] == "POST" and scope["path"] in self._acts.paths

    def _tell(self, scope: Scope, refusal: Response) -> None:
        """Write down that an act was refused to somebody who may not even look, or where there is none."""
        asked = asked_of(Request(scope))
        why = f"refused: {bytes(refusal.body).decode().strip()}"
        if words := self._refusals.worth_a_line(asked.by, why):
            self._acts.tell(asked, words, done=False)

    def _foreign(self, scope: Scope) -> Response | None:
        """Refuse an act that the page itself did not ask for: one that another site makes the browser do."""
        if not self._is_act(scope) or self._acts.is_own(Headers(scope=scope)):
            return None
        words = "refused: the request did not come from the page of this run; load it anew"
        self._acts.tell(asked_of(Request(scope)), words, done=False)
        return PlainTextResponse(f"{words}\n", 403, {"connection": "close"})

    def _exchange(self) -> Response:
        """Put a cookie in the place of the token: it would stay in the browser's history.

        Always to the page itself: a path of the caller's choice (`//host`) would lead elsewhere.
        """
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._cookie(), httponly=True, samesite="lax", path="/")
        return answer

    def _may(self, headers: Headers) -> bool:
        scheme, _, value = headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "basic" if self._password is not None:
                return _same(_password_of(value), self._password)
            case "bearer" if self._token is not None:
                return _same(value.strip(), self._token)
        if self._token is None:
            return False
        return _same(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""), self._cookie())

    def _cookie(self) -> str:
        """What only the token's owner gets, and what tells nobody the token."""
        return hmac.digest(str(self._token).encode(), COOKIE.encode(), hashlib.sha256).hex()


def asked_of(request: Request) -> Asked:
    """Return what a request asks for: the end of its path, and the name in its query."""

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in request.stream():
                yield piece
        except ClientDisconnect:
            raise BrokenOff from None

    return Asked(
        request.url.path.rpartition("/")[2],
        request.query_params.get("name", ""),
        origin(request.scope.get("client")),
        request.headers.get("content-length", ""),
        request.query_params.get("key", ""),
        pieces(),
    )


def _ask(for_password: bool) -> Response:
    headers = {"www-authenticate": 'Basic realm="watcher", charset="UTF-8"'} if for_password else {}
    return PlainTextResponse("a password or a token is needed\n", 401, headers)


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing of where they differ, nor of their lengths."""
    one, other = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, wanted))
    return hmac.compare_digest(one, other)


def _password_of(credentials: str) -> str:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return ""
    return text.partition(":")[2]


def _names_loopback(host: str) -> bool:
    """Say whether a Host header is a name of this machine itself; the port may be that of a tunnel."""
    name = re.sub(r":\d+$", "", host).strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sent
