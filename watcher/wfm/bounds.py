"""Bounds a whole request in time, and its answer in bytes.

httpx has neither: its timeouts are for a single read or write, so that a server that sends a byte a second
would never meet one, and an answer of a gigabyte would be read into memory. So the sockets below it get, for
each read and write, no more than what is left of the request's deadline: to connect, to send, for head and
body, all in all. A request is sent, and its answer read, in one thread: the deadline is that thread's.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

# Slower than this, a line does not carry a chunk.
SLOWEST_BYTES_A_SECOND = 16_000
WRITE_BYTES = 1 << 18  # at most so much between two looks at the clock

ANSWER_BYTES = 64 * 1024

_deadline = threading.local()


def seconds_for(body_bytes: int, timeout_seconds: float) -> float:
    """Return how long a request may take, all in all: to connect, to send so much, and to be answered."""
    return 2 * timeout_seconds + body_bytes / SLOWEST_BYTES_A_SECOND


def begin(request: httpx.Request) -> None:
    """The request goes out now: its deadline begins. A hook of the client."""
    size = int(request.headers.get("Content-Length", 0))
    timeout = request.extensions["timeout"]["read"]
    _deadline.at = time.monotonic() + seconds_for(size, timeout)


def keep(client: httpx.Client) -> None:
    """Make all connections of `client` keep the deadline of the thread that uses them."""
    # httpx hands on no `network_backend`, the place that httpcore has for this
    # (https://www.encode.io/httpcore/network-backends/): its pools are asked directly.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend)


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    """Return what a single read or write may take. Raises `error` where the deadline is over."""
    at: float | None = getattr(_deadline, "at", None)
    if at is None:
        return timeout
    left = at - time.monotonic()
    if left <= 0:
        raise error("the request took too long")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if len(buffer) <= WRITE_BYTES:
            self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))
            return
        view = memoryview(buffer)
        for start in range(0, len(buffer), WRITE_BYTES):
            part = view[start : start + WRITE_BYTES]
            self._inner.write(part, _left(timeout, httpcore.WriteTimeout))  # type: ignore[arg-type]

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def bound(response: httpx.Response, seconds: float) -> None:
    """Make every later read of `response` end after 64 KiB, and fail as a timeout after `seconds`."""
    # Without this header nothing is decompressed: a small answer cannot expand into a large one.
    response.headers.pop("content-encoding", None)
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Bounded(response.stream, response.request, time.monotonic() + seconds)


class _Bounded(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, request: httpx.Request, deadline: float) -> None:
        self._inner = inner
        self._request = request
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        left = ANSWER_BYTES
        for part in self._inner:
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the answer took too long", request=self._request)
            yield part[:left]
            left -= len(part)
            if left <= 0:
                return

    def close(self) -> None:
        self._inner.close()
