"""One agent with all that is around it: its client, who tells people, the status page.

From one set of settings to the next; the engine, with all that is under way, goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from watcher import __version__
from watcher.agent.agent import REPLACED, Agent
from watcher.agent.build import World, build_agent
from watcher.agent.clients import WfmClient
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.holding import Holding
from watcher.agent.queue.kept import Kept
from watcher.agent.reload import Reload
from watcher.agent.signals import Signals
from watcher.agent.start.folders import places
from watcher.agent.start.watching import watching
from watcher.agent.systemd import Supervisor
from watcher.agent.telling import build_notifier, expectations
from watcher.core.events import Started
from watcher.disk.others import agents
from watcher.disk.owner import Identity
from watcher.journal.protocol import Journal
from watcher.report.hold_history import HoldHistory
from watcher.report.stream import Stream
from watcher.settings.settings import Config


@dataclass(frozen=True, slots=True)
class Process:
    """What is the same from the start of the process to its end."""

    world: World
    stream: Stream
    holding: Holding
    signals: Signals
    supervisor: Supervisor
    kept: Kept = field(default_factory=Kept)


@dataclass(frozen=True, slots=True)
class Run:
    """What is the same as long as the journal is open."""

    engine: Engine
    journal: Journal
    history: HoldHistory
    identity: Identity
    reload: Reload
    once_patience: float | None  # seconds; with `--once`


Page = Callable[[Config, Agent, Process, WfmClient], AbstractContextManager[None]]


class Generation:
    """What belongs to one set of settings."""

    def __init__(self, config: Config, process: Process, *, page: Page) -> None:
        """`page` serves the status page, if the settings ask for it, as long as its block lasts.

        Raises `ConfigError` for certificates that do not load.
        """
        self._config, self._process, self._page = config, process, page
        self._notifier = build_notifier(config, process.holding.table, process.stream)
        self._end_hearing = process.stream.subscribe(self._notifier.hear)
        self._client = process.world.client(config)
        self._agent: Agent | None = None

    def begin(self) -> None:
        """Begin to tell people."""
        self._notifier.start()

    def work(self, run: Run) -> int:
        """Run an agent to its end; returns its code. The client of one that was replaced stays open."""
        config, process, code = self._config, self._process, REPLACED

        def replaced() -> bool:
            run.reload.look(run.engine)
            return run.reload.waits

        try:
            agent = self._agent = build_agent(
                config, process.world, run.engine, process.holding, process.stream, run.journal, self._client,
                history=run.history,
                identity=run.identity,
                once_patience=run.once_patience,
                kept=process.kept,
                on_beat=process.supervisor.alive,
                on_end=process.supervisor.stopping,
            )  # fmt: skip
            if run.journal.peers is not None:
                work = places(config, run.journal).work
                self._notifier.share(run.journal.peers, partial(agents, work))
            self._notifier.expect(expectations(config), run.journal, config.folders.state)
            with self._page(config, agent, process, self._client):
                started = Started(
                    str(config.folders.drop), config.wfm.api, __version__, len(config.routes),
                    watching(config).words,
                )  # fmt: skip
                code = agent.run(
                    told_to_stop=lambda: process.signals.told_to_stop,
                    replaced=replaced,
                    prepared=partial(process.stream.emit, started),
                )
            return code
        finally:
            over = run.once_patience is not None and not process.signals.told_to_stop and code != REPLACED
            self.end(finished=over)

    def end(self, *, finished: bool) -> None:
        """Say the last words; may be repeated. `finished`: no file is left."""
        self._end_hearing()
        if self._config.notify is not None:
            # A service that does not answer delays our own end by little.
            self._notifier.close(finished=finished, patience_seconds=self._config.notify.timeout + 1)

    def close(self, engine: Engine | None = None) -> bool:
        """Close the connections, unless a file of `engine` still uses them; returns whether that was done."""
        if engine is not None and self._agent is not None and self._agent.is_at_work:
            return False
        self._client.close()
        return True
