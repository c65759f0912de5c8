"""`watcher upload FILE...`: sends files by hand through the same path; they stay where they are."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from watcher.agent.agent import ended
from watcher.agent.build import World, build_client, build_engine, build_holding, build_policy, places
from watcher.agent.effects import Effects
from watcher.agent.opening import open_state
from watcher.agent.routing import route_of
from watcher.agent.runs import Part, Run
from watcher.agent.time_of_day import TimeOfDay
from watcher.commands.terminal import Bar, Terminal
from watcher.core.errors import ConfigError, NotWhole, Outside, Unfit
from watcher.core.events import ChunkSent, Event
from watcher.core.holds import listed
from watcher.core.life import IN_DOUBT, LOOK_FIRST, from_the_journal, life_by_hand
from watcher.core.model import FINAL, Claim, FileState, Fingerprint, Route, Row
from watcher.core.names import counted, shown
from watcher.core.order import depth
from watcher.core.steps import Finish, Reject, Step
from watcher.core.units import utc_text
from watcher.disk.claim import open_still
from watcher.disk.files import folder_target
from watcher.journal.protocol import Journal
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.wfm.client import Client

UPLOAD_LOCK = "upload.lock"
LOOK_SECONDS = 0.2


def upload(
    config: Config,
    files: Sequence[Path],
    *,
    route_name: str | None,
    acd_type: str | None,
    patience: float,
    terminal: Terminal,
) -> int:
    """Send `files` in the order of their routes; returns 0, or 1 where one was not delivered.

    `patience`: the seconds without progress after which it gives up. Raises `ConfigError` for a file that
    cannot be sent at all, before anything is.
    """
    planned = _planned(config, files, route_name, acd_type)
    failures = 0
    with ExitStack() as stack:
        client = build_client(config)
        stack.callback(client.close)
        lock, journal = open_state(config.folders.state, lock=UPLOAD_LOCK, holder="another `watcher upload`")
        stack.enter_context(lock)
        stack.callback(journal.close)
        for stale in journal.under_way("hand"):  # nobody else can be at them: the lock is ours
            _give_up(journal, stale, "the command that sent it was ended")
        bar = stack.enter_context(terminal.bar())
        sending = _Sending(config, journal, client, terminal, bar, patience)
        for path, found in planned:
            failures += not sending.send(path, found)
    return 1 if failures else 0


def _planned(
    config: Config, files: Sequence[Path], route_name: str | None, acd_type: str | None
) -> list[tuple[Path, Route]]:
    """Find each file's route, all problems at once; in the order in which the routes go."""
    routes = build_routes(config)
    by_name = {item.name: item for item in routes}
    problems = []
    planned = []
    if route_name is not None and route_name not in by_name:
        raise ConfigError(
            f"--route {shown(route_name)}: there is no such route; there are {', '.join(by_name)}"
        )
    for path in files:
        found = by_name[route_name] if route_name is not None else route_of(path, routes)
        if not path.is_file():
            problems.append(f"{shown(str(path))}: there is no such file")
        elif (folder := _folder_of_the_agent(config, path)) is not None:
            problems.append(
                f"{shown(str(path))}: a file in {folder} is refused: the agent sends it; to send it by hand,"
                " copy it to another folder"
            )
        elif found is None:
            problems.append(f"{shown(str(path))}: no route matches its name; name one with --route")
        else:
            planned.append((path.absolute(), replace(found, acd_type=acd_type or found.acd_type)))
    if problems:
        raise ConfigError(problems)
    after = {item.name: item.after for item in routes}
    return sorted(planned, key=lambda item: depth(item[1].name, after))


def _folder_of_the_agent(config: Config, path: Path) -> str | None:
    """Say which folder it lies in, by whatever way `path` leads there, where the agent is to send it."""
    drop, work = config.folders.drop, config.folders.work_folder
    real = Path(os.path.realpath(path))
    if any(_is_same(folder, work) for folder in real.parents):
        return f"the work folder {shown(str(work))}"
    if _is_same(real.parent, drop) or _is_linked(real, drop):
        return f"the drop folder {shown(str(drop))}"
    return None


def _is_same(one: Path, other: Path) -> bool:
    with suppress(OSError):  # there is no such folder: nothing lies in it
        return one.samefile(other)
    return False


def _is_linked(path: Path, drop: Path) -> bool:
    """Say whether a file is a hard link of one in the drop folder."""
    with suppress(OSError):
        look = path.stat()
        if look.st_nlink > 1:
            with os.scandir(drop) as found:
                same = (item.stat(follow_symlinks=False) for item in found if item.inode() == look.st_ino)
                return any(os.path.samestat(look, item) for item in same)
    return False


def _give_up(journal: Journal, entry: Row, reason: str) -> Unfit | None:
    """Bring the row of a file that is not sent any further to an end; one with a verdict keeps it.

    Returns what it failed with.
    """
    steps: list[Step] = []
    fault = None
    if entry.state not in (*FINAL, FileState.DELIVERED, FileState.REJECTED):
        fault = Unfit(reason, what_to_do="send it again")
        if entry.upload.in_doubt:
            fault = Unfit(f"{reason}; {IN_DOUBT}", what_to_do=LOOK_FIRST + "send it again")
        steps.append(Reject(entry, fault, utc_text(datetime.now(UTC))))
    if entry.state not in FINAL:
        steps.append(Finish(entry))
    journal.apply(steps)
    return fault


class _Sending:
    """Sends one file at a time, with the bar and the patience of whoever waits for it."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        client: Client,
        terminal: Terminal,
        bar: Bar,
        patience: float,
    ) -> None:
        self._journal, self._terminal, self._bar, self._patience = journal, terminal, bar, patience
        self._world = World()
        self._stream = self._world.stream
        self._stream.subscribe(self._hear)
        where = places(config, journal)
        self._times = TimeOfDay(client, self._stream, now=self._world.now)
        self._policy = build_policy(config, self._world, where, client, now=self._times.now)
        self._effects = Effects(journal, where, client, now=self._times.now)
        self._holding = build_holding(self._world, self._stream, retry_cap=config.upload.retry_cap)
        self._engine = build_engine(self._world, self._holding, self._stream, journal)
        self._moved_at = 0.0
        self._is_interrupted = False
        self._last: Row | None = None

    def _hear(self, event: Event) -> None:
        if isinstance(event, ChunkSent):
            self._moved_at = self._world.clock()
            self._bar.reached(event.end, event.row.upload.total)

    def send(self, path: Path, found: Route) -> bool:
        """Send one file; returns whether it was delivered."""
        try:
            with open_still(path) as file:
                look = Fingerprint.of(os.fstat(file.fileno()))
        except (OSError, NotWhole) as error:
            self._say(path, f"cannot be read: {getattr(error, 'strerror', None) or 'not a regular file'}")
            return False
        if self._engine.stopping:  # it gave up on the file before this one
            self._say(path, f"not sent: {listed(self._engine.holds.active) or 'stopped'}")
            return False
        try:
            if self._times.is_needed([found]):
                self._times.ask()
        except Outside as fault:
            self._say(path, f"not sent: {fault}; {fault.check}")
            return False
        claim = Claim(
            name=path.name,
            fingerprint=look,
            source=str(path),
            push_token=self._policy.new_token(),
            route=found.name,
            acd_type=found.acd_type,
            origin="hand",
            at=utc_text(self._times.now()),
        )
        [row] = self._journal.claim([claim])
        self._bar.begin(shown(path.name), look.size)
        policy = replace(self._policy, work=folder_target(path.parent))
        go_on = partial(life_by_hand, route=found, policy=policy)
        part = Part(partial(from_the_journal, row.id, path.name, policy, go_on), self._effects.do)
        self._last = None
        script = life_by_hand(row, found, policy)
        self._engine.begin(Run(row.id, path.name, part, self._ended, self._world.clock(), script))
        # Not in the middle of the engine's work; asked a second time, at once.
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            self._watch()
        except KeyboardInterrupt:
            self._end()
            self._give_up(path, row, "interrupted by hand")
            raise
        finally:
            signal.signal(signal.SIGINT, before)
        return self._told(path, row)

    def _interrupt(self, _number: int, _frame: object) -> None:
        self._is_interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _watch(self) -> None:
        """Wait for the end of the upload, or of our patience."""
        self._moved_at = self._world.clock()
        while self._last is None:
            due = self._engine.turn()
            self._engine.finished(self._world.workers.wait(min(due - self._world.clock(), LOOK_SECONDS)))
            if self._is_interrupted and self._last is None:
                raise KeyboardInterrupt
            held = self._engine.holds.active
            self._bar.note(f"held: {shown(held[0].reason)}" if held else "")
            if held and self._world.clock() - self._moved_at > self._patience:
                self._end()
                return

    def _end(self) -> None:
        self._engine.stop()

    def _ended(self, row: Row, seconds: float) -> None:
        self._last = row
        self._stream.emit(ended(row, seconds))

    def _told(self, path: Path, row: Row) -> bool:
        last = self._last
        if last is None:
            held = listed(self._engine.holds.active)
            return self._give_up(path, row, f"gave up waiting: {held or 'stopped'}")
        if last.state is FileState.DONE:
            chunks = counted(last.upload.chunks, "chunk")
            self._say(path, f"delivered in {chunks}, push token {last.push_token}")
            return True
        self._say(path, f"failed: {last.outcome.reason}; {last.outcome.what_to_do}")
        return False

    def _give_up(self, path: Path, row: Row, reason: str) -> bool:
        """Say how it stands with a file that is not waited for any more, and whether it was delivered."""
        row = self._journal.row(row.id)
        fault = _give_up(self._journal, row, reason)
        if fault is not None and row.upload.in_doubt:
            self._say(path, f"{fault.reason}; {fault.what_to_do}")
        elif fault is not None:
            self._say(path, f"not sent: {reason}")
        else:  # the verdict came, and what comes after it did not
            self._say(path, f"{row.state}, push token {row.push_token}; {reason}")
        return fault is None and row.state in (FileState.DELIVERED, FileState.DONE)

    def _say(self, path: Path, words: str) -> None:
        self._terminal.say(f"{shown(path.name)}: {words}")
