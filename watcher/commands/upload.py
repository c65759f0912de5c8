"""`watcher upload FILE...`: sends files by hand through the same path; they stay where they are."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from watcher.agent.build import build_client, build_pipeline, open_state
from watcher.agent.drop_watcher import route_of
from watcher.agent.holds import Holds
from watcher.agent.pipeline import Pipeline
from watcher.commands.terminal import Bar, Terminal
from watcher.core.errors import ConfigError, NotWhole, Stopped, Unfit
from watcher.core.model import FINAL, Claim, FileState, Fingerprint, Route, Row
from watcher.core.names import counted, shown
from watcher.core.steps import Finish, Reject, Step
from watcher.core.units import utc_text
from watcher.disk.claim import open_still
from watcher.journal.protocol import Journal
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

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
    stop = threading.Event()
    holds = Holds(cap_seconds=config.upload.retry_cap, stop=stop)
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
        sending = _Sending(terminal, bar, journal, holds, stop, patience)
        pipeline = build_pipeline(config, journal, client, holds, on_chunk=sending.on_chunk)
        for path, found in planned:
            failures += not sending.send(pipeline, path, found)
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
        elif found is None:
            problems.append(f"{shown(str(path))}: no route matches its name; name one with --route")
        else:
            planned.append((path.absolute(), replace(found, acd_type=acd_type or found.acd_type)))
    if problems:
        raise ConfigError(problems)

    def depth(name: str) -> int:
        return 1 + max((depth(other) for other in by_name[name].after), default=0)

    return sorted(planned, key=lambda item: depth(item[1].name))


def _give_up(journal: Journal, entry: Row, reason: str) -> None:
    """Bring the row of a file that is not sent any further to an end; one with a verdict keeps it."""
    steps: list[Step] = []
    if entry.state not in (*FINAL, FileState.DELIVERED, FileState.REJECTED):
        fault = Unfit(reason, what_to_do="send it again")
        steps.append(Reject(entry, fault, utc_text(datetime.now(UTC))))
    if entry.state not in FINAL:
        steps.append(Finish(entry))
    journal.apply(steps)


class _Sending:
    """Sends one file at a time in a thread, while this one keeps the bar and the patience."""

    def __init__(
        self,
        terminal: Terminal,
        bar: Bar,
        journal: Journal,
        holds: Holds,
        stop: threading.Event,
        patience: float,
    ) -> None:
        self._terminal = terminal
        self._bar = bar
        self._journal = journal
        self._holds = holds
        self._stop = stop
        self._patience = patience
        self._moved_at = time.monotonic()

    def on_chunk(self, entry: Row, position: int) -> None:
        """A chunk was acknowledged; called in the uploader's thread."""
        self._moved_at = time.monotonic()
        self._bar.reached(position, entry.upload.total)

    def send(self, pipeline: Pipeline, path: Path, found: Route) -> bool:
        """Send one file; returns whether it was delivered."""
        try:
            with open_still(path) as file:
                look = Fingerprint.of(path.stat())
                del file
        except (OSError, NotWhole) as error:
            self._say(path, f"cannot be read: {getattr(error, 'strerror', None) or 'not a regular file'}")
            return False
        claim = Claim(
            name=path.name,
            fingerprint=look,
            source=str(path),
            push_token=str(uuid.uuid4()),
            route=found.name,
            acd_type=found.acd_type,
            origin="hand",
            at=utc_text(datetime.now(UTC)),
        )
        [entry] = self._journal.claim([claim])
        self._bar.begin(shown(path.name), look.size)
        last: list[Row | BaseException] = []
        # Not `join`: interrupted by Ctrl-C it takes the thread for ended (python/cpython#90882).
        ended = threading.Event()
        thread = threading.Thread(target=_carried, args=(pipeline.carry, entry, last, ended), daemon=True)
        thread.start()
        try:
            self._watch(ended)
        except KeyboardInterrupt:
            self._end(ended)
            _give_up(self._journal, self._journal.row(entry.id), "interrupted by hand")
            raise
        return self._told(path, entry, last)

    def _watch(self, ended: threading.Event) -> None:
        """Wait for the end of the upload, or of our patience."""
        self._moved_at = time.monotonic()
        while not ended.wait(LOOK_SECONDS):
            held = self._holds.active()
            self._bar.note(f"held: {shown(held[0].reason)}" if held else "")
            if held and time.monotonic() - self._moved_at > self._patience:
                self._end(ended)

    def _end(self, ended: threading.Event) -> None:
        self._stop.set()
        self._holds.wake()
        ended.wait()

    def _told(self, path: Path, entry: Row, last: list[Row | BaseException]) -> bool:
        result = last[0]
        if isinstance(result, Stopped):
            held = "; ".join(f"{hold.target}: {hold.reason}" for hold in self._holds.active())
            _give_up(self._journal, self._journal.row(entry.id), f"gave up waiting: {held or 'stopped'}")
            self._say(path, f"not sent: {held or 'stopped'}")
            return False
        if isinstance(result, BaseException):
            raise result
        if result.state is FileState.DONE:
            chunks = counted(result.upload.chunks, "chunk")
            self._say(path, f"delivered in {chunks}, push token {result.push_token}")
            return True
        self._say(path, f"failed: {result.outcome.reason}; {result.outcome.what_to_do}")
        return False

    def _say(self, path: Path, words: str) -> None:
        self._terminal.say(f"{shown(path.name)}: {words}")


def _carried(
    carry: Callable[[Row], Row], entry: Row, last: list[Row | BaseException], ended: threading.Event
) -> None:
    """What the thread does: bring the result, or the error, back to the one that asked."""
    try:
        last.append(carry(entry))
    except Exception as error:
        last.append(error)
    finally:
        ended.set()
