"""The WFM stand-in: token endpoint, the imports, and a page that shows what arrived.

Knows the rules of the import API as far as they are published; where the vendor says nothing it is strict, so
that a mistake shows here first. Knows nothing of the agent. Everything it was sent stays in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import parse_qsl, unquote_plus

from watcher.sandbox.wire import Answer, Exchange, Refused, Request, Server, as_json

POLL_SECONDS = 0.01  # the longest that stop() waits for the serving thread to notice
LOG_LENGTH = 50_000  # requests remembered: more than a test sends, little enough for a stand-in left running

_TOKEN_PATH = re.compile(r"(?:/auth)?/realms/([^/]+)/protocol/openid-connect/token")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_IMPORTS = {  # path: kind and content type; the kinds in JSON take one request, those in CSV take chunks
    "/scheduling/adherence/event-types": ("event-types", "application/json"),
    "/scheduling/adherence/reason-codes": ("reason-codes", "application/json"),
    "/scheduling/adherence/agent-events": ("agent-events", "text/csv"),
    "/forecasting/historical-data/historical-data-push": ("historical-data", "text/csv"),
}


@dataclass(slots=True)
class Operation:
    """One upload operation, that is one pushToken, and what was accepted under it."""

    push_token: str
    kind: str  # event-types, reason-codes, agent-events or historical-data
    acd_type: str | None
    chunks: list[bytes]  # in order of arrival; stays empty with keep_bodies=False
    completed: bool = False  # a chunk with lastChunk=true was accepted
    chunk_count: int = 0
    received_bytes: int = 0
    sha256: str = ""  # hex digest of all chunks joined

    @property
    def body(self) -> bytes:
        """All chunks joined."""
        return b"".join(self.chunks)


class Sandbox:
    """A WFM with one tenant and one client, on a port of the loopback (0: any free one).

    The constructor binds the port, so `url` holds before `start()` and a taken port raises OSError at once.
    `token_life` is in seconds of `clock`, `max_body` in bytes; `json_in_parts`: JSON may come in several
    requests, as the vendor's page does not say. Once stopped it stays stopped.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tenant: str = "demo",
        client_id: str = "wfm-importer",
        client_secret: str = "sandbox-secret",
        token_life: float = 300.0,
        max_body: int = 2_000_000,
        clock: Callable[[], float] = time.monotonic,
        keep_bodies: bool = True,
        json_in_parts: bool = False,
    ) -> None:
        self.tenant, self.token_life = tenant, token_life
        self._credentials = (client_id, client_secret)
        self._clock, self._keep_bodies = clock, keep_bodies
        self._json_in_parts = json_in_parts
        self._lock = threading.Lock()  # guards the four fields below, which all handler threads share
        self._tokens: dict[str, float] = {}  # access token: when it was handed out, by the clock
        self._operations: dict[str, Operation] = {}  # by push token, in order of first chunk
        self._hashes: dict[str, hashlib._Hash] = {}  # of the operations that are under way
        self._log: deque[Exchange] = deque(maxlen=LOG_LENGTH)
        self._server = Server(
            port, respond=lambda request: self.respond(request), record=self._record, max_body=max_body
        )
        self._thread: threading.Thread | None = None
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.token_url = f"{self.url}/auth/realms/{tenant}/protocol/openid-connect/token"

    def start(self) -> None:
        """Begins to answer, in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes the port and every connection; twice is harmless."""
        if self._thread is not None:  # shutdown() of a server that never ran would wait for ever
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def operations(self) -> list[Operation]:
        """Copies of all operations, in the order of their first chunks."""
        with self._lock:
            return [replace(known, chunks=list(known.chunks)) for known in self._operations.values()]

    def requests(self) -> list[Exchange]:
        """The last LOG_LENGTH requests, oldest first; each is in here before its answer goes out."""
        with self._lock:
            return list(self._log)

    def forget_tokens(self) -> None:
        """Revokes every token handed out so far."""
        with self._lock:
            self._tokens.clear()

    def respond(self, request: Request) -> Answer | None:
        """Request in, answer out, or None: close without one. Tests override this, calling super()."""
        try:
            if request.path == "/":
                _require_method(request, "GET", "HEAD")
                return self._overview()
            if token_path := _TOKEN_PATH.fullmatch(request.path):
                return self._token(request, realm=token_path[1])
            kind, content_type = _IMPORTS.get(request.path.removeprefix("/_rest").removesuffix("/"), ("", ""))
            if not kind:
                raise Refused(404, "not_found", f"There is nothing at {request.path}.")
            _require_method(request, "POST")
            self._require_rights(request)
            _require_content_type(request, content_type)
            return self._import(request, kind, last_only=content_type == "application/json")
        except Refused as refused:
            return refused.answer

    def _record(self, request: Request, answer: Answer | None) -> None:
        headers = dict(request.headers)
        if "authorization" in headers:
            headers["authorization"] = headers["authorization"][-8:]  # a token is 1.5 KB
        line = Exchange(
            request.method,
            request.path,
            request.query,
            headers,
            len(request.body),
            answer.status if answer else None,
        )
        with self._lock:
            self._log.append(line)

    def _overview(self) -> Answer:
        operations = [
            {
                "push_token": known.push_token,
                "kind": known.kind,
                "acd_type": known.acd_type,
                "chunks": known.chunk_count,
                "bytes": known.received_bytes,
                "completed": known.completed,
                "sha256": known.sha256,
            }
            for known in self.operations()
        ]
        return Answer(200, json.dumps({"tenant": self.tenant, "operations": operations}, indent=2).encode())

    def _token(self, request: Request, *, realm: str) -> Answer:
        if realm != self.tenant:
            raise Refused(404, "not_found", f"There is no realm {realm}.")
        _require_method(request, "POST")
        _require_content_type(request, "application/x-www-form-urlencoded")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            why = "grant_type has to be client_credentials."
            raise Refused(400, "unsupported_grant_type", why, error_description=why)
        if _credentials(request, form) != self._credentials:
            why = "Invalid client or invalid client credentials."
            raise Refused(401, "invalid_client", why, error_description=why)
        # As long as Keycloak's and shaped like them; nothing is signed, as nobody verifies it.
        token = f"eyJhbGciOiJSUzI1NiJ9.{secrets.token_urlsafe(870)}.{secrets.token_urlsafe(256)}"
        with self._lock:
            now = self._clock()
            alive = {old: since for old, since in self._tokens.items() if now - since < self.token_life}
            self._tokens = {**alive, token: now}
        return as_json(
            200,
            {
                "access_token": token,
                "expires_in": int(self.token_life),
                "token_type": "bearer",
                "refresh_token": secrets.token_urlsafe(400),
                "refresh_expires_in": 1800,
                "not-before-policy": 0,
                "session_state": str(uuid.uuid4()),
                "scope": "email profile",
            },
            ("Cache-Control", "no-store"),
        )

    def _require_rights(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        challenge = ("WWW-Authenticate", f'Bearer realm="{self.tenant}"')
        if scheme.lower() != "bearer":
            raise Refused(401, "unauthorized", "A bearer token is missing.", challenge)
        with self._lock:
            since = self._tokens.get(token.strip())
        if since is None or self._clock() - since >= self.token_life:
            raise Refused(401, "invalid_token", "The token is unknown or expired.", challenge)
        if request.headers.get("tenant-id") != self.tenant:
            raise Refused(400, "wrong_tenant", f"The header Tenant-ID has to be {self.tenant}.")

    def _import(self, request: Request, kind: str, *, last_only: bool) -> Answer:
        push_token, last = request.query.get("pushToken", "").lower(), request.query.get("lastChunk")
        acd_type = request.query.get("acdType") or None
        if not _UUID.fullmatch(push_token):
            raise Refused(400, "bad_push_token", "The parameter pushToken has to be a UUID.")
        one_request = last_only and not self._json_in_parts
        if last != "true" and (one_request or last != "false"):
            wanted = "true, as this import is one request" if one_request else "true or false"
            raise Refused(400, "bad_last_chunk", f"The parameter lastChunk has to be {wanted}.")
        if kind == "agent-events" and acd_type is None:
            raise Refused(400, "no_acd_type", "The parameter acdType is missing.")
        if not request.body:
            raise Refused(400, "empty_body", "The body is empty.")
        if last_only:
            try:
                json.loads(request.body)
            except (ValueError, RecursionError) as error:
                raise Refused(400, "bad_json", f"The body is not JSON: {error}.") from error
        elif (quotes := request.body.count(b'"')) % 2:
            why = f"A quoted field is not closed: the chunk holds an odd number of quotation marks, {quotes}."
            raise Refused(422, "unbalanced_quotes", why)
        new = Operation(push_token, kind, acd_type, chunks=[])
        with self._lock:
            return self._accept(new, request.body, completes=last == "true")

    def _accept(self, new: Operation, chunk: bytes, *, completes: bool) -> Answer:
        """Adds a sound chunk to its operation: `new`, if it is the first. The caller holds the lock."""
        token = new.push_token
        operation = self._operations.get(token, new)
        if (operation.kind, operation.acd_type) != (new.kind, new.acd_type):
            why = f"This pushToken belongs to {operation.kind} with acdType {operation.acd_type}."
            raise Refused(409, "push_token_in_use", why)
        if operation.completed:
            raise Refused(409, "already_completed", "The operation of this pushToken is completed.")
        self._operations[token] = operation
        digest = self._hashes.setdefault(token, hashlib.sha256())
        digest.update(chunk)
        if self._keep_bodies:
            operation.chunks.append(chunk)
        operation.chunk_count += 1
        operation.received_bytes += len(chunk)
        operation.sha256, operation.completed = digest.hexdigest(), completes
        if completes:
            del self._hashes[token]
        return as_json(200, {"pushToken": token, "chunks": operation.chunk_count, "completed": completes})


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Who a token request says it is: by the Basic scheme (RFC 6749, section 2.3.1), or by its form."""
    scheme, _, pair = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id"), form.get("client_secret")
    try:
        name, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
    except ValueError:
        return None, None
    return unquote_plus(name), unquote_plus(secret)


def _require_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        allow = ", ".join(allowed)
        raise Refused(405, "method_not_allowed", f"Only {allow} is allowed here.", ("Allow", allow))


def _require_content_type(request: Request, wanted: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise Refused(415, "unsupported_media_type", f"The header Content-Type has to be {wanted}.")


__all__ = ["Answer", "Exchange", "Operation", "Request", "Sandbox"]
