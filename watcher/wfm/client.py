"""One request to the WFM: sends it, reads the answer within bounds, turns httpx's faults into ours.

It does not wait, retry or log, and does not decide what an answer means. Redirects are never followed,
so that the token goes to no other host; certificates are always verified; no cookie is kept or sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx

from watcher import __version__
from watcher.core.backoff import http_date, retry_after
from watcher.core.conversation import Reply, Request
from watcher.core.errors import CutOff, LostAnswer, Outside
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.wfm import answers, bounds
from watcher.wfm.login import ClientCredentials, Login
from watcher.wfm.proxies import Proxy, proxy_for, way_by
from watcher.wfm.tls import tls_context
from watcher.wfm.transports import NoCookies, transports
from watcher.wfm.words import in_words

CONNECT_SECONDS = 10.0
# Servers close idle connections; a request on one that is being closed loses its answer.
KEEPALIVE_SECONDS = 5.0
# The request cannot have reached the server.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    UnicodeError,  # a host name that DNS cannot have
)

_HEADERS = {
    "User-Agent": f"wfm-watcher/{__version__}",
    "Accept": "application/json, text/plain;q=0.9, */*;q=0.1",
    "Accept-Encoding": "identity",
}


class Client:
    """A connection pool to one WFM, shared by all threads."""

    def __init__(
        self,
        auth: ClientCredentials,
        *,
        server: str,
        tenant: str,
        timeout_seconds: float,
        trust_env: bool = True,
        proxy: str | None = None,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        reuse: bounds.Reuse | None = None,
    ) -> None:
        """`server` is the API's URL.

        `trust_env`: proxies from the environment, where there is no `proxy`; `reuse`: whether connections are
        used again, for whom the clock is not the system's. Raises `ConfigError` for certificates that do not
        load, and for a proxy that cannot be used.
        """
        self.server = server
        self.token_url = auth.token_url
        self.tenant = tenant
        self._auth = auth
        auth.explain = self._fault
        self._timeout_seconds = timeout_seconds
        self._token_url = httpx.URL(auth.token_url)  # as httpx writes it, for comparison
        self._server = Target("server", server)
        self._proxies = {
            target: proxy_for(target.name, proxy) if trust_env or proxy else None
            for target in (auth.target, self._server)
        }
        self.way = way_by(self._proxies)
        self._reuse = reuse or bounds.Reuse()
        limits = httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS)
        context = tls_context(ca_file, client_cert, client_key)
        self._http = httpx.Client(
            auth=auth,
            headers=_HEADERS | {"Tenant-ID": tenant},
            timeout=self._timeout(),
            limits=limits,
            verify=context,
            mounts=transports(self._proxies, context, limits, ca_file),
            trust_env=False,
            event_hooks={"request": [bounds.begin], "response": [self._refuse_proxy]},
            cookies=NoCookies(),
        )
        bounds.keep(self._http, self._reuse)

    @property
    def token_renewals(self) -> int:
        """How many access tokens were got so far."""
        return self._auth.renewals

    def server_time(self) -> datetime | None:
        """Return the login server's time of day, as of its last answer; None: it is not known."""
        return self._auth.server_clock.now()

    @property
    def may_tell_time(self) -> bool:
        """Whether that is not known, and the answer with a new token may tell it."""
        return self.server_time() is None and not self._auth.server_clock.is_silent

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def push(self, request: Request, guard: Callable[[], None] | None = None) -> Reply:
        """Send one chunk and return the server's answer, whatever its status, and with what came of its body.

        `guard` is called right before the first byte of the body goes out, and again where it goes out again:
        what it raises ends the request, which the server then has not whole. Raises `Outside` where the
        request never reached the server, `CutOff` where only a part of it can have, `LostAnswer` where all of
        it may have, and where it is said to be taken before all of it was sent.
        """
        body = request.body if guard is None else _Guarded(request.body, guard)
        headers = {"Content-Type": request.content_type, "Content-Length": str(len(request.body))}
        bounds.forget()
        try:
            answer = self._http.send(
                self._http.build_request(
                    "POST",
                    # One URL, parsed once: `params` would have httpx parse it three times.
                    f"{request.url}?{urlencode(request.params)}",
                    content=body,
                    headers=headers,
                    timeout=self._timeout(request.patience),
                    extensions={"patience": request.patience},
                ),
                stream=True,
            )
            try:
                bounds.bound(answer, self._timeout_seconds * request.patience)
                answer.read()
            finally:
                answer.close()
                # httpx's stream refers to its response: a circle, in which a chunk would stay in memory
                # until the garbage collector comes by, dozens of chunks later.
                answer.stream = httpx.ByteStream(b"")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise self._fault(error, request.patience) from error
        passage = bounds.passage()
        if answer.is_success and passage is not None and not passage.whole:
            raise self._too_early(answer.status_code)
        return self._reply(answer)

    def look(self, url: str) -> answers.Look:
        """Send a GET without query and body, with the token, and return what the server answers.

        It can neither carry data nor begin or complete an operation: GET is a safe method (RFC 9110, 9.2.1),
        the imports are POST alone, and each of their requests has a pushToken. Raises `Outside`.
        """
        bounds.forget()
        try:
            answer = self._http.send(self._http.build_request("GET", url), stream=True)
            try:
                bounds.bound(answer, self._timeout_seconds)
                answer.read()
            finally:
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise self._fault(error) from error
        found, headers = self._reply(answer), answer.headers
        return answers.Look(
            found.status, found.said, found.html, headers.get("allow", ""), headers.get("location", "")
        )

    def get_token(self) -> float:
        """Get a new access token; returns the seconds it will be used. Raises `Outside`."""
        flow = self._auth.fetch()
        bounds.forget()
        try:
            request = next(flow)
            while True:
                response = self._http.send(request, auth=httpx.Auth(), stream=True)
                try:
                    request = flow.send(response)
                finally:
                    response.close()
        except StopIteration as stop:
            return float(stop.value)
        except (httpx.HTTPError, UnicodeError) as error:
            raise self._fault(error) from error
        finally:
            flow.close()

    def login(self) -> Login:
        """Get a new access token and say what it is like. Raises `Outside`."""
        self.get_token()
        return self._auth.login()

    def _timeout(self, patience: int = 1) -> httpx.Timeout:
        connect = min(CONNECT_SECONDS, self._timeout_seconds)
        return httpx.Timeout(self._timeout_seconds * patience, connect=connect, pool=None)

    def _reply(self, answer: httpx.Response) -> Reply:
        now = http_date(answer.headers.get("date")) or datetime.now(UTC)
        kind = answer.headers.get("content-type", "")
        said = answers.text(answer.content, kind)
        return Reply(
            answer.status_code,
            self._auth.redacted(said),
            retry_after(answer.headers.get("retry-after"), now=now),
            html=answers.is_html(said, kind),
        )

    def _too_early(self, status: int) -> LostAnswer:
        return LostAnswer(
            self._server,
            f"{_host(self._server)} answered HTTP {status} before the request was sent to its end",
            check="does the WFM itself answer at wfm.api_url, or a gateway or a login page before it?",
        )

    def _refuse_proxy(self, response: httpx.Response) -> None:
        """A plain-HTTP proxy answers in the server's place where it wants to know who we are. A hook."""
        target = self._auth.target if response.request.url == self._token_url else self._server
        proxy = self._proxies[target]
        if response.status_code == 407 and proxy is not None and response.request.url.scheme == "http":
            now = http_date(response.headers.get("date")) or datetime.now(UTC)
            raise Outside(
                proxy.target,
                f"the proxy {proxy.name} refuses us: 407 {shown(response.reason_phrase)[:100]}".rstrip(),
                check=f"{proxy.source} (user, password)",
                retry_after=retry_after(response.headers.get("retry-after"), now=now),
            )

    def _fault(self, error: Exception, patience: int = 1) -> Outside:
        for_token = False
        with suppress(RuntimeError):  # httpx sets no request where it never came so far
            for_token = isinstance(error, httpx.RequestError) and error.request.url == self._token_url
        passage = bounds.passage()
        cut = isinstance(error, httpx.RemoteProtocolError | httpx.NetworkError)
        if cut and passage is not None and passage.reused:
            self._reuse.suspend()
        target = self._auth.target if for_token else self._server
        proxy = self._proxies[target]
        if proxy is not None and passage is not None and passage.stage in ("connect", "asked"):
            return self._proxy_fault(error, proxy, _host(target))
        reason, check = in_words(error, _host(target), self._timeout_seconds * patience)
        if proxy is not None:
            reason += f" (by the proxy {proxy.name})"
        # Whatever happened to the token request, the chunk did not go out.
        sent = not for_token and passage is not None and passage.stage == "sent"
        if not sent or isinstance(error, _NEVER_SENT):
            return Outside(target, reason, check=check)
        kind = CutOff if passage is not None and passage.is_cut else LostAnswer
        return kind(target, reason, check=check)

    def _proxy_fault(self, error: Exception, proxy: Proxy, server: str) -> Outside:
        """The way ended at the proxy: the request did not come as far as the server."""
        if isinstance(error, httpx.ProxyError):
            said = shown(str(error))[:100]
            who = "user, password" if said.startswith("407") else f"it must let us through to {server}"
            reason = f"the proxy {proxy.name} refuses us the way to {server}: {said}"
            return Outside(proxy.target, reason, check=f"{proxy.source} ({who})")
        host = urlsplit(proxy.name).hostname or proxy.name
        reason, check = in_words(error, host, self._timeout_seconds)
        return Outside(
            proxy.target,
            f"{reason}; it is the proxy on the way to {server}",
            check=f"{proxy.source}; {check}",
        )


def _host(target: Target) -> str:
    return urlsplit(target.name).hostname or target.name


class _Guarded:
    """A body before which a guard stands."""

    def __init__(self, body: bytes, guard: Callable[[], None]) -> None:
        self._body = body
        self._guard = guard

    def __iter__(self) -> Iterator[bytes]:
        self._guard()
        yield self._body
