"""`watcher run`: the agent, until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from watcher import web
from watcher.agent.agent import RELIEVED, STILL_HELD, STOPPED
from watcher.agent.build import AGENT_LOCK, check_distinct, create_folders, open_state
from watcher.agent.holds import Holds
from watcher.agent.reload import Reload
from watcher.agent.shift import Shift
from watcher.agent.systemd import Supervisor
from watcher.agent.vitals import Vitals
from watcher.agent.wake import LONGEST_WAIT_SECONDS, Wake
from watcher.core.errors import ConfigError, Outside
from watcher.journal.lock import Lock
from watcher.journal.protocol import Journal
from watcher.report import log
from watcher.settings.settings import Config
from watcher.wfm.client import Client


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
    wake, supervisor = Wake(), _supervisor()
    # With `once` the end is near, and one agent is to say how all files fared.
    wake.listen(reload=load is not None and not once)
    for warning in warnings:
        log.warn(warning)
    reload = Reload(
        config,
        asked=wake.asked_to_reload,
        load=load or (lambda: (config, [])),
        set_up_log=set_up_log,
        try_out=lambda fresh: Shift(fresh, wake, supervisor, page=status_page).end(finished=False),
    )
    once_patience = patience if once else None
    first = Shift(config, wake, supervisor, page=status_page)
    first.begin()
    try:
        opened = _opened(config, first.holds, wake, supervisor, patience=once_patience)
        if opened is None:
            return STOPPED if wake.told_to_stop else STILL_HELD
        lock, journal = opened
        with lock:
            try:
                check_distinct(config)
                code = first.work(journal, reload, once_patience=once_patience)
                while code == RELIEVED:
                    try:
                        shift = Shift(reload.take(), wake, supervisor, page=status_page)
                        shift.begin()
                        code = shift.work(journal, reload, once_patience=once_patience)
                    except ConfigError as error:  # a port that is taken by now, a certificate that is gone
                        reload.give_back(error)
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


def _supervisor() -> Supervisor:
    supervisor = Supervisor()
    seconds = supervisor.watchdog_seconds
    if seconds is not None and seconds < 2 * LONGEST_WAIT_SECONDS:
        log.warn(
            f"WatchdogSec={seconds:g} is too short: the agent tells that it lives every"
            f" {LONGEST_WAIT_SECONDS:g} s; 60 is a good value"
        )
    return supervisor


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


@contextmanager
def status_page(config: Config, vitals: Vitals, holds: Holds, client: Client) -> Iterator[None]:
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
