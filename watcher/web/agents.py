"""How many agents share the journal, and how they fare: looked at now and then, so that a scrape waits for
no database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from watcher.core.errors import ConfigError, Outside
from watcher.journal.protocol import AgentSeen
from watcher.journal.reading import open_to_read
from watcher.settings.settings import Config
from watcher.web.reader import Reader, Slow

EVERY_SECONDS = 15.0
STATES = ("running", "silent", "ended")


class Agents:
    """The last look at the agents of a journal that is a database; all of it is the server's event loop's,
    but for `numbers` and `stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        # A journal of one's own has one agent, and it runs: it is the one that is asked.
        alone = {state: int(state == STATES[0]) for state in STATES}
        self._numbers: Mapping[str, int] = alone if config.journal_url is None else {}
        self._reader = Reader()  # of its own: a database that hangs keeps no look at the folders waiting

    def numbers(self) -> Mapping[str, int]:
        """Return how many there are, by their state; nothing where that is not known."""
        return self._numbers

    def begin(self) -> None:
        """Called in the server's event loop, once."""
        if self._config.journal_url is not None:
            self._looking = asyncio.get_running_loop().create_task(self._look_on())

    def stop(self) -> None:
        """End the thread, after what it is at."""
        self._reader.stop()

    async def _look_on(self) -> None:
        while True:
            try:
                self._numbers = await self._reader.read(self._look)
            except (Slow, Outside, ConfigError):
                self._numbers = {}  # an old number would hide that one of them died
            await asyncio.sleep(EVERY_SECONDS)

    def _look(self) -> Mapping[str, int]:
        journal = open_to_read(self._config.folders.state, self._config.journal_url)
        if journal is None:
            return {}
        try:
            found = Counter(_state(agent) for agent in journal.agents())
        finally:
            journal.close()
        return {state: found[state] for state in STATES} if found else {}


def _state(agent: AgentSeen) -> str:
    if agent.ended_at is not None:
        return "ended"
    return "silent" if agent.silent else "running"
