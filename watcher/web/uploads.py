"""Files that are dropped onto the status page: into the drop folder whole, or not at all, and why not."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from watcher.agent.start.folders import build_drop
from watcher.core.errors import Outside, TooSlow
from watcher.core.names import counted, is_portable, is_zip, shown
from watcher.core.route import is_marker, marker_of, matching_route
from watcher.disk.received import Received, remove_leftovers, room_in
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.web import least_pace
from watcher.web.asked import Asked, BrokenOff, Told
from watcher.web.reader import Reader, Slow
from watcher.web.snapshot import names_of

MOST_UPLOADS = 2  # at a time
LONGEST_NAME_BYTES = 200  # that leaves room for a stamp and the ending of a report
WAIT_SECONDS = 30.0  # for a disk
SPARE_BYTES = 16 << 20  # that an upload leaves on the disk
LEFTOVER_SECONDS = 86_400.0
FINISH_SECONDS = 0.5  # at the end of the agent, for the last write of one that came whole
CLEAR_SECONDS = 2.0  # at the end of the agent, for what is to be removed

_TAKEN = "a file of that name waits already; nothing was written over"
_UNSURE = "it may be in the drop folder all the same: look first"
_ENDS = "the agent is being stopped; nothing was kept: send it again when it runs"


class Ends(Exception):
    """The agent is being stopped."""


class Uploads:
    """The uploads of one page; all of it belongs to the server's event loop, but for `clear`."""

    def __init__(self, config: Config, limit: int) -> None:
        """`limit` in bytes, of one file."""
        self._config, self._limit = config, limit
        self._routes, self._drop = build_routes(config), build_drop(config)
        self._number = 0
        self._limits = dict[asyncio.Timeout, float]()  # and what each is given when the agent is stopped
        self._readers = set[Reader]()  # that may have something to remove
        self._ended = False

    def end(self) -> None:
        """Break off those that come, and take no more: who sends them is told so."""
        self._ended = True
        for limit, grace in self._limits.items():
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time() + grace)

    def clear(self) -> None:
        """Wait, for a bounded time, until nothing half is in the drop folder; after the event loop."""
        until = time.monotonic() + CLEAR_SECONDS
        for reader in list(self._readers):
            reader.join(max(0.0, until - time.monotonic()))

    async def tidy(self) -> None:
        """Remove what a crash left of uploads."""
        before = time.time() - LEFTOVER_SECONDS
        reader = Reader(patience=WAIT_SECONDS)
        with suppress(Outside, Slow):  # a folder that is away is the agent's to tell
            await reader.read(partial(remove_leftovers, self._config.folders.drop, older_than=before))
        reader.stop()

    async def take(self, asked: Asked) -> Told:
        """Take one, or say why not."""
        limit = self._limit
        try:
            why = self._unfit(asked.name)
        except TooSlow as slow:
            return 503, f"{slow}; make that expression simpler"
        if why:
            return 422, why
        if not re.fullmatch(r"\d{1,18}", asked.length, re.ASCII):
            return 411, "the size of the file must be told"
        if int(asked.length) > limit:
            return 413, f"it has {int(asked.length):,} bytes, and status.upload_limit is {limit:,}"
        if self._ended:
            return 503, _ENDS
        if self._number >= MOST_UPLOADS:
            return 429, "other uploads are under way; try again in a moment"
        self._number += 1
        reader = Reader(patience=WAIT_SECONDS)  # a thread of its own: it may take long
        self._readers = {one for one in self._readers if one.is_alive} | {reader}
        try:
            return await self._store(asked, int(asked.length), reader)
        except Slow:
            return 503, "the disk does not answer"
        except Outside as fault:
            return 503, str(fault)
        finally:
            self._number -= 1
            reader.stop()

    async def _store(self, asked: Asked, length: int, reader: Reader) -> Told:
        drop, name = self._config.folders.drop, asked.name
        if await reader.read(partial(os.path.lexists, drop / name)):
            return 409, _TAKEN
        if await reader.read(partial(room_in, drop)) < length + SPARE_BYTES:
            return 507, "there is no room for it on the disk of the drop folder"
        received = Received(drop)
        try:
            size = await self._receive(asked, received, reader)
            return await self._finish(received, name, size, reader)
        except Ends:
            return 503, _ENDS
        except TimeoutError:
            rate = f"{least_pace.LEAST_BYTES_PER_SECOND:,} bytes a second"
            return 408, f"it came too slowly, at less than {rate} for a while; nothing was kept"
        except BrokenOff:
            return 400, "the connection broke off; nothing was kept"
        finally:
            reader.later(received.abandon)  # however late the disk is: behind what it is at

    async def _receive(self, asked: Asked, received: Received, reader: Reader) -> int:
        """Return how many bytes came. Raises `Ends`, `TimeoutError`, `BrokenOff`, `Slow`, `Outside`."""
        size, clock = 0, asyncio.get_running_loop().time
        assert asked.pieces is not None
        await reader.read(received.begin)
        pace = least_pace.LeastPace(clock())
        async with self._bounded(least_pace.STALL_SECONDS) as limit:
            async for piece in asked.pieces:
                size += len(piece)
                limit.reschedule(None)  # a disk that is slow has its own patience
                came_at = clock()
                await reader.read(partial(received.write, piece))
                now = clock()
                until = pace.came(now, len(piece), ours=now - came_at)
                limit.reschedule(now if self._ended else until)
        return size

    @asynccontextmanager
    async def _bounded(self, seconds: float, *, grace: float = 0.0) -> AsyncIterator[asyncio.Timeout]:
        """Let it take so long, and only `grace` seconds longer than the agent runs. Raises `Ends`,
        `TimeoutError`."""
        try:
            async with asyncio.timeout(grace if self._ended else seconds) as limit:
                self._limits[limit] = grace
                try:
                    yield limit
                finally:
                    del self._limits[limit]
        except TimeoutError:
            if self._ended:
                raise Ends from None
            raise

    async def _finish(self, received: Received, name: str, size: int, reader: Reader) -> Told:
        try:
            async with self._bounded(2 * WAIT_SECONDS, grace=FINISH_SECONDS):
                if not await reader.read(partial(received.finish, name)):
                    return 409, _TAKEN
        except Slow:
            return 503, f"the disk does not answer; {_UNSURE}"
        except Ends:
            return 503, f"the agent is being stopped; {_UNSURE}"
        said = f"it is in the drop folder, {counted(size, 'byte')}"
        if (marker := self._marker(name)) is None:
            return 200, said
        try:
            await reader.read(partial(received.mark, marker))
        except (Outside, Slow) as fault:
            why = str(fault) or "the disk does not answer"
            return 503, f"{said}, but not its marker {shown(marker)}, for which it waits: {why}"
        return 200, f"{said}, with its marker {shown(marker)}"

    # -- what a name may be --------------------------------------------------------------------------

    def _unfit(self, name: str) -> str:
        """Say why no file of this name is taken; "" where it is. Raises `TooSlow`."""
        if not is_portable(name):
            return "that is no name for a file, on Windows at least"
        if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
            return f"its name has more than {LONGEST_NAME_BYTES} bytes"
        if name.startswith(".") or self._drop.ignored(name):
            return "files of such names are ignored (settle.ignore): it would lie there for ever"
        if is_marker(name, self._routes):
            return "that is the name of a marker, which is made with the file that it belongs to"
        if not is_zip(name) and matching_route(name, self._routes) is None:
            return f"no route takes a file of this name; {self._names()}"
        return ""

    def _names(self) -> str:
        found = [f"{', '.join(names_of(route))} ({route.name})" for route in self._config.routes]
        return f"the names are: {'; '.join(map(shown, found))}"

    def _marker(self, name: str) -> str | None:
        with suppress(TooSlow):
            if (found := matching_route(name, self._routes)) is not None:
                return marker_of(name, found)
        return None
