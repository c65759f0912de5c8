"""`watcher upload FILE...`: sends files by hand through the same path; they stay where they are."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from watcher.agent.agent import ended
from watcher.agent.build import World, build_client, build_engine, build_holding, build_policy, places
from watcher.agent.effects import Effects
from watcher.agent.opening import open_state
from watcher.agent.runs import Part, Run
from watcher.agent.time_of_day import TimeOfDay
from watcher.commands.terminal import Bar, Terminal
from watcher.commands.upload_plan import plan
from watcher.core.errors import NotWhole, Outside, Unfit
from watcher.core.events import ChunkSent, Event
from watcher.core.holds import listed
from watcher.core.life import IN_DOUBT, LOOK_FIRST, from_the_journal, life_by_hand
from watcher.core.model import FINAL, Claim, FileState, Fingerprint, Route, Row
from watcher.core.names import counted, shown
from watcher.core.steps import Finish, Reject, Step
from watcher.core.units import utc_text
from watcher.disk.claim import look_at, open_still
from watcher.disk.files import folder_target
from watcher.journal.protocol import Journal
from watcher.settings.settings import Config
from watcher.wfm.client import Client

# What became of a file: the first word of its line, for scripts.
DELIVERED, FAILED, NOT_SENT, IN_DOUBT_WORD = "delivered", "failed", "not sent", "in doubt"
UPLOAD_LOCK = "upload.lock"
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
    all, before anything is; and KeyboardInterrupt, when every file was told.
    """
    planned = plan(config, files, route_name, acd_type, deep=deep)
    for path, why in planned.skipped:
        terminal.say(f"skipped {shown(str(path))}: {why}")
    if not planned.files:
        terminal.say("there is nothing to send")
        return 0
    with ExitStack() as stack:
        client = build_client(config)
        stack.callback(client.close)
        lock, journal = open_state(
            config.folders.state, config.journal_url, lock=UPLOAD_LOCK, holder="another `watcher upload`"
        )
        stack.enter_context(lock)
        stack.callback(journal.close)
        for stale in journal.under_way("hand"):  # nobody else can be at them: the lock is ours
            _give_up(journal, stale, "the command that sent it was ended")
        sending = _Sending(config, journal, client, terminal, say, patience)
        try:
            for path, found in planned.files:
                sending.send(path, found)
        except KeyboardInterrupt:
            sending.abandon()
            for path, _ in planned.files[sending.told.total() :]:
                sending.say(path, NOT_SENT, "interrupted by hand")
            terminal.say(f"interrupted: {sending.summary()}")
            raise
    if len(planned.files) > 1:
        terminal.say(sending.summary())
    return 0 if sending.told[DELIVERED] == len(planned.files) else 1


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
        say: Callable[[str], None],
        patience: float,
    ) -> None:
        self.told = Counter[str]()  # files, by what became of them
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
        self._engine = build_engine(self._world, self._holding, self._stream, journal)
        self._moved_at = 0.0
        self._is_interrupted = False
        self._last: Row | None = None

    def _hear(self, event: Event) -> None:
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
            why = getattr(error, "strerror", None) or "not a regular file"
            return self.say(path, NOT_SENT, f"cannot be read: {why}")
        if self._engine.stopping:  # it gave up on the file before this one
            return self.say(path, NOT_SENT, listed(self._engine.holds.active) or "stopped")
        try:
            if self._times.is_needed([found]):
                self._times.ask()
        except Outside as fault:
            return self.say(path, NOT_SENT, f"{fault}; {fault.check}")
        # Not in the middle of the engine's work; asked a second time, at once.
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            row = self._begin(path.absolute(), look, found)
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
            signal.signal(signal.SIGINT, before)
        self._tell(path, row)

    def abandon(self) -> None:
        """Interrupted: say how it stands with the file under way, as the journal has it; also a second time,
        where the first was interrupted, too."""
        if self._at is not None:
            self._give_up(*self._at, "interrupted by hand")

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
        policy = replace(self._policy, work=folder_target(path.parent))
        go_on = partial(life_by_hand, route=found, policy=policy)
        part = Part(partial(from_the_journal, row.id, path.name, policy, go_on), self._effects.do)
        self._last = None
        script = life_by_hand(row, found, policy)
        self._engine.begin(Run(row.id, path.name, part, self._ended, self._world.clock(), script))
        return row

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
            self._give_up(path, row, f"gave up waiting: {held or 'stopped'}")
        elif last.state is FileState.DONE:
            chunks = counted(last.upload.chunks, "chunk")
            self.say(path, DELIVERED, f"in {chunks}, push token {last.push_token}")
        else:
            self.say(path, FAILED, f"{last.outcome.reason}; {last.outcome.what_to_do}")
        if self._is_interrupted:  # it was through all the same
            raise KeyboardInterrupt

    def _give_up(self, path: Path, row: Row, reason: str) -> None:
        """Say how it stands with a file that is not waited for any more."""
        row = self._journal.row(row.id)
        fault = _give_up(self._journal, row, reason)
        if fault is not None and row.upload.in_doubt:
            self.say(path, IN_DOUBT_WORD, f"{fault.reason}; {fault.what_to_do}; push token {row.push_token}")
        elif fault is not None:
            sent = _sent_of(row)
            self.say(path, NOT_SENT, f"{reason}{f'; {sent}' if sent else ''}")
        else:  # the verdict came, and what comes after it did not
            is_well = row.state in (FileState.DELIVERED, FileState.DONE)
            self.say(path, DELIVERED if is_well else FAILED, f"push token {row.push_token}; {reason}")


def _sent_of(row: Row) -> str:
    """Say how much of a file the server has that will never be whole."""
    if not row.upload.chunks:
        return ""
    sent = f"{counted(row.upload.chunks, 'chunk')}, {row.upload.position:,} bytes"
    return f"the server has {sent} of it, and leaves them, for the last chunk was not sent"
