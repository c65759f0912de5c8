"""Settings to working parts: the one place that knows how the parts fit together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from watcher.agent.agent import Agent
from watcher.agent.desk import Desk
from watcher.agent.drop_watcher import Lookout
from watcher.agent.holds import Holds
from watcher.agent.hooks import Hooks
from watcher.agent.pipeline import Pipeline
from watcher.agent.retention import Housekeeper
from watcher.agent.wake import Wake
from watcher.core.errors import ConfigError
from watcher.core.model import Route, Row
from watcher.core.names import shown
from watcher.disk import files
from watcher.disk.drop import Drop
from watcher.disk.filing import is_day
from watcher.disk.mounts import network_cache_seconds
from watcher.disk.places import Places
from watcher.journal.lock import Lock
from watcher.journal.protocol import Journal
from watcher.journal.sqlite import SqliteJournal
from watcher.report import log
from watcher.report.expect import Expectation
from watcher.report.notices import Notices
from watcher.report.notifier import Bulletin
from watcher.report.sender import channels
from watcher.settings.config import is_loopback
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.wfm.client import Client
from watcher.wfm.login import ClientCredentials

AGENT_LOCK = "agent.lock"


def build_client(config: Config) -> Client:
    """Return a client for the settings' server. Raises `ConfigError` for certificates that do not load."""
    wfm = config.wfm
    auth = ClientCredentials(wfm.token, wfm.client_id, config.secret, timeout_seconds=wfm.timeout)
    return Client(
        auth,
        server=wfm.api,
        tenant=wfm.tenant,
        timeout_seconds=wfm.timeout,
        # A proxy from the environment cannot reach this machine's own loopback.
        trust_env=not (is_loopback(wfm.api) and is_loopback(wfm.token)),
        proxy=wfm.proxy.get_secret_value() if wfm.proxy else None,
        ca_file=wfm.ca_file,
        client_cert=wfm.client_cert,
        client_key=wfm.client_key,
    )


def places(config: Config, journal: Journal) -> Places:
    """Return the folders, this agent's own part of the work folder among them."""
    folders = config.folders
    work = folders.work_folder / journal.agent_id
    by_day = config.done.by == "day"
    return Places(folders.drop, work, folders.done, folders.failed, folders.state, by_day=by_day)


def build_pipeline(
    config: Config,
    journal: Journal,
    client: Client,
    holds: Holds,
    *,
    on_chunk: Callable[[Row, int], None] = lambda _entry, _position: None,
) -> Pipeline:
    """Return the pipeline; `on_chunk` is told of each acknowledged chunk, in the uploader's thread."""
    desk = Desk(
        journal,
        client,
        holds,
        lost_answer=config.upload.lost_answer,
        attempts=config.upload.attempts,
        retry_cap=config.upload.retry_cap,
        on_chunk=on_chunk,
    )
    return Pipeline(desk, places(config, journal), build_routes(config))


@dataclass(frozen=True, slots=True)
class Watching:
    """How the drop folder is watched."""

    quiet: float  # seconds, raised on network shares
    network: bool
    events: bool

    @property
    def words(self) -> str:
        """For people."""
        return "events and looks" if self.events else "looks alone"


def watching(config: Config) -> Watching:
    """Decide between events and polling, and how long a file must be still."""
    cache = network_cache_seconds(config.folders.drop)
    return Watching(
        quiet=max(config.settle.quiet, cache or 0.0),
        network=cache is not None,
        events=config.observe == "native" or (config.observe == "auto" and cache is None),
    )


def build_drop(config: Config) -> Drop:
    """Return the drop folder, ready to be looked into."""
    return Drop(config.folders.drop, config.settle.ignore, network=watching(config).network)


def build_agent(
    config: Config,
    journal: Journal,
    client: Client,
    holds: Holds,
    wake: Wake,
    stop: threading.Event,
    *,
    once_patience: float | None,
    hooks: Hooks = Hooks(),  # noqa: B008 - frozen
) -> Agent:
    """Return the agent. `once_patience`: for `--once`, in seconds."""
    routes: tuple[Route, ...] = build_routes(config)
    how = watching(config)
    lookout = Lookout(
        build_drop(config),
        routes,
        quiet=how.quiet,
        rescan=config.rescan,
        ignore_unmatched=config.unmatched == "ignore",
        events=how.events,
        wake=wake,
    )
    housekeeper = Housekeeper(journal.archive, places(config, journal), config.retention)

    def turn() -> None:
        hooks.turn()
        housekeeper.step()

    agent: Agent
    pipeline = build_pipeline(config, journal, client, holds, on_chunk=lambda _entry, _at: agent.progress())
    agent = Agent(
        pipeline,
        lookout,
        holds,
        wake,
        stop,
        places=places(config, journal),
        state=config.folders.state,
        servers=(client.token_url, client.server),
        once_patience=once_patience,
        hooks=replace(hooks, turn=turn),
    )
    return agent


def build_bulletin(config: Config, holds: Holds) -> Bulletin:
    """Return who tells people; silent without `notify`. Raises `ConfigError` for URLs that are none."""
    notify = config.notify
    if notify is None:
        return Bulletin((), Notices(), holds.active)
    return Bulletin(
        channels([url.get_secret_value() for url in notify.urls], timeout_seconds=notify.timeout),
        Notices(failed_files=notify.failed, held_for=notify.held_for, gather=notify.gather),
        holds.active,
    )


def expectations(config: Config) -> list[Expectation]:
    """Return what is expected of the routes that have `expect`."""
    return [route.expect.of(route.name) for route in config.routes if route.expect is not None]


def open_state(state: Path, *, lock: str, holder: str) -> tuple[Lock, Journal]:
    """Make the state folder if need be, lock it and open the journal.

    Raises `ConfigError` (on a network share, locked, damaged, of a newer version), `Outside` where the disk
    is in the way.
    """
    refuse_share(state)
    with files.blame(state):
        files.make_shared_folder(state.parent)
        files.make_folder(state)
        files.make_private(state)
    taken = Lock(state, lock, holder=holder)
    try:
        return taken, SqliteJournal(state)
    except BaseException:
        taken.release()
        raise


def refuse_share(state: Path) -> None:
    """Raise `ConfigError` where the state folder is on a network share."""
    if network_cache_seconds(state) is not None:
        raise ConfigError(
            f"folders.state {shown(str(state))} is on a network share, where SQLite's locks are not safe;"
            " put it on a local disk"
        )


def check_distinct(config: Config) -> None:
    """Raise `ConfigError` where two folders of the settings are one, by a link say: files would go round."""
    seen: dict[tuple[int, int], str] = {}
    for key in ("drop", "done", "failed", "state"):
        folder: Path = getattr(config.folders, key)
        if folder.is_dir():
            status = folder.stat()
            other = seen.setdefault((status.st_dev, status.st_ino), key)
            if other != key:
                raise ConfigError(
                    f"folders.{key} and folders.{other} are the same folder; each needs its own"
                )
    for key in ("drop", "failed", "state", "work_folder") if config.done.by == "day" else ():
        folder = getattr(config.folders, key)
        if folder.parent == config.folders.done and is_day(folder.name):
            raise ConfigError(
                f"folders.{key.removesuffix('_folder')} is where `done.by: day` puts files; choose another"
            )


def create_folders(config: Config) -> None:
    """On the very first start, make the folders that are not there. Never later: a share that is not
    mounted must be a hold, not an empty folder on the local disk. Raises `Outside`."""
    for folder in (config.folders.drop, config.folders.done, config.folders.failed):
        if not folder.exists():
            with files.blame(folder):
                files.make_shared_folder(folder)
            log.folder_created(folder)
