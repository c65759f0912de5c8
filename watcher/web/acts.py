"""What may be done on the status page, where the settings let it: `status.actions`.

Only a request of the page itself is taken (its own header, which no other site can set without being asked
about it first: Fetch standard, "CORS-preflight request"), and each is one line in the log, refused ones too.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from watcher.agent import putting_back, withdrawing
from watcher.agent.build import build_drop
from watcher.core.errors import ConfigError, Outside, TooSlow
from watcher.core.events import Acted, Event
from watcher.core.names import counted, is_zip, shown
from watcher.core.route import is_marker, marker_of
from watcher.core.route import route as route_of
from watcher.disk.received import Received, remove_leftovers, room_in
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.settings.status_settings import Status
from watcher.web.reader import Reader, Slow
from watcher.web.snapshot import names_of

PATHS = {"retry": "/api/acts/retry", "withdraw": "/api/acts/withdraw", "upload": "/api/acts/upload"}
HEADER = "x-watcher-page"
MOST_UPLOADS = 2  # at a time
LONGEST_NAME_BYTES = 200  # that leaves room for a stamp and the ending of a report
WAIT_SECONDS = 30.0  # for a disk, and for the agent to withdraw a file
# An upload may take so long, and as long again as it takes at this rate.
UPLOAD_SECONDS, UPLOAD_BYTES_PER_SECOND = 60.0, 20_000
SPARE_BYTES = 16 << 20  # that an upload leaves on the disk
LEFTOVER_SECONDS = 86_400.0
# What Windows takes in no name, and a name that would be hidden or cut there.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?", re.IGNORECASE)

_TAKEN = "a file of that name waits already; nothing was written over"


class BrokenOff(Exception):
    """The connection ended before the body of the request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for."""

    action: str  # retry, withdraw, upload
    name: str  # of the file
    by: str  # the address
    length: str = ""  # bytes that are to come, as the request says
    pieces: AsyncIterator[bytes] | None = None  # raises `BrokenOff`


Told = tuple[int, str]  # an HTTP status, and words


class Acts:
    """The acts of one page; all of it belongs to the server's event loop."""

    def __init__(self, config: Config, status: Status, emit: Callable[[Event], None]) -> None:
        self._config, self._status, self._emit = config, status, emit
        self._key = secrets.token_urlsafe(32)  # of this run
        self._routes, self._drop = build_routes(config), build_drop(config)
        self._reader = Reader(patience=WAIT_SECONDS)
        self._uploads = 0

    @property
    def paths(self) -> frozenset[str]:
        """The addresses that take a POST."""
        return frozenset(PATHS[action] for action in self._status.actions)

    def as_data(self) -> dict[str, Any]:
        """Return what the page has to know: which acts there are, and its key."""
        if not self._status.actions:
            return {"may": [], "key": "", "limit": 0}
        return {"may": list(self._status.actions), "key": self._key, "limit": self._status.upload_limit}

    def is_own(self, headers: Mapping[str, str]) -> bool:
        """Say whether a request comes from the page that was served in this run, and from no other site."""
        site = headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        # Browsers send that to https and the loopback alone; else the Origin has to be our own address.
        own = headers.get("origin")
        if site is None and own is not None and urlsplit(own).netloc != headers.get("host", ""):
            return False
        return hmac.compare_digest(headers.get(HEADER, "").encode(), self._key.encode())

    async def do(self, asked: Asked) -> Told:
        """Do it, or say why not; either is one line in the log."""
        acts: Mapping[str, Callable[[Asked], Awaitable[Told]]] = {
            "retry": self._retry, "withdraw": self._withdraw, "upload": self._upload
        }  # fmt: skip
        status, words = await acts[asked.action](asked)
        self.tell(asked, words, done=status == 200)
        return status, words

    def tell(self, asked: Asked, words: str, *, done: bool) -> None:
        """Write down what somebody did, or was refused."""
        self._emit(Acted(asked.action, shown(asked.name)[:LONGEST_NAME_BYTES], asked.by, words, done))

    def stop(self) -> None:
        """End the threads, after what they are at."""
        self._reader.stop()

    def begin(self) -> None:
        """Called in the server's event loop, once."""
        self._tidying = asyncio.get_running_loop().create_task(self.tidy())

    async def tidy(self) -> None:
        """Remove what a crash left of uploads."""
        if "upload" in self._status.actions:
            drop, before = self._config.folders.drop, time.time() - LEFTOVER_SECONDS
            with suppress(Outside, Slow):  # a folder that is away is the agent's to tell
                await self._reader.read(partial(remove_leftovers, drop, older_than=before))

    # -- the acts ------------------------------------------------------------------------------------

    async def _retry(self, asked: Asked) -> Told:
        def work(say: Callable[[str], None]) -> int:
            return putting_back.retry(self._config, [asked.name], say, everything=False)

        return await self._moved(asked, work)

    async def _withdraw(self, asked: Asked) -> Told:
        user = f"somebody at {asked.by}, on the status page"

        def work(say: Callable[[str], None]) -> int:
            return withdrawing.withdraw(self._config, [asked.name], say, user=user, running=True)

        return await self._moved(asked, work)

    async def _moved(self, asked: Asked, work: Callable[[Callable[[str], None]], int]) -> Told:
        said: list[str] = []
        if not asked.name or "\0" in asked.name:
            return 422, "no file was named"
        try:
            code = await self._reader.read(lambda: work(said.append))
        except Slow:
            return 503, "the disk does not answer; it may be done all the same"
        except (Outside, ConfigError) as fault:
            return 503, str(fault)
        return 200 if code == 0 else 409, "; ".join(said)

    async def _upload(self, asked: Asked) -> Told:
        limit = self._status.upload_limit
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
        if self._uploads >= MOST_UPLOADS:
            return 429, "other uploads are under way; try again in a moment"
        self._uploads += 1
        reader = Reader(patience=WAIT_SECONDS)  # a thread of its own: it may take long
        try:
            return await self._take(asked, int(asked.length), reader)
        except Slow:
            return 503, "the disk does not answer"
        except Outside as fault:
            return 503, str(fault)
        finally:
            self._uploads -= 1
            reader.stop()

    async def _take(self, asked: Asked, length: int, reader: Reader) -> Told:
        drop, name, size = self._config.folders.drop, asked.name, 0
        assert asked.pieces is not None
        if await reader.read(partial(os.path.lexists, drop / name)):
            return 409, _TAKEN
        if await reader.read(partial(room_in, drop)) < length + SPARE_BYTES:
            return 507, "there is no room for it on the disk of the drop folder"
        received = Received(drop)
        try:
            async with asyncio.timeout(UPLOAD_SECONDS + length / UPLOAD_BYTES_PER_SECOND):
                await reader.read(received.begin)
                async for piece in asked.pieces:
                    size += len(piece)
                    await reader.read(partial(received.write, piece))
            return await self._finish(received, name, size, reader)
        except TimeoutError:
            return 408, "it came too slowly; nothing was kept"
        except BrokenOff:
            return 400, "the connection broke off; nothing was kept"
        finally:
            reader.later(received.abandon)  # however late the disk is: behind what it is at

    async def _finish(self, received: Received, name: str, size: int, reader: Reader) -> Told:
        try:
            if not await reader.read(partial(received.finish, name)):
                return 409, _TAKEN
        except Slow:
            return 503, "the disk does not answer; it may be in the drop folder all the same: look first"
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
        cut = name != name.strip(" .") and not name.startswith(".")
        if (
            not name.isprintable()
            or not name
            or cut
            or _NOT_IN_NAMES.search(name)
            or _DEVICES.fullmatch(name)
        ):
            return "that is no name for a file, on Windows at least"
        if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
            return f"its name has more than {LONGEST_NAME_BYTES} bytes"
        if name.startswith(".") or self._drop.ignored(name):
            return "files of such names are ignored (settle.ignore): it would lie there for ever"
        if is_marker(name, self._routes):
            return "that is the name of a marker, which is made with the file that it belongs to"
        if not is_zip(name) and route_of(name, self._routes) is None:
            return f"no route takes a file of this name; {self._names()}"
        return ""

    def _names(self) -> str:
        found = [f"{', '.join(names_of(route))} ({route.name})" for route in self._config.routes]
        return f"the names are: {'; '.join(map(shown, found))}"

    def _marker(self, name: str) -> str | None:
        with suppress(TooSlow):
            if (found := route_of(name, self._routes)) is not None:
                return marker_of(name, found)
        return None
