"""`watcher run`: the agent, until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from watcher import web
from watcher.agent.agent import REPLACED, STILL_HELD, STOPPED, Agent
from watcher.agent.build import World, build_engine, build_holding
from watcher.agent.clients import WfmClient
from watcher.agent.engine.workers import LONGEST_WAIT_SECONDS, Threads
from watcher.agent.lifecycle import Generation, Process, Run
from watcher.agent.reload import Reload
from watcher.agent.signals import Signals
from watcher.agent.start.opening import open_state
from watcher.agent.systemd import Supervisor
from watcher.core.errors import ConfigError, NotAlone, Outside
from watcher.core.events import StatusPage, Warned
from watcher.disk.files import folder_target
from watcher.disk.owner import Identity
from watcher.journal.lock import AGENT_LOCK, Lock
from watcher.journal.protocol import Journal
from watcher.report import hold_history, log
from watcher.report.progress import Progress
from watcher.settings.settings import Config


def run(
    config: Config,
    warnings: Sequence[str],
    *,
    once: bool,
    patience: float,
    load: Callable[[], tuple[Config, list[str]]] | None = None,
    file: Path = Path("config.yaml"),
    set_up_log: Callable[[Config], None] = lambda _config: None,
    world: World | None = None,
) -> int:
    """Run the agent; with `once` until every file is done or failed, or for `patience` seconds nothing
    moved. `load` and `set_up_log` are for SIGHUP: read the settings again, from `file`, and make the log as
    they say. Raises `ConfigError` where it cannot start at all.
    """
    process = _process(config, world or World())
    # With `once` the end is near, and one agent is to say how all files fared.
    process.signals.listen(reload=load is not None and not once)
    for warning in warnings:
        process.stream.emit(Warned(warning))
    reload = Reload(
        config,
        process.stream,
        file=folder_target(file.absolute().parent),
        asked=process.signals.asked_to_reload,
        load=load or (lambda: (config, [])),
        set_up_log=set_up_log,
        try_out=lambda fresh: _try_out(fresh, process),
    )
    once_patience = patience if once else None
    first = Generation(config, process, page=status_page)
    first.begin()
    try:
        opened = _opened(config, process, patience=once_patience)
        if opened is None:
            return STOPPED if process.signals.told_to_stop else STILL_HELD
        lock, journal = opened
        with lock:
            try:
                with hold_history.kept(journal.timeline, process.stream) as history:
                    engine = build_engine(process.world, process.holding, process.stream, journal)
                    identity = Identity.of_us(config.folders.state)
                    run = Run(engine, journal, history, identity, reload, once_patience)
                    return _generations(first, process, run)
            finally:
                journal.close()
    finally:
        first.end(finished=False)
        first.close()


def _generations(first: Generation, process: Process, run: Run) -> int:
    """Run one agent after the other, each under newer settings, with the same files under way."""
    generation, code, retired = first, REPLACED, list[Generation]()
    try:
        while True:
            try:
                code = generation.work(run)
            except NotAlone as error:
                # It may end, or fall silent: whoever looks after us starts us again.
                process.stream.emit(Warned(str(error)))
                return STILL_HELD
            except ConfigError as error:  # a port that is taken by now, a certificate that is gone
                run.reload.give_back(error)
            if code != REPLACED:
                return code
            retired = [old for old in (*retired, generation) if not old.close(run.engine)]
            generation = Generation(run.reload.take(), process, page=status_page)
            generation.begin()
    finally:
        for old in (*retired, generation):
            old.end(finished=False)
            old.close()


def set_up_log(config: Config, *, style: str | None, verbose: bool) -> None:
    """Make the log as the settings and the command line say. Raises `ConfigError`."""
    log.setup(
        "debug" if verbose else config.log.level,
        style=style or config.log.format,
        file=config.log.file,
        rotate_bytes=config.log.rotate,
        keep=config.log.keep,
    )


def _process(config: Config, world: World) -> Process:
    stream, supervisor = world.stream, Supervisor()
    seconds = supervisor.watchdog_seconds
    if seconds is not None and seconds < 2 * LONGEST_WAIT_SECONDS:
        words = "is too short: the agent tells that it lives every"
        told = f"WatchdogSec={seconds:g} {words} {LONGEST_WAIT_SECONDS:g} s; 60 is a good value"
        stream.emit(Warned(told))
    if isinstance(world.workers, Threads):
        words = "no more threads can be started: work waits for those that there are; see ulimit -u, TasksMax"
        world.workers.on_shortage = lambda: stream.emit(Warned(words))
    stream.subscribe(Progress(stream.emit, world.clock).hear)
    holding = build_holding(world, stream, retry_cap=config.upload.retry_cap)
    return Process(world, stream, holding, Signals(world.workers.wake), supervisor)


def _try_out(fresh: Config, process: Process) -> None:
    """Build what new settings need, and put it away again. Raises `ConfigError`."""
    trial = Generation(fresh, process, page=status_page)
    trial.end(finished=False)
    trial.close()


def _opened(config: Config, process: Process, *, patience: float | None) -> tuple[Lock, Journal] | None:
    """Open the state folder, however long it takes; None: told to stop, or out of patience."""
    waited, world, holding = 0.0, process.world, process.holding
    while not process.signals.told_to_stop and (patience is None or waited <= patience):
        try:
            lock, journal = open_state(
                config.folders.state, config.journal_url,
                lock=AGENT_LOCK,
                holder="another agent",
                lease=config.lease,
            )  # fmt: skip
        except Outside as fault:
            holding.failed(fault)
            now = world.clock()
            pause = (holding.table.next_probe(now) or now) - now
            waited += pause
            process.supervisor.alive()  # a hold is work too: a start that systemd gives up on helps nobody
            world.workers.wait(pause)
            continue
        holding.worked([hold.target for hold in holding.table.active])
        return lock, journal
    return None


@contextmanager
def status_page(config: Config, agent: Agent, process: Process, client: WfmClient) -> Iterator[None]:
    """Serve the status page, if the settings ask for it, as long as the block lasts."""
    if config.status is None:
        yield
        return
    if problem := web.missing():
        raise ConfigError(problem)
    from watcher.web.server import served  # only here: the packages of the extra are not always there

    with served(
        config, config.status, signs=agent.signs, holds=process.holding.table, stream=process.stream,
        token_renewals=lambda: client.token_renewals,
    ) as url:  # fmt: skip
        process.stream.emit(StatusPage(url))
        yield
