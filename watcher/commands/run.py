"""`watcher run`: the agent, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from watcher import __version__, log
from watcher.agent import RELIEVED, STILL_HELD, STOPPED
from watcher.assemble import (
    AGENT_LOCK,
    build_agent,
    build_bulletin,
    build_client,
    check_distinct,
    create_folders,
    expectations,
    open_state,
    watching,
)
from watcher.errors import Outside
from watcher.holds import Holds
from watcher.hooks import Hooks
from watcher.journal import Journal
from watcher.lock import Lock
from watcher.reload import Reload
from watcher.settings import Config
from watcher.wake import Wake


def run(
    config: Config,
    warnings: Sequence[str],
    *,
    once: bool,
    patience: float,
    load: Callable[[], tuple[Config, list[str]]] | None = None,
    set_up_log: Callable[[Config], None] = lambda _config: None,
) -> int:
    """Run the agent; with `once` until every file is done or failed, or for `patience` seconds nothing
    moved. `load` and `set_up_log` are for SIGHUP: read the settings again, and make the log as they say.

    Raises `ConfigError` where it cannot start at all.
    """
    wake = Wake()
    wake.listen(reload=load is not None)
    for warning in warnings:
        log.warn(warning)
    reload = Reload(
        config,
        asked=wake.asked_to_reload,
        load=load or (lambda: (config, [])),
        set_up_log=set_up_log,
        try_out=lambda fresh: _Shift(fresh, wake).end(finished=False),
    )
    once_patience = patience if once else None
    first = _Shift(config, wake)
    first.begin()
    try:
        opened = _opened(config, first.holds, wake, patience=once_patience)
        if opened is None:
            return STOPPED if wake.told_to_stop else STILL_HELD
        lock, journal = opened
        with lock:
            try:
                check_distinct(config)
                code = first.work(journal, reload, once_patience=once_patience)
                while code == RELIEVED:
                    shift = _Shift(reload.take(), wake)
                    shift.begin()
                    code = shift.work(journal, reload, once_patience=once_patience)
                return code
            finally:
                journal.close()
    finally:
        first.end(finished=False)


def set_up_log(config: Config, *, style: str | None, verbose: bool) -> None:
    """Make the log as the settings and the command line say. Raises `ConfigError`."""
    log.setup(
        "debug" if verbose else config.log.level,
        style=style or config.log.format,
        file=config.log.file,
        rotate_bytes=config.log.rotate,
        keep=config.log.keep,
    )


class _Shift:
    """One agent with its client, its holds and who tells of them: from one set of settings to the next."""

    def __init__(self, config: Config, wake: Wake) -> None:
        """Raises `ConfigError` for certificates that do not load."""
        self._config = config
        self._wake = wake
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


def _opened(
    config: Config, holds: Holds, wake: Wake, *, patience: float | None
) -> tuple[Lock, Journal] | None:
    """Open the state folder, however long it takes; None: told to stop, or out of patience."""
    waited = 0.0
    while not wake.told_to_stop and (patience is None or waited <= patience):
        try:
            lock, journal = open_state(config.folders.state, lock=AGENT_LOCK, holder="another agent")
        except Outside as fault:
            holds.failed(fault)
            pause = holds.next_probe() or 0.0
            waited += pause
            wake.wait(pause)
            continue
        for hold in holds.active():
            holds.worked(hold.target)
        if journal.first_start:
            try:
                create_folders(config)
                journal.folders_made()
            except Outside as fault:
                log.warn(f"{fault.target} cannot be made: {fault.reason}")  # the agent holds it
        return lock, journal
    return None
