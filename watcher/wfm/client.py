"""One request to the WFM: sends it, reads the answer within bounds, turns httpx's faults into ours.

It does not wait, retry or log, and does not decide what an answer means. Redirects are never followed,
so that the token goes to no other host; certificates are always verified.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx

from watcher import __version__
from watcher.core.backoff import http_date, retry_after
from watcher.core.conversation import Reply, Request
from watcher.core.errors import ConfigError, LostAnswer, Outside
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.wfm import bounds
from watcher.wfm.bounds import bound
from watcher.wfm.login import ClientCredentials, Login

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
    ) -> None:
        """`server` is the API's URL.

        `trust_env`: proxies from the environment. Raises `ConfigError` for certificates that do not load.
        """
        self.server = server
        self.token_url = auth.token_url
        self.way = (auth.target, Target("server", server))  # what a request meets, in this order
        self.tenant = tenant
        self._auth = auth
        self._timeout_seconds = timeout_seconds
        self._hosts = {target: urlsplit(target.name).hostname or target.name for target in self.way}
        self._token_url = httpx.URL(auth.token_url)  # as httpx writes it, for comparison
        with _proxy_problems():
            self._http = httpx.Client(
                auth=auth,
                headers={
                    "Tenant-ID": tenant,
                    "User-Agent": f"wfm-watcher/{__version__}",
                    "Accept": "application/json, text/plain;q=0.9, */*;q=0.1",
                    "Accept-Encoding": "identity",
                },
                timeout=httpx.Timeout(
                    timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds), pool=None
                ),
                limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
                verify=tls_context(ca_file, client_cert, client_key),
                proxy=proxy,
                trust_env=trust_env and proxy is None,
                event_hooks={"request": [bounds.begin]},
            )
        bounds.keep(self._http)

    @property
    def token_renewals(self) -> int:
        """How many access tokens were got so far."""
        return self._auth.renewals

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def push(self, request: Request, guard: Callable[[], None] | None = None) -> Reply:
        """Send one chunk and return the server's answer, whatever its status.

        `guard` is called right before the first byte of the body goes out, and again where it goes out again:
        what it raises ends the request, which the server then has not whole. Raises `Outside` where the
        request never reached the server, `LostAnswer` where it may have.
        """
        body = request.body if guard is None else _Guarded(request.body, guard)
        headers = {"Content-Type": request.content_type, "Content-Length": str(len(request.body))}
        try:
            answer = self._http.send(
                self._http.build_request(
                    "POST",
                    # One URL, parsed once: `params` would have httpx parse it three times.
                    f"{request.url}?{urlencode(request.params)}",
                    content=body,
                    headers=headers,
                ),
                stream=True,
            )
            try:
                bound(answer, self._timeout_seconds)
                answer.read()
            finally:
                answer.close()
                # httpx's stream refers to its response: a circle, in which a chunk would stay in memory
                # until the garbage collector comes by, dozens of chunks later.
                answer.stream = httpx.ByteStream(b"")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise self._fault(error) from error
        return self._reply(answer)

    def get_token(self) -> float:
        """Get a new access token; returns the seconds it will be used. Raises `Outside`."""
        flow = self._auth.fetch()
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

    def _reply(self, answer: httpx.Response) -> Reply:
        now = http_date(answer.headers.get("date")) or datetime.now(UTC)
        return Reply(
            answer.status_code,
            self._auth.redacted(answer.content.decode("utf-8", "replace")),
            retry_after(answer.headers.get("retry-after"), now=now),
        )

    def _fault(self, error: Exception) -> Outside:
        for_token = False
        with suppress(RuntimeError):  # httpx sets no request where it never came so far
            for_token = isinstance(error, httpx.RequestError) and error.request.url == self._token_url
        login, server = self.way
        target = login if for_token else server
        reason, check = in_words(error, self._hosts[target], self._timeout_seconds)
        if for_token:
            # Whatever happened to the token request, the chunk did not go out.
            return Outside(target, reason, check=check)
        kind = Outside if isinstance(error, _NEVER_SENT) else LostAnswer
        return kind(server, reason, check=check)


class _Guarded:
    """A body before which a guard stands."""

    def __init__(self, body: bytes, guard: Callable[[], None]) -> None:
        self._body = body
        self._guard = guard

    def __iter__(self) -> Iterator[bytes]:
        self._guard()
        yield self._body


@contextmanager
def _proxy_problems() -> Iterator[None]:
    """A proxy of an unknown kind, from the settings or the environment, is told as what it is."""
    try:
        yield
    except (ImportError, ValueError, httpx.InvalidURL):
        # httpx's own words may quote a part of the proxy's password.
        raise ConfigError(
            "the proxy cannot be used; see wfm.proxy, and HTTP_PROXY, HTTPS_PROXY and ALL_PROXY of the"
            " environment (http:// and https:// proxies are known)"
        ) from None


def tls_context(ca_file: Path | None, client_cert: Path | None, client_key: Path | None) -> ssl.SSLContext:
    """The system's certificate authorities plus `ca_file`. httpx's own default knows only certifi's.

    Raises `ConfigError` for certificates that do not load.
    """
    context = ssl.create_default_context()
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
            # Python 3.13 refuses company authorities that curl takes (python/cpython#107361); whoever
            # names a CA file trusts it.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    except OSError as error:
        raise ConfigError(f"wfm.ca_file: {ca_file} cannot be used: {error.strerror or error}") from error
    try:
        if client_cert is not None:
            # Without a password here OpenSSL would ask for one at the terminal.
            context.load_cert_chain(client_cert, client_key, password="")
    except OSError as error:
        raise ConfigError(
            f"wfm.client_cert: {client_cert} cannot be used: {error.strerror or error}"
        ) from error
    return context


def _causes(error: BaseException) -> Generator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def in_words(error: Exception, host: str, timeout_seconds: float) -> tuple[str, str]:
    """Say what happened, and what a person should check."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {host} is not trusted: {cause.verify_message}",
                "wfm.ca_file (the company's certificate authority), the host name, and this machine's clock",
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"TLS with {host} failed: {cause.reason or cause}",
                "wfm.client_cert, if the server asks for one, and http against https in the URL",
            )
        if isinstance(cause, socket.gaierror | UnicodeError):
            return f"the name {host} cannot be resolved", "the host name in the settings, and DNS"
        if isinstance(cause, ConnectionRefusedError):
            return f"{host} refuses the connection", "is the server up, and the port right?"
    match error:
        case httpx.ProxyError():
            return f"the proxy failed: {shown(str(error))}", "wfm.proxy, or HTTP_PROXY in the environment"
        case httpx.ConnectTimeout():
            return (
                f"{host} does not answer",
                "is the server up, and does a firewall let this machine through?",
            )
        case httpx.TimeoutException():
            return (
                f"{host} did not answer within {timeout_seconds:g} s",
                "is the server slow? wfm.timeout can be raised",
            )
        case httpx.RemoteProtocolError():
            return f"{host} closed the connection, or did not speak HTTP", "is the server up?"
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | httpx.InvalidURL():
            return f"the request cannot be sent: {shown(str(error))}", "wfm.api_url and wfm.tenant"
        case _:
            words = shown(str(error)) or type(error).__name__
            return f"the connection to {host} broke: {words}", "the network between here and the server"
