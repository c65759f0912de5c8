"""The page's live data: looked at once a second while somebody looks, told to all only if it changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from watcher.web.reader import Slow

LOOK_SECONDS = 1.0
# A look at a huge drop folder on a slow share takes long: looks take a tenth of the time at most. One that
# took long among short ones (the first, or on a busy machine) says nothing of the next.
REST_PER_LOOK = 9.0
# A comment: it tells the browser that the line is alive, and us when the browser is gone.
QUIET_SECONDS = 15.0
_SILENT = "{}"  # in the place of the data: the disk does not answer
MOST_LISTENERS = 20
RETRY_MS = 3000  # after which a browser comes back


class Feed:
    """One look for all listeners. Everything here belongs to the server's event loop."""

    def __init__(self, look: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._look = look
        self._listeners = 0
        self._text = ""  # as of the last look
        self._looked_at = float("-inf")
        self._took = (0.0, 0.0)  # seconds: the last two looks
        self._lock = asyncio.Lock()
        self._ended = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether nobody else may listen."""
        return self._listeners >= MOST_LISTENERS

    def end(self) -> None:
        """Let all listeners go."""
        self._ended.set()

    async def now(self) -> str:
        """Return the newest data as JSON, from a look that is not older than a second or so."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            due = self._looked_at + max(LOOK_SECONDS, REST_PER_LOOK * min(self._took))
            if loop.time() >= due or not self._text:
                began = loop.time()
                self._text = json.dumps(await self._look(), separators=(",", ":"))
                self._looked_at = loop.time()
                self._took = (self._took[1], self._looked_at - began)
            return self._text

    async def events(self) -> AsyncIterator[str]:
        """Yield server-sent events: the data at once, then whenever it changed."""
        loop = asyncio.get_running_loop()
        self._listeners += 1
        try:
            yield f"retry: {RETRY_MS}\n\n"
            told, told_at = "", loop.time()
            while not self._ended.is_set():
                try:
                    text = await self.now()
                except Slow:
                    # The page shows what was last known and says so, until it is told anew.
                    if told != _SILENT:
                        told, told_at = _SILENT, loop.time()
                        yield f"event: slow\ndata: {_SILENT}\n\n"
                    text = told
                if text != told:
                    told, told_at = text, loop.time()
                    yield f"event: now\ndata: {text}\n\n"  # JSON has no line breaks of its own
                elif loop.time() - told_at >= QUIET_SECONDS:
                    told_at = loop.time()
                    yield ": still here\n\n"
                await self._pause()
        finally:
            self._listeners -= 1

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), LOOK_SECONDS)
        except TimeoutError:
            return
