"""A connection to the status page, with brakes: whoever keeps it busy shuts nobody else out."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from watcher.web.brakes import origin

# Every connection is an open file, and the agent needs its own.
MOST_CONNECTIONS = 64
# From the first byte that may come, or the end of an answer, to the end of a request's head.
HEAD_SECONDS = 10.0
MOST_HEAD_BYTES = 16_384
KEEP_ALIVE_SECONDS = 5


class Connection(H11Protocol):
    """One of uvicorn's. Where there are too many, the oldest of whoever has most of them is closed.

    So one address can fill the page with its own and no others, and one that only looks by gets through.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self.began = self.loop.time()
        self.is_over = False
        self._late: asyncio.TimerHandle | None = None

    @property
    def is_silent(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def origin(self) -> str:
        """Who it is from."""
        return origin(self.client)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, and give it a while to ask."""
        super().connection_made(transport)
        self._give_time()
        others = [one for one in self.connections if isinstance(one, Connection) and not one.is_over]
        if len(others) > MOST_CONNECTIONS:
            number = Counter(one.origin for one in others)
            worst = max(
                (one for one in others if one is not self),
                key=lambda one: (number[one.origin], one.is_silent, -one.began),
            )
            worst.end()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if not self.is_silent:
            self._forgive()

    def on_response_complete(self) -> None:
        """Wait for the next request, for a while."""
        super().on_response_complete()
        if self.is_silent:
            self._give_time()
        else:
            self._forgive()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forgive()
        self.is_over = True
        super().connection_lost(exc)

    def end(self) -> None:
        """Close it at once, whatever it is at."""
        self._forgive()
        self.is_over = True
        self.transport.abort()

    def _give_time(self) -> None:
        self._forgive()
        self._late = self.loop.call_later(HEAD_SECONDS, self.end)

    def _forgive(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
