"""Settings to working parts: the one place that knows how the parts fit together."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from watcher.agent.agent import Agent
from watcher.agent.clients import WfmClient, build_client
from watcher.agent.effects.effects import Effects
from watcher.agent.effects.shared_server import SharedServer
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.holding import Holding
from watcher.agent.engine.workers import Threads, Workers
from watcher.agent.once import Once
from watcher.agent.queue.claims import Claims
from watcher.agent.queue.dispatcher import Dispatcher
from watcher.agent.queue.drop_watcher import DropWatcher
from watcher.agent.queue.kept import Kept
from watcher.agent.queue.patience import Patience
from watcher.agent.queue.shared_queue import SharedQueue
from watcher.agent.queue.time_of_day import TimeOfDay
from watcher.agent.signs import Signs
from watcher.agent.start.folders import build_drop, places
from watcher.agent.start.preparing import prepare
from watcher.agent.start.watching import watching
from watcher.agent.upkeep.chores import Duties
from watcher.agent.upkeep.publisher import Publisher
from watcher.agent.upkeep.recovery import Recovery
from watcher.agent.upkeep.retention import Housekeeper
from watcher.agent.upkeep.takeover import Takeover
from watcher.agent.upkeep.withdrawals import Withdrawals
from watcher.core.conversation import MOST_PATIENCE
from watcher.core.holds import Holds
from watcher.core.model import Route
from watcher.core.policy import Policy
from watcher.disk.files import folder_target
from watcher.disk.others import strangers
from watcher.disk.owner import Identity, Owner
from watcher.disk.places import Places
from watcher.journal.protocol import Journal
from watcher.report.hold_history import HoldHistory
from watcher.report.stream import Stream
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.wfm.bounds import seconds_for


@dataclass(frozen=True, slots=True)
class World:
    """What an agent does not make itself: its time, its chance, its threads, its way to the server."""

    workers: Workers = field(default_factory=Threads)
    clock: Callable[[], float] = time.monotonic  # seconds
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random  # 0 to 1
    new_token: Callable[[], str] = lambda: str(uuid.uuid4())
    client: Callable[[Config], WfmClient] = build_client
    stream: Stream = field(default_factory=Stream)  # what happens


def build_policy(
    config: Config, world: World, places: Places, client: WfmClient, *, now: Callable[[], datetime]
) -> Policy:
    """Return what is the same for all files; `now`: the time of day, as the journal has it."""
    routes = {route.name: route for route in build_routes(config)}
    return Policy(
        routes=routes,
        lost_answer=config.upload.lost_answer,
        attempts=config.upload.attempts,
        retry_cap=config.upload.retry_cap,
        # A token may have to be got first.
        request_seconds=2 * seconds_for(_largest(config, routes), config.wfm.timeout),
        drop=folder_target(places.drop),
        work=folder_target(places.work),
        done=folder_target(places.done),
        failed=folder_target(places.failed),
        state=folder_target(places.state),
        way=client.way,
        clock=now,
        jitter=world.jitter,
        new_token=world.new_token,
    )


def _largest(config: Config, routes: Mapping[str, Route]) -> int:
    """Return the bytes of the largest request."""
    return max([config.upload.chunk_bytes, *(route.max_json for route in routes.values())])


def build_holding(world: World, stream: Stream, *, retry_cap: float) -> Holding:
    """Return the table of holds; `retry_cap`: the longest step of the backoff in seconds."""
    table = Holds(cap_seconds=retry_cap, jitter=world.jitter)
    return Holding(table, stream, clock=world.clock, now=world.now)


def build_engine(world: World, holding: Holding, stream: Stream, journal: Journal) -> Engine:
    """Return the engine of this process."""
    return Engine(world.workers, holding, stream, apply=journal.apply, clock=world.clock)


def build_watcher(config: Config, world: World, stream: Stream, work: Path, kept: Kept) -> DropWatcher:
    """Return what watches the drop folder; `work`: our own part of the work folder; `kept`: what is known."""
    how = watching(config)
    return DropWatcher(
        build_drop(config),
        build_routes(config),
        quiet=how.quiet,
        rescan=config.rescan,
        ignore_unmatched=config.unmatched == "ignore",
        events=how.events,
        wake=world.workers.wake,
        stream=stream,
        clock=world.clock,
        elsewhere=partial(strangers, work, now=lambda: world.now().timestamp(), sure=True),
        unsure=how.unsure,
        openings=kept.openings_of(config.folders.drop, shared=how.network),
    )


def build_agent(
    config: Config,
    world: World,
    engine: Engine,
    holding: Holding,
    stream: Stream,
    journal: Journal,
    client: WfmClient,
    *,
    history: HoldHistory,
    identity: Identity,
    once_patience: float | None,
    kept: Kept | None = None,
    on_beat: Callable[[], None] = lambda: None,
    on_end: Callable[[], None] = lambda: None,
) -> Agent:
    """Return the agent. `identity`: this process's; `once_patience` in seconds, for `--once`; `kept`: what
    the agent before in this process left; the others are told of its life."""
    kept = kept or Kept()
    where = places(config, journal)
    times = TimeOfDay(client, stream, now=world.now)
    policy = build_policy(config, world, where, client, now=times.now)
    watcher = build_watcher(config, world, stream, where.work, kept)
    owner = Owner(where.work, identity)
    told = watcher.doubts, _queue(world, engine, journal, where, policy), watcher.openings.is_open
    claims = Claims(journal, where, owner, times, *told, new_token=world.new_token)
    shared = SharedServer(journal.peers, policy.routes, holding.table.active, clock=world.clock)
    effects = Effects(journal, where, client, engine.runs.contents, shared, now=times.now, alone=owner.check)
    patience = _patience(config, world, policy, stream, kept)
    recovery = Recovery(journal, where, owner, policy.routes, stream, now=world.now)
    _promise(config, journal)
    dispatcher = Dispatcher(engine, watcher, claims, policy, patience, clock=world.clock)
    return Agent(
        engine,
        holding,
        world.workers,
        stream,
        policy=policy,
        effects=effects,
        dispatcher=dispatcher,
        recovery=recovery,
        duties=_duties(
            config, world, stream, journal, client, where, policy, history, owner, effects, recovery, kept
        ),
        signs=_signs(world, engine, watcher, dispatcher, on_beat, on_end),
        prepare=partial(prepare, config, journal),
        once=None if once_patience is None else Once(once_patience, world.clock),
        clock=world.clock,
    )  # fmt: skip


def _promise(config: Config, journal: Journal) -> None:
    """Tell the other agents for how long a request may take."""
    if journal.peers is not None:
        # From its first byte on, as the lease is asked for right before it.
        journal.peers.promise(seconds_for(config.upload.chunk_bytes, config.wfm.timeout, MOST_PATIENCE))


def _duties(
    config: Config,
    world: World,
    stream: Stream,
    journal: Journal,
    client: WfmClient,
    where: Places,
    policy: Policy,
    history: HoldHistory,
    owner: Owner,
    effects: Effects,
    recovery: Recovery,
    kept: Kept,
) -> Duties:
    housekeeper = Housekeeper(
        journal.archive, where, config.retention, stream,
        clock=world.clock, now=world.now, server_time=client.server_time,
    )  # fmt: skip
    takeover = Takeover(journal.peers, recovery, where, policy.routes, stream, kept, clock=world.clock)
    return Duties(
        Publisher(where.state, clock=world.clock, now=world.now),
        housekeeper,
        history,
        owner,
        Withdrawals(where.state, journal, clock=world.clock),
        takeover,
        effects.shared,
        effects,
    )


def _queue(world: World, engine: Engine, journal: Journal, where: Places, policy: Policy) -> SharedQueue:
    return SharedQueue(
        journal, where.work, policy.routes, engine.runs, clock=world.clock, wake=world.workers.wake
    )


def _patience(config: Config, world: World, policy: Policy, stream: Stream, kept: Kept) -> Patience:
    after = {name: route.after for name, route in policy.routes.items()}
    seconds = config.settle.patience
    return Patience(seconds, after, stream, clock=world.clock, now=world.now, cases=kept.cases)


def _signs(
    world: World,
    engine: Engine,
    watcher: DropWatcher,
    dispatcher: Dispatcher,
    on_beat: Callable[[], None],
    on_end: Callable[[], None],
) -> Signs:
    return Signs(
        watcher,
        waiting=lambda: dispatcher.waiting,
        under_way=lambda: len(engine.runs.files),
        stranded=lambda: dispatcher.stranded,
        stuck=lambda: dispatcher.patience.number,
        lost=lambda: world.workers.lost,
        clock=world.clock,
        on_beat=on_beat,
        on_end=on_end,
    )
