"""`watcher run`: the agent, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from watcher import __version__, diary, log, web
from watcher.agent import STILL_HELD, STOPPED
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
from watcher.bulletin import Bulletin
from watcher.client import Client
from watcher.errors import ConfigError, Outside
from watcher.holds import Holds
from watcher.journal import Journal
from watcher.lock import Lock
from watcher.settings import Config
from watcher.systemd import Supervisor
from watcher.vitals import Vitals
from watcher.wake import LONGEST_WAIT_SECONDS, Wake


def run(config: Config, warnings: Sequence[str], *, once: bool, patience: float) -> int:
    """Run the agent; with `once` until every file is done or failed, or for `patience` seconds nothing
    moved. Raises `ConfigError` where it cannot start at all."""
    stop, wake = threading.Event(), Wake()
    wake.listen()
    for warning in warnings:
        log.warn(warning)
    client = build_client(config)
    changed: list[Callable[[], None]] = [wake]  # whom holds tell: the agent, once it is there
    holds = Holds(cap_seconds=config.upload.retry_cap, stop=stop, on_change=lambda: _tell(changed))
    bulletin = build_bulletin(config, holds)
    changed.append(bulletin.changed)
    bulletin.start()
    supervisor = _supervisor()
    try:
        opened = _opened(config, holds, wake, supervisor, patience=patience if once else None)
        if opened is None:
            return STOPPED if wake.told_to_stop else STILL_HELD
        lock, journal = opened
        with lock:
            try:
                check_distinct(config)
                agent = build_agent(
                    config, journal, client, holds, wake, stop,
                    once_patience=patience if once else None, on_outcome=bulletin.outcome,
                )  # fmt: skip
                bulletin.expect(expectations(config), journal, config.folders.state)
                changed[0] = agent.changed
                agent.vitals.on_beat, agent.vitals.on_end = supervisor.alive, supervisor.stopping
                with diary.kept(journal.timeline), _status_page(config, agent.vitals, holds, client):
                    log.started(
                        drop=config.folders.drop,
                        server=config.wfm.api,
                        version=__version__,
                        routes=len(config.routes),
                        observe=watching(config).words,
                    )
                    return agent.run()
            finally:
                _last_words(config, bulletin, finished=once and not wake.told_to_stop)
                journal.close()
    finally:
        _last_words(config, bulletin, finished=False)
        client.close()


def _tell(changed: Sequence[Callable[[], None]]) -> None:
    for tell in changed:
        tell()


def _last_words(config: Config, bulletin: Bulletin, *, finished: bool) -> None:
    """Let the bulletin end; a service that does not answer delays our own end by little."""
    if config.notify is not None:
        bulletin.close(finished=finished, patience_seconds=config.notify.timeout + 1)


def _supervisor() -> Supervisor:
    supervisor = Supervisor()
    seconds = supervisor.watchdog_seconds
    if seconds is not None and seconds < 2 * LONGEST_WAIT_SECONDS:
        log.warn(
            f"WatchdogSec={seconds:g} is too short: the agent tells that it lives every"
            f" {LONGEST_WAIT_SECONDS:g} s; 60 is a good value"
        )
    return supervisor


@contextmanager
def _status_page(config: Config, vitals: Vitals, holds: Holds, client: Client) -> Iterator[None]:
    """Serve the status page, if the settings ask for it, as long as the block lasts."""
    if config.status is None:
        yield
        return
    if problem := web.missing():
        raise ConfigError(problem)
    from watcher.web.server import served  # only here: the packages of the extra are not always there

    with served(
        config, config.status, vitals=vitals, holds=holds, token_renewals=lambda: client.token_renewals
    ) as url:
        log.status_page(url)
        yield


def _opened(
    config: Config, holds: Holds, wake: Wake, supervisor: Supervisor, *, patience: float | None
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
            supervisor.alive()  # a hold is work too: a start that systemd gives up on helps nobody
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
