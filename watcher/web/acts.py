"""What may be done on the status page, where the settings let it: `status.actions`.

Only a request of the page itself is taken (its own header, which no other site can set without being asked
about it first: Fetch standard, "CORS-preflight request"), and each is one line in the log, refused ones too.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from watcher.agent.by_hand import putting_back, withdrawing
from watcher.core.errors import ConfigError, Outside
from watcher.core.events import Acted, Event
from watcher.core.names import shown
from watcher.disk.failed import key_of
from watcher.settings.settings import Config
from watcher.settings.status_settings import Status
from watcher.web import chosen
from watcher.web.asked import Asked, Told
from watcher.web.reader import Reader, Slow
from watcher.web.uploads import LONGEST_NAME_BYTES, Uploads

PATHS = {"retry": "/api/acts/retry", "withdraw": "/api/acts/withdraw", "upload": "/api/acts/upload"}
HEADER = "x-watcher-page"
WAIT_SECONDS = 30.0  # for a disk, and for the agent to withdraw a file


class Acts:
    """The acts of one page; all of it belongs to the server's event loop, but for `stop`."""

    def __init__(self, config: Config, status: Status, emit: Callable[[Event], None]) -> None:
        self._config, self._status, self._emit = config, status, emit
        self._key = secrets.token_urlsafe(32)  # of this run
        self._reader = Reader(patience=WAIT_SECONDS)
        self._uploads = Uploads(config, status.upload_limit)
        self.ended = asyncio.Event()  # the agent is being stopped

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
            "retry": self._retry, "withdraw": self._withdraw, "upload": self._uploads.take
        }  # fmt: skip
        status, words = await acts[asked.action](asked)
        self.tell(asked, words, done=status == 200)
        return status, words

    def tell(self, asked: Asked, words: str, *, done: bool) -> None:
        """Write down what somebody did, or was refused."""
        self._emit(Acted(asked.action, shown(asked.name)[:LONGEST_NAME_BYTES], asked.by, words, done))

    def begin(self) -> None:
        """Called in the server's event loop, once."""
        if "upload" in self._status.actions:
            self._tidying = asyncio.get_running_loop().create_task(self._uploads.tidy())

    def end(self) -> None:
        """Begin nothing more, and break off what may be: the agent is being stopped."""
        self.ended.set()
        self._uploads.end()

    def stop(self) -> None:
        """End the threads after what they are at, waiting a bounded time for what is to be removed; called
        after the event loop has ended."""
        self._reader.stop()
        self._uploads.clear()

    # -- the acts ------------------------------------------------------------------------------------

    async def _retry(self, asked: Asked) -> Told:
        def work(say: Callable[[str], None]) -> int:
            path = chosen.failed_file(self._config.folders.failed, asked.name, asked.key)
            if path is None:
                say(f"{shown(asked.name)}: {chosen.GONE}")
                return 1
            is_it = partial(_is_failed, asked.key)
            return putting_back.retry(self._config, [path.name], say, everything=False, is_it=is_it)

        return await self._moved(asked, work)

    async def _withdraw(self, asked: Asked) -> Told:
        user = f"somebody at {asked.by}, on the status page"

        def work(say: Callable[[str], None]) -> int:
            is_it = partial(chosen.is_in_queue, name=asked.name, key=asked.key)
            return withdrawing.withdraw(self._config, [asked.name], say, user=user, running=True, is_it=is_it)

        return await self._moved(asked, work)

    async def _moved(self, asked: Asked, work: Callable[[Callable[[str], None]], int]) -> Told:
        said: list[str] = []
        if not asked.name or "\0" in asked.name:
            return 422, "no file was named"
        if not asked.key:
            return 422, "it was not said which file of that name; load the page anew"
        if self.ended.is_set():
            return 503, "the agent is being stopped; nothing was done"
        try:
            code = await self._until_end(self._reader.read(lambda: work(said.append)))
        except Slow:
            return 503, "the disk does not answer; it may be done all the same"
        except (Outside, ConfigError) as fault:
            return 503, str(fault)
        if code is None:
            return 503, "the agent is being stopped; it may be done all the same: look when it runs"
        return 200 if code == 0 else 409, "; ".join(said)

    async def _until_end(self, moving: Awaitable[int]) -> int | None:
        """Return what it returns; None where the agent ended meanwhile. Raises what it raises."""
        work, end = asyncio.ensure_future(moving), asyncio.ensure_future(self.ended.wait())
        await asyncio.wait((work, end), return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        return await work if work.done() else None


def _is_failed(key: str, path: Path) -> bool:
    return key_of(path) == key
