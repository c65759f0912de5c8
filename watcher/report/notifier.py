"""The thread that tells people: it takes note of outcomes and holds, asks what is due, and sends it.

Delivery never waits for it: what comes in goes into a bounded queue, and what cannot be sent is logged,
tried a few times more, and dropped. What is told, and when, is decided in `notices`.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from watcher.core.errors import Outside
from watcher.core.events import (
    Crashed,
    Event,
    FileDelivered,
    FileFailed,
    HoldBegan,
    HoldEnded,
    NotifyFails,
    NotifyLost,
    NotifyWorks,
    Stuck,
    StuckEnded,
    Warned,
)  # fmt: skip
from watcher.core.holds import Hold
from watcher.core.model import FileState, Row
from watcher.core.units import utc_text
from watcher.disk import files
from watcher.journal.peers import Peers
from watcher.journal.protocol import Journal
from watcher.report.expect import Expectation, open_deadline
from watcher.report.notices import Held, Message, Notices, Silence
from watcher.report.stream import Stream

QUEUE_EVENTS = 1000  # that wait while a message is being sent; more of them are not told one by one
OUTBOX_MESSAGES = 100
# Pauses before the next tries of a message; then it is dropped: old news helps nobody.
RETRY_SECONDS = (10.0, 60.0, 300.0)
LOOK_SECONDS = 30.0  # a silence is told at most so late
# Files that came while the agent was away are delivered first.
START_GRACE_SECONDS = 120.0
DELIVERIES = 50  # of a route that are looked at; its last files decide
MEMORY = "notices.json"


class Sends(Protocol):
    """What a way to reach somebody does: `sender.Channel`."""

    name: str

    def send(self, message: Message) -> str | None:
        """Send `message`; returns None, or in a few words why it was not taken."""
        ...


@dataclass(slots=True)
class Outbox:
    """The messages that one channel has still to take."""

    channel: Sends
    stream: Stream
    waiting: deque[Message] = field(default_factory=lambda: deque(maxlen=OUTBOX_MESSAGES))
    tries: int = 0  # of the first one
    next_at: float = 0.0  # monotonic seconds: no try before
    down: bool = False

    def work(self, clock: Callable[[], float], *, last_chance: bool) -> None:
        """Send what waits, as far as it goes; after a failure the rest waits for the next try."""
        while self.waiting and (last_chance or clock() >= self.next_at):
            why = self.channel.send(self.waiting[0])
            if why is None:
                self.waiting.popleft()
                self.tries = 0
                if self.down:
                    self.stream.emit(NotifyWorks(self.channel.name))
                self.down = False
                continue
            if not self.down:
                self.stream.emit(NotifyFails(self.channel.name, why))
            self.down = True
            self.next_at = clock() + RETRY_SECONDS[min(self.tries, len(RETRY_SECONDS) - 1)]
            self.tries += 1
            if self.tries > len(RETRY_SECONDS):
                self.waiting.popleft()
                self.tries = 0
            if last_chance:
                return


class Notifier:
    """Tells people. Without channels it does nothing at all."""

    def __init__(
        self,
        channels: Sequence[Sends],
        notices: Notices,
        holds: Callable[[], Iterable[Hold]],
        stream: Stream,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`holds` gives the holds of this moment."""
        self._boxes = [Outbox(channel, stream) for channel in channels]
        self._stream = stream
        self._notices = notices
        self._holds = holds
        self._clock = clock
        self._now = now
        self._events: queue.Queue[Row | Stuck | StuckEnded | None] = queue.Queue(QUEUE_EVENTS)
        self._lost = 0  # failed files that the queue had no room for; written by the main thread
        self._lost_told = 0
        self._closing = threading.Event()
        self._finished = False
        self._expected: Sequence[Expectation] = ()
        self._journal: Journal | None = None
        self._memory = Path()
        self._since = now()
        self._look_at = 0.0  # monotonic seconds: no look for silence before
        self._thread: threading.Thread | None = None
        self._is_short = False  # no thread could be started

    # -- any thread --------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take note of files that came to their end or are stuck, and of holds that begin or end."""
        if self._is_short and self._thread is None and not isinstance(event, Warned):
            self.start()
        match event:
            case FileFailed(row) | FileDelivered(row):
                self._outcome(row)
            case Stuck() | StuckEnded():
                if self._boxes:
                    with suppress(queue.Full):  # what is stuck is in `status` as well
                        self._events.put_nowait(event)
            case HoldEnded(target, is_back=False):
                self._notices.unneeded.add(str(target))
                self._wake()
            case HoldBegan() | HoldEnded():
                self._wake()

    def _outcome(self, entry: Row) -> None:
        if self._boxes and (entry.state is FileState.FAILED or entry.place.aside is not None):
            try:
                self._events.put_nowait(entry)
            except queue.Full:
                self._lost += 1

    def _wake(self) -> None:
        if self._boxes:
            with suppress(queue.Full):  # then it is awake already
                self._events.put_nowait(None)

    # -- the main thread ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to tell, in a thread of its own; where there is none to be had, with the next event."""
        if not self._boxes or self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="notify", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._is_short:
                self._is_short = True
                self._stream.emit(Warned("nobody is notified for now: no thread can be started"))
            return
        self._thread = thread

    def expect(self, expected: Sequence[Expectation], journal: Journal, state: Path) -> None:
        """Tell of silence too, as the journal shows it; `state` is where to note what was told."""
        if not self._boxes or not expected:
            return
        self._memory = state / MEMORY
        told = _remembered(self._memory)
        with suppress(KeyError, TypeError, ValueError):
            self._since = datetime.fromisoformat(told["since"])
        silent = told.get("silent")
        if isinstance(silent, dict):
            self._notices.silent |= {str(route): str(key) for route, key in silent.items()}
        self._expected = expected
        self._look_at = self._clock() + START_GRACE_SECONDS
        self._remember()
        self._journal = journal  # last: from now on the thread looks

    def share(self, peers: Peers, sees: Callable[[], Collection[str]]) -> None:
        """Tell what other agents see, too, only if they did not; `sees`: those on our folders."""

        def is_first(key: str, seconds: float, of_a_place: bool) -> bool:
            try:
                return peers.is_first(key, seconds=seconds, sees=sees if of_a_place else None)
            except Outside:
                return True  # rather twice than never

        self._notices.is_first = is_first

    def close(self, *, finished: bool, patience_seconds: float) -> None:
        """Tell what is still due, each message tried once, and end. `finished`: all files are at their end,
        so that silence is silence. Waits so long at most."""
        if self._closing.is_set():
            return
        self._finished = finished
        self._closing.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(patience_seconds)

    # -- its own thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self.round()
                with suppress(queue.Empty):
                    self._note(self._events.get(timeout=self._pause()))
            self.round(last=True)
        except Exception as error:  # files go on without us
            self._stream.emit(Crashed("telling people", error))

    def round(self, *, last: bool = False) -> None:
        """Take note of what happened, and send what is due. For its thread, and for tests."""
        with suppress(queue.Empty):
            while True:
                self._note(self._events.get_nowait())
        if self._lost > self._lost_told:
            self._stream.emit(NotifyLost(self._lost - self._lost_told))
            self._lost_told = self._lost
        tick = self._clock()
        self._notices.holds(map(_held, self._holds()), tick)
        if self._finished if last else tick >= self._look_at:
            self._look_at = tick + LOOK_SECONDS
            self._look()
        for message in self._notices.due(tick, all_of_it=last):
            for box in self._boxes:
                box.waiting.append(message)
        for box in self._boxes:
            box.work(self._clock, last_chance=last)

    def _note(self, entry: Row | Stuck | StuckEnded | None) -> None:
        if isinstance(entry, Stuck | StuckEnded):
            self._notices.stuck(entry, self._clock())
        elif entry is not None:
            self._notices.failed(entry, self._clock())

    def _look(self) -> None:
        """Find the routes whose file should have come."""
        if self._journal is None:
            return
        silences, answered, now = list[Silence](), dict[str, str](), self._now()
        for wanted in self._expected:
            try:
                entries = self._journal.deliveries(wanted.route, DELIVERIES)
            except Outside:
                return  # a hold, and told as one
            ends = [entry.outcome.finished_at for entry in entries]
            times = [datetime.fromisoformat(end) for end in ends if end]
            if now >= open_deadline(wanted, min([self._since, *times]), times):
                silences.append(Silence(wanted, max(times, default=None)))
            elif entries:
                answered[wanted.route] = entries[0].name
        before = dict(self._notices.silent)
        self._notices.silences(silences, answered)
        if self._notices.silent != before:
            self._remember()

    def _remember(self) -> None:
        told = {"since": utc_text(self._since), "silent": self._notices.silent}
        with suppress(OSError):  # at worst something is told once more after a restart
            files.replace_private(self._memory, json.dumps(told).encode())

    def _pause(self) -> float:
        times = [self._look_at] if self._journal is not None else []
        times += [box.next_at for box in self._boxes if box.waiting]
        if (due := self._notices.next_due()) is not None:
            times.append(due)
        now = self._clock()
        return min(max(min(times, default=now + LOOK_SECONDS) - now, 0.05), LOOK_SECONDS)


def _held(hold: Hold) -> Held:
    return Held(str(hold.target), hold.reason, hold.check, hold.since, hold.began)


def _remembered(path: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        told = json.loads(path.read_bytes())
        if isinstance(told, dict):
            return told
    return {}
