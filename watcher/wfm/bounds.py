"""Bounds a whole request in time, and its answer in bytes; knows how far the request came.

httpx has neither: its timeouts are for a single read or write, so that a server that sends a byte a second
would never meet one, and an answer of a gigabyte would be read into memory. So the sockets below it get, for
each read and write, no more than what is left of the request's deadline: to connect, to send, for head and
body, all in all. A request is sent, and its answer read, in one thread: its `Passage` is that thread's.
"""

from __future__ import annotations

import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import httpcore
import httpx

from watcher.disk.system import seconds_awake_or_not
from watcher.wfm.answers import expanded

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = termios = None  # type: ignore[assignment]

# Slower than this, a line does not carry a chunk.
SLOWEST_BYTES_A_SECOND = 16_000
WRITE_BYTES = 1 << 18  # at most so much between two looks at the clock

ANSWER_BYTES = 64 * 1024
# A balancer that resets connections that are used again goes on doing so.
NO_REUSE_SECONDS = 600.0

_thread = threading.local()


@dataclass(slots=True)
class Passage:
    """How far a request came, as its sockets see it."""

    deadline: float  # by a clock that goes on while the machine sleeps: others rely on it (`journal.peers`)
    # "pool": no socket yet, or one that was used before; "connect"; "asked": the proxy, for a tunnel;
    # "tunnel": there is one; "sent": the first byte of the request itself went out.
    stage: Literal["pool", "connect", "asked", "tunnel", "sent"] = "pool"
    reused: bool = False  # on a connection that carried a request before
    is_cut: bool = False  # some of the request could not be written
    unread: int = 0  # bytes of it that the other side did not have yet when it answered

    @property
    def whole(self) -> bool:
        """Whether the request went out to its end, as far as can be known, before the answer came."""
        return not self.is_cut and not self.unread


def seconds_for(body_bytes: int, timeout_seconds: float, patience: int = 1) -> float:
    """Return how long a request may take, all in all: to connect, to send so much, and to be answered.

    `patience`: so many times the timeout is waited for the answer.
    """
    return (1 + patience) * timeout_seconds + body_bytes / SLOWEST_BYTES_A_SECOND


def begin(request: httpx.Request) -> None:
    """The request goes out now: its deadline begins. A hook of the client."""
    size = int(request.headers.get("Content-Length", 0))
    patience = request.extensions.get("patience", 1)
    timeout = request.extensions["timeout"]["read"] / patience
    _thread.passage = Passage(seconds_awake_or_not() + seconds_for(size, timeout, patience))


def forget() -> None:
    """Forget the last request of this thread: a new one is made."""
    _thread.passage = None


def passage() -> Passage | None:
    """Return how far the last request of this thread came; None: it was not begun."""
    found: Passage | None = getattr(_thread, "passage", None)
    return found


class Reuse:
    """Whether connections are used for more than one request. Any thread may ask and tell."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._not_before = float("-inf")

    def suspend(self) -> None:
        """A connection that was used again was cut: each request gets one of its own, for ten minutes."""
        self._not_before = self._clock() + NO_REUSE_SECONDS

    @property
    def allowed(self) -> bool:
        """Whether a connection may be used again."""
        return self._clock() >= self._not_before


def keep(client: httpx.Client, reuse: Reuse) -> None:
    """Make all connections of `client` keep the deadline of the thread that uses them."""
    # httpx hands on no `network_backend`, the place that httpcore has for this
    # (https://www.encode.io/httpcore/network-backends/): its pools are asked directly.
    for transport in {client._transport, *client._mounts.values()}:
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend, reuse)


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    """Return what a single read or write may take. Raises `error` where the deadline is over."""
    now = passage()
    if now is None:
        return timeout
    left = now.deadline - seconds_awake_or_not()
    if left <= 0:
        raise error("the request took too long")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend, reuse: Reuse) -> None:
        self._inner = inner
        self._reuse = reuse

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        if now := passage():
            now.stage = "connect"
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._reuse)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, reuse: Reuse) -> None:
        self._inner = inner
        self._reuse = reuse
        self._carried: Passage | None = None  # the last request that it carried

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        now = passage()
        if now is not None and buffer:
            now.stage = "asked" if buffer.startswith(b"CONNECT ") else "sent"
            if self._carried is not now:
                now.reused, self._carried = self._carried is not None, now
        try:
            self._write(buffer, timeout)
        except BaseException:
            # httpcore goes on to read the answer, as if all had been sent.
            if now is not None:
                now.is_cut = True
            raise

    def _write(self, buffer: bytes, timeout: float | None) -> None:
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
        now = passage()
        if now is not None and now.stage == "asked":
            now.stage = "tunnel"
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._reuse)

    def get_extra_info(self, info: str) -> Any:
        # What its pool asks of a connection that idles: one that can be read was closed by the other side.
        if info == "is_readable" and not self._reuse.allowed:
            return True
        return self._inner.get_extra_info(info)


def bound(response: httpx.Response, seconds: float, *, strict: bool = False) -> None:
    """Bound every later read of `response`: 64 KiB, expanded if it is compressed, and `seconds`.

    An answer whose status is known is one, even where its body is cut, or never ends: what came of it counts;
    but for `strict`, with which its fault is raised.
    """
    # Without this header httpx expands nothing: a small answer cannot become a large one.
    coding = response.headers.pop("content-encoding", "")
    assert isinstance(response.stream, httpx.SyncByteStream)
    now = passage()
    if now is not None:
        now.deadline = min(now.deadline, seconds_awake_or_not() + seconds)
        now.unread = _unread(response)
    response.stream = _Bounded(response, response.stream, coding, now, strict=strict)


def _unread(response: httpx.Response) -> int:
    """Return how many bytes of the request have not arrived at the other side; 0 where that is not known."""
    stream = response.extensions.get("network_stream")
    if fcntl is None or stream is None:
        return 0
    with suppress(OSError, ValueError, AttributeError):  # closed by now, or a socket that counts nothing
        # tcp(7), SIOCOUTQ: an answer acknowledges all that was read before it.
        count = fcntl.ioctl(stream.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(count, sys.byteorder)
    return 0


class _Bounded(httpx.SyncByteStream):
    def __init__(
        self,
        response: httpx.Response,
        inner: httpx.SyncByteStream,
        coding: str,
        now: Passage | None,
        *,
        strict: bool,
    ) -> None:
        self._response = response
        self._inner = inner
        self._coding = coding
        self._now = now
        self._strict = strict

    def __iter__(self) -> Iterator[bytes]:
        found = bytearray()
        try:
            for part in self._inner:
                found += part[: ANSWER_BYTES - len(found)]
                if len(found) >= ANSWER_BYTES:
                    break
            if self._now is not None and self._now.unread:
                self._now.unread = _unread(self._response)  # it read on, behind its answer
        except httpx.TransportError:
            if self._strict:
                raise
        yield expanded(bytes(found), self._coding, ANSWER_BYTES)

    def close(self) -> None:
        self._inner.close()
