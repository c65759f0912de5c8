"""`watcher upload FILE...`: sends files by hand through the same path; they stay where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

from watcher.agent.agent import ended
from watcher.agent.build import World, build_holding, build_policy
from watcher.agent.clients import build_client
from watcher.agent.effects.effects import Effects
from watcher.agent.engine.engine import Engine
from watcher.agent.engine.runs import Part, Run
from watcher.agent.queue.time_of_day import TimeOfDay
from watcher.agent.start.folders import places
from watcher.agent.start.opening import open_state
from watcher.commands.interrupts import Interrupts
from watcher.commands.terminal import Bar, Terminal
from watcher.commands.upload_fate import DELIVERED, FAILED, NOT_SENT, give_up, given_up
from watcher.commands.upload_plan import plan
from watcher.core.errors import NotWhole, Outside
from watcher.core.events import ChunkSent, Event, LostToOther
from watcher.core.holds import listed
from watcher.core.life import from_the_journal, life_by_hand
from watcher.core.model import Claim, FileState, Fingerprint, Route, Row
from watcher.core.names import counted, shown
from watcher.core.steps import Step
from watcher.core.units import utc_text
from watcher.disk.claim import look_at, open_still
from watcher.disk.files import folder_target
from watcher.journal.lock import UPLOAD_LOCK
from watcher.journal.protocol import Journal
from watcher.settings.settings import Config
from watcher.wfm.client import Client

LOOK_SECONDS = 0.2


def upload(
    config: Config,
    files: Sequence[Path],
    *,
    route_name: str | None,
    acd_type: str | None,
    deep: bool,
    patience: float,
    terminal: Terminal,
    say: Callable[[str], None],
) -> int:
    """Send `files` in the order of their routes; returns 0, or 1 where one was not delivered.

    `say`: gets a line for every file, of three fields between tabs: what became of it, its path, and more.
    `terminal`: for all else. `deep`: of a folder, the files in all folders below it, too. `patience`: the
    seconds without progress after which it gives up. Raises `ConfigError` for a file that cannot be sent at
    all, before anything is; and KeyboardInterrupt, or SystemExit by SIGTERM and SIGHUP, when every file was
    told.
    """
    planned = plan(config, files, route_name, acd_type, deep=deep)
    for path, why in planned.skipped:
        terminal.say(f"skipped {shown(str(path))}: {why}")
    if not planned.files:
        terminal.say("there is nothing to send")
        return 0
    interrupts = Interrupts()
    with ExitStack() as stack:
        stack.enter_context(interrupts.heard())
        client = build_client(config)
        stack.callback(client.close)
        journal = _opened(config, stack)
        sending = _Sending(config, journal, client, terminal, say, patience, interrupts)
        try:
            for path, found in planned.files:
                sending.send(path, found)
        except KeyboardInterrupt:
            sending.abandon()
            for path, _ in planned.files[sending.told.total() :]:
                sending.say(path, NOT_SENT, interrupts.why)
            terminal.say(f"interrupted: {sending.summary()}")
            raise
    if len(planned.files) > 1:
        terminal.say(sending.summary())
    return 0 if sending.is_written and sending.told[DELIVERED] == len(planned.files) else 1


def _opened(config: Config, stack: ExitStack) -> Journal:
    """Return the journal; what a command left that was killed is brought to an end. Raises `ConfigError`."""
    holder = "another `watcher upload`, or `watcher journal copy`,"
    lock, journal = open_state(
        config.folders.state, config.journal_url, lock=UPLOAD_LOCK, holder=holder
    )  # fmt: skip
    stack.enter_context(lock)
    stack.callback(journal.close)
    for stale in journal.under_way("hand"):  # nobody else can be at them: the lock is ours
        give_up(journal, stale, "the command that sent it was ended")
    return journal


class _Sending:
    """Sends one file at a time, with the bar and the patience of whoever waits for it."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        client: Client,
        terminal: Terminal,
        say: Callable[[str], None],
        patience: float,
        interrupts: Interrupts,
    ) -> None:
        self.told = Counter[str]()  # files, by what became of them
        self.is_written = True  # what was told is in the journal, too
        self._journal, self._terminal, self._say, self._patience = journal, terminal, say, patience
        self._bar: Bar | None = None
        self._at: tuple[Path, Row] | None = None  # what is under way, and was not told
        self._world = World()
        self._stream = self._world.stream
        self._stream.subscribe(self._hear)
        where = places(config, journal)
        self._times = TimeOfDay(client, self._stream, now=self._world.now)
        self._policy = build_policy(config, self._world, where, client, now=self._times.now)
        self._effects = Effects(journal, where, client, now=self._times.now)
        self._holding = build_holding(self._world, self._stream, retry_cap=config.upload.retry_cap)
        self._engine = Engine(
            self._world.workers, self._holding, self._stream, apply=self._apply, clock=self._world.clock
        )
        self._moved_at = 0.0
        self._interrupts = interrupts
        self._last: Row | None = None
        self._known: Row | None = None  # what is under way, as it was last written down
        self._is_lost = False  # the journal has forgotten it
        self._has_arrived = False  # and whether the server has all of it

    def _apply(self, steps: Sequence[Step]) -> list[Row]:
        """Write steps down, as the journal does; what it took is known even when it is away."""
        rows = self._journal.apply(steps)
        self._known = rows[-1] if rows else self._known
        return rows

    def _hear(self, event: Event) -> None:
        self._is_lost = self._is_lost or isinstance(event, LostToOther)
        if isinstance(event, ChunkSent):
            self._has_arrived = event.last
        if isinstance(event, ChunkSent) and self._bar is not None:
            self._moved_at = self._world.clock()
            self._bar.reached(event.end, event.row.upload.total)

    def summary(self) -> str:
        """Say how many files fared how."""
        return ", ".join(f"{number:,} {word}" for word, number in self.told.items())

    def say(self, path: Path, word: str, more: str) -> None:
        """Tell what became of a file: once, on a line of its own."""
        self._at = None
        self.told[word] += 1
        self._say(f"{word}\t{shown(str(path))}\t{more}")

    def send(self, path: Path, found: Route) -> None:
        """Send one file, and say what became of it."""
        try:
            with open_still(path.absolute()) as file:
                look = look_at(path.absolute(), file)
        except (OSError, NotWhole) as error:
            odd = "a symbolic link by now" if path.is_symlink() else "not a regular file"
            why = getattr(error, "strerror", None) or odd
            return self.say(path, NOT_SENT, f"cannot be read: {why}")
        if self._engine.stopping:  # it gave up on the file before this one
            return self.say(path, NOT_SENT, listed(self._engine.holds.active) or "stopped")
        try:
            if self._times.is_needed([found]):
                self._times.ask()
        except Outside as fault:
            return self.say(path, NOT_SENT, f"{fault}; {fault.check}")
        # Not in the middle of the engine's work; asked a second time, at once.
        with self._interrupts.deferred(self._interrupt):
            try:
                row = self._begin(path.absolute(), look, found)
            except Outside as fault:  # the journal is away
                return self.say(path, NOT_SENT, f"{fault}; {fault.check}")
            self._at = path, row
            try:
                with self._terminal.bar(shown(path.name), look.size) as self._bar:
                    self._watch()
            except KeyboardInterrupt:
                self._engine.stop()
                self.abandon()
                raise
            finally:
                self._bar = None
        self._tell(path, row)

    def abandon(self) -> None:
        """Interrupted: say how it stands with the file under way, as the journal has it; also a second time,
        where the first was interrupted, too."""
        if self._at is not None:
            self._give_up(*self._at, self._interrupts.why)

    def _begin(self, path: Path, look: Fingerprint, found: Route) -> Row:
        """Write down that a file goes out, and begin with it."""
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
        self._known, self._has_arrived, self._is_lost = row, False, False
        policy = replace(self._policy, work=folder_target(path.parent))
        go_on = partial(life_by_hand, route=found, policy=policy)
        part = Part(partial(from_the_journal, row.id, path.name, policy, go_on), self._effects.do)
        self._last = None
        script = life_by_hand(row, found, policy)
        self._engine.begin(Run(row.id, path.name, part, self._ended, self._world.clock(), script))
        return row

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._world.workers.wake()

    def _watch(self) -> None:
        """Wait for the end of the upload, or of our patience."""
        self._moved_at = self._world.clock()
        while self._last is None and not self._is_lost:
            due = self._engine.turn()
            self._engine.finished(self._world.workers.wait(min(due - self._world.clock(), LOOK_SECONDS)))
            if self._interrupts.number is not None and self._last is None:
                raise KeyboardInterrupt
            held = self._engine.holds.active
            if self._bar is not None:
                self._bar.note(f"held: {shown(held[0].reason)}" if held else "")
            if held and self._world.clock() - self._moved_at > self._patience:
                self._engine.stop()
                return

    def _ended(self, row: Row, seconds: float) -> None:
        self._last = row
        self._stream.emit(ended(row, seconds))

    def _tell(self, path: Path, row: Row) -> None:
        last = self._last
        if last is None:
            held = listed(self._engine.holds.active)
            self._give_up(path, row, "" if self._is_lost else f"gave up waiting: {held or 'stopped'}")
        elif last.state is FileState.DONE:
            chunks = counted(last.upload.chunks, "chunk")
            self.say(path, DELIVERED, f"in {chunks}, push token {last.push_token}")
        else:
            self.say(path, FAILED, f"{last.outcome.reason}; {last.outcome.what_to_do}")
        if self._interrupts.number is not None:  # it was through all the same
            raise KeyboardInterrupt

    def _give_up(self, path: Path, row: Row, reason: str) -> None:
        """Say how it stands with a file that is not waited for any more."""
        fate, is_written = given_up(self._journal, self._known or row, reason, arrived=self._has_arrived)
        self.is_written &= is_written
        self.say(path, fate.word, fate.more)
