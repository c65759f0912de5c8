"""Keeps the answer of a server within bounds, in bytes and in time, wherever it is read.

httpx has no limit of its own for either: its timeouts are per read, so an answer of one byte a second
would be read for hours, and one of a gigabyte into memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

ANSWER_BYTES = 64 * 1024


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
