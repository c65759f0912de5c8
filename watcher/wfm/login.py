"""OAuth2 client credentials (RFC 6749, section 4.4) as an `httpx.Auth`: one token for all threads.

A token lives 300 seconds and an upload outlives it, so it is looked at before every request and renewed
once on 401. The refresh token is never used (RFC 6749, section 4.4.3). It does not wait and does not
retry: a token endpoint that refuses is `Outside`, and the pipeline holds.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote_plus

import httpx

from watcher.core.backoff import http_date, retry_after
from watcher.core.errors import Outside
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.wfm.bounds import bound
from watcher.wfm.jwt import claims
from watcher.wfm.server_clock import ServerClock

# For a token endpoint that does not say how long its tokens live (RFC 6749 only recommends it).
UNSAID_LIFE_SECONDS = 60.0
_CHECK = "wfm.client_id, wfm.client_secret, wfm.token_url, wfm.login, and that the client is enabled"


@dataclass(frozen=True, slots=True)
class Login:
    """What `check` tells of a token; never the token itself."""

    used_for: float  # seconds until it is renewed
    life: float  # seconds, as the server said
    clock_ahead: float | None  # seconds that this machine's clock is ahead of the server's; None: not known
    claims: Mapping[str, object] | None  # what a JWT says, not verified; None: it is no JWT


class ClientCredentials(httpx.Auth):
    """Puts a bearer token on requests; gets and renews it as needed, one renewal at a time."""

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        timeout_seconds: float,
        basic: bool = False,
        scope: str | None = None,
        audience: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`basic`: id and secret go into a header (RFC 6749, section 2.3.1), else into the form, as the
        vendor has it; `scope` and `audience` are for login servers that want to be told."""
        self.token_url = token_url
        self.target = Target("login", token_url)
        more = {"scope": scope, "audience": audience}
        self._form = {"grant_type": "client_credentials"} | {key: text for key, text in more.items() if text}
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        self._secrets = [client_secret, quote_plus(client_secret)]  # and how they look on the way
        if basic:
            pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
            encoded = base64.b64encode(pair.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"
            self._secrets.append(encoded)
        else:
            self._form |= {"client_id": client_id, "client_secret": client_secret}
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None  # guarded by _lock, like the next one
        self._issued: deque[str] = deque(maxlen=8)  # the last ones: an old one may be good for minutes
        self._good_until = 0.0
        self._life = 0.0  # seconds, as the server said
        self.server_clock = ServerClock(clock)
        self.renewals = 0  # tokens got so far; any thread may read it
        self._failed = 0  # renewals that failed so far; any thread may read it
        self._fault: Outside | None = None  # of the last renewal, if it failed; guarded by _lock
        # Turns httpx's faults into ours: the client, which has the words, puts its own here.
        self.explain: Callable[[Exception], Outside] = lambda error: Outside(self.target, str(error))

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send `request` with a token; after a 401 once more with a new one."""
        token = yield from self._current()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            bound(response, self._timeout_seconds)
            token = yield from self._current(refused=token)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def fetch(self) -> Generator[httpx.Request, httpx.Response, float]:
        """Get a new token whatever there is, for `check`; returns its life in seconds."""
        with self._lock:
            yield from self._renew()
            return self._good_until - self._clock()

    def login(self) -> Login:
        """Say what the token at hand is like."""
        with self._lock:
            assert self._token is not None
            return Login(
                self._good_until - self._clock(), self._life, self.server_clock.ahead, claims(self._token)
            )

    def redacted(self, text: str) -> str:
        """Return `text` without the secrets of this client: a server may echo the request that it refuses."""
        # In one go, the longest first: what stands for one must not be taken for another.
        secrets = sorted({*self._issued, *self._secrets} - {""}, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, secrets)), "[secret]", text) if secrets else text

    def _current(self, refused: str | None = None) -> Generator[httpx.Request, httpx.Response, str]:
        failed_before = self._failed
        with self._lock:
            # Looked at inside the lock: another thread may have renewed it while this one waited.
            if self._token is None or self._token == refused or self._clock() >= self._good_until:
                if self._fault is not None and self._failed != failed_before:
                    # Or it failed: many that wait, each for its own timeout, would wait for hours.
                    raise _copy(self._fault)
                try:
                    yield from self._renew()
                except GeneratorExit as closed:
                    # So httpx ends a flow whose request met a fault; that is being handled meanwhile.
                    self._note(closed.__context__)
                    raise
                except Exception as error:
                    self._note(error)
                    raise
            assert self._token is not None
            return self._token

    def _note(self, error: BaseException | None) -> None:
        """Keep what became of a renewal for those that wait for it; the caller holds the lock."""
        self._failed += 1
        if isinstance(error, Outside):
            self._fault = _copy(error)
        elif isinstance(error, httpx.HTTPError):
            self._fault = _copy(self.explain(error))
        else:
            self._fault = None

    def _renew(self) -> Generator[httpx.Request, httpx.Response, None]:
        self._token = None
        asked_at = self._clock()
        request = httpx.Request(
            "POST",
            self.token_url,
            data=self._form,
            headers=self._headers,
            extensions={"timeout": httpx.Timeout(self._timeout_seconds).as_dict()},
        )
        response = yield request
        # A refusal is one, even where its words are cut; half a token is none.
        bound(response, self._timeout_seconds, strict=response.is_success)
        response.read()
        self._token, life = self._read(response)
        self._issued.append(self._token)
        self.server_clock.hear(response.headers.get("date"))
        self._life = life
        self.renewals += 1
        # The lesser of 60 s before its end or 80 % of its life; of a short life at least a fifth, or
        # every request would need a token of its own.
        self._good_until = asked_at + max(min(life - 60, life * 0.8), life * 0.2)

    def _read(self, response: httpx.Response) -> tuple[str, float]:
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            answer = None  # a proxy's HTML page, say
        answer = answer if isinstance(answer, dict) else {}
        if not response.is_success:
            self._refuse(response, answer)
        token = answer.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):  # RFC 6750: no blanks
            raise Outside(self.target, "the token endpoint's answer holds no access token", check=_CHECK)
        try:
            life = float(answer.get("expires_in", UNSAID_LIFE_SECONDS))
        except (TypeError, ValueError, OverflowError):
            life = UNSAID_LIFE_SECONDS
        return token, life if 0 <= life < float("inf") else UNSAID_LIFE_SECONDS

    def _refuse(self, response: httpx.Response, answer: dict[str, object]) -> None:
        status = response.status_code
        said = answer.get("error_description") or answer.get("error") or ""
        words = f"HTTP {status}" + (f": {shown(self.redacted(str(said)))[:200]}" if said else "")
        now = http_date(response.headers.get("date")) or datetime.now(UTC)
        wait = retry_after(response.headers.get("retry-after"), now=now)
        if status in (400, 401, 403):
            raise Outside(
                self.target,
                f"the token endpoint refuses the client ({words})",
                check=_CHECK,
                retry_after=wait,
            )
        if status in (404, 405) or 300 <= status < 400:
            raise Outside(
                self.target,
                f"there is no token endpoint at this URL ({words})",
                check="wfm.token_url: newer Keycloak versions have no /auth in the path",
                retry_after=wait,
            )
        raise Outside(
            self.target,
            f"the token endpoint has trouble ({words})",
            check="is the login server up?",
            retry_after=wait,
        )


def _copy(fault: Outside) -> Outside:
    """Return the same fault without its traceback, which would keep chunks in memory."""
    return Outside(fault.target, fault.reason, check=fault.check, retry_after=fault.retry_after)
