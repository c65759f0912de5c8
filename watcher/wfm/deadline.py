"""Bounds a whole request in time: connect, send, head and body, all in all.

httpx's timeouts are for a single read or write: a server that sends a byte of its head a second would never
meet one. So the sockets below it get, for each read and write, no more than what is left of the request's
deadline. A request is sent, and its answer read, in one thread: the deadline is that thread's.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

# Slower than this, a line does not carry a chunk.
SLOWEST_BYTES_A_SECOND = 16_000
WRITE_BYTES = 1 << 18  # at most so much between two looks at the clock

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
