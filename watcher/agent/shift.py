"""One agent with all that is around it: its client, its holds, the bulletin, the status page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from watcher import __version__
from watcher.agent.agent import RELIEVED
from watcher.agent.build import build_agent, build_bulletin, build_client, expectations, watching
from watcher.agent.holds import Holds
from watcher.agent.hooks import Hooks
from watcher.agent.reload import Reload
from watcher.agent.systemd import Supervisor
from watcher.agent.vitals import Vitals
from watcher.agent.wake import Wake
from watcher.journal.protocol import Journal
from watcher.report import hold_history, log
from watcher.settings.settings import Config
from watcher.wfm.client import Client

Page = Callable[[Config, Vitals, Holds, Client], AbstractContextManager[None]]


class Shift:
    """One agent with its client, its holds and who tells of them: from one set of settings to the next."""

    def __init__(self, config: Config, wake: Wake, supervisor: Supervisor, *, page: Page) -> None:
        """`page` serves the status page, if the settings ask for it, as long as its block lasts.

        Raises `ConfigError` for certificates that do not load.
        """
        self._config = config
        self._wake = wake
        self._page = page
        self._supervisor = supervisor
        self._stop = threading.Event()
        self._tell: Callable[[], None] = wake  # whom holds tell: the agent, once it is there
        self.holds = Holds(cap_seconds=config.upload.retry_cap, stop=self._stop, on_change=self._changed)
        self._bulletin = build_bulletin(config, self.holds)
        self._client = build_client(config)

    def begin(self) -> None:
        """Begin to tell people."""
        self._bulletin.start()

    def work(self, journal: Journal, reload: Reload, *, once_patience: float | None) -> int:
        """Run an agent to its end; returns its code."""
        config, code = self._config, RELIEVED
        try:
            agent = build_agent(
                config,
                journal,
                self._client,
                self.holds,
                self._wake,
                self._stop,
                once_patience=once_patience,
                hooks=Hooks(outcome=self._bulletin.outcome, turn=reload.look, relieved=lambda: reload.waits),
            )
            self._bulletin.expect(expectations(config), journal, config.folders.state)
            self._tell = agent.changed
            agent.vitals.on_beat = self._supervisor.alive
            agent.vitals.on_end = lambda: None if reload.waits else self._supervisor.stopping()
            with (
                hold_history.kept(journal.timeline),
                self._page(config, agent.vitals, self.holds, self._client),
            ):
                log.started(
                    drop=config.folders.drop,
                    server=config.wfm.api,
                    version=__version__,
                    routes=len(config.routes),
                    observe=watching(config).words,
                )
                code = agent.run()
            return code
        finally:
            over = once_patience is not None and not self._wake.told_to_stop and code != RELIEVED
            self.end(finished=over)

    def end(self, *, finished: bool) -> None:
        """Say the last words, and close the connections; may be repeated. `finished`: no file is left."""
        if self._config.notify is not None:
            # A service that does not answer delays our own end by little.
            self._bulletin.close(finished=finished, patience_seconds=self._config.notify.timeout + 1)
        self._client.close()

    def _changed(self) -> None:
        self._tell()
        self._bulletin.changed()
