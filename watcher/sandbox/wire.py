"""HTTP for the stand-in: bytes to `Request`, `Answer` to bytes, on a port of the loopback.

Knows no rule of the API; what to answer is decided by whoever gave it its `respond`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl

LINGER_SECONDS = 2.0  # how long a client may take to notice that its body is refused
DRAIN_BYTES = 8_000_000  # of a refused body; see _drain


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str  # without the query, not percent-decoded
    query: Mapping[str, str]  # decoded; of a repeated name the last value
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back; Content-Length and Connection are added on the way out, and Date, if it has none."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of the request log: a request and how it was answered."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # as in Request, but of `authorization` the last 8 characters
    body_bytes: int  # length of the body; 0 when it was refused unread
    status: int | None  # None: the connection was closed without an answer


class Refused(Exception):
    """A rule was broken; carries the answer that says which."""

    def __init__(self, status: int, error: str, message: str, *headers: tuple[str, str], **more: str) -> None:
        super().__init__(message)
        self.answer = as_json(status, {"error": error, "message": message, **more}, *headers)


Respond = Callable[[Request], Answer | None]
Record = Callable[[Request, Answer | None], None]


class Server(ThreadingTCPServer):
    """A thread for each connection. Not HTTPServer: that asks the DNS for its own name first."""

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = os.name != "nt"  # on Windows this would let two servers share a port

    def __init__(self, port: int, *, respond: Respond, record: Record, max_body: int) -> None:
        self.connections: set[socket.socket] = set()  # open ones; kept alive, they would outlast the server
        super().__init__(
            ("127.0.0.1", port), lambda *connection: _Handler(respond, record, max_body, *connection)
        )

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.connections):
            with suppress(OSError):  # it may have ended by itself in this very moment
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that hangs up is no error
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection: bytes to Request, Answer to bytes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with the one write per answer: 0.5 ms where it would take 44
    timeout = 60.0  # seconds for each read and write; an idle connection ends, and its thread with it

    def __init__(self, respond: Respond, record: Record, max_body: int, *connection: Any) -> None:
        self._respond, self._record, self._max_body = respond, record, max_body
        super().__init__(*connection)  # serves the connection to its end

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, dict(parse_qsl(query, keep_blank_values=True)), headers, b"")
        try:
            length = self._body_length()
        except Refused as refused:
            self.close_connection = True
            self._answer(request, refused.answer)
            self._drain()
            return
        request = replace(request, body=self.rfile.read(length))
        if len(request.body) == length:  # else the client went away in the middle: there was no request
            self._answer(request, self._respond(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _body_length(self) -> int:
        announced = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            raise Refused(411, "length_required", "A chunked body is not accepted: send Content-Length.")
        if not re.fullmatch("[0-9]{1,18}", announced):
            raise Refused(400, "bad_request", "Content-Length is not a number.")
        if int(announced) > self._max_body:
            why = f"The body has {announced} bytes, of at most {self._max_body}."
            raise Refused(413, "body_too_large", why)
        return int(announced)

    def _drain(self) -> None:
        """Reads on after a refusal: to close with bytes unread is a reset, which may overtake the answer."""
        with suppress(OSError):  # gone already
            self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER_SECONDS)
        left = DRAIN_BYTES
        while left > 0 and (piece := self.rfile.read1(65_536)):
            left -= len(piece)

    def _answer(self, request: Request, answer: Answer | None) -> None:
        self._record(request, answer)
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        fields = [
            *(() if "Date" in dict(answer.headers) else (("Date", self.date_time_string()),)),
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ]
        if self.close_connection:
            fields.append(("Connection", "close"))
        phrase = self.responses.get(answer.status, ("",))[0]
        head = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in fields)]
        body = b"" if self.command == "HEAD" else answer.body
        self.wfile.write("\r\n".join([*head, "\r\n"]).encode("latin-1") + body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses by itself, being no HTTP, is told in JSON as well."""
        self.close_connection = True
        self._send(as_json(code, {"error": "bad_request", "message": message or self.responses[code][0]}))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to stderr: the request log has it."""


def as_json(status: int, content: Mapping[str, object], *headers: tuple[str, str]) -> Answer:
    return Answer(status, json.dumps(content).encode(), headers=headers)
