"""Takes files out of the queue, into the failed folder, each with a report: `watcher withdraw`, and the page.

A file that waits is moved from here; one under way in a running agent is asked for, and the agent does it.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from watcher.agent.by_hand.taking_out import NotFiled, file_it, put_out, take_out
from watcher.agent.start.folders import places
from watcher.agent.start.opening import open_state
from watcher.agent.upkeep.recovery import located, tidy
from watcher.agent.upkeep.withdrawals import ask, forget, passing
from watcher.core.errors import NotWhole, Outside, TakenOver, Unfit
from watcher.core.model import FINAL, UNDECIDED, FileState, Row
from watcher.core.names import shown
from watcher.core.withdrawal import of_ours, of_stranded, of_waiting
from watcher.disk.answering import require_answer
from watcher.disk.faults import blame
from watcher.disk.others import Stranger, strangers
from watcher.disk.owner import Identity, Owner
from watcher.disk.places import Places
from watcher.journal import lock
from watcher.journal.protocol import Journal
from watcher.journal.reading import open_journal
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

PATIENCE_SECONDS = 10.0  # for the running agent to honour a request
LOOK_SECONDS = 0.1
Found = Row | Stranger | Path  # under way here, in the work folder of another agent, in the drop folder


def withdraw(
    config: Config,
    names: Sequence[str],
    say: Callable[[str], None],
    *,
    user: str,
    force: bool = False,
    running: bool | None = None,
    is_it: Callable[[Found], bool] | None = None,
) -> int:
    """Withdraw the files of these names, or at these paths; returns 0, or 1 where one was not.

    `user`: who does it, for the report; `force`: a file of another agent that seems to live, too;
    `running`: whether our agent runs, None: look; `is_it`: of all files in the queue, those that are meant,
    whatever the name says, which is for the words alone then. Raises `Outside`, `ConfigError`.
    """
    used = (config.folders.drop, config.folders.failed, config.folders.work_folder)
    require_answer(*used, acting=True)
    with ExitStack() as stack:
        state = config.folders.state
        if running is None:
            running = lock.is_held(state, lock.AGENT_LOCK) if state.is_dir() else False
        if running:
            journal: Journal = open_journal(state, config.journal_url, lives=False)
        else:
            ours, journal = open_state(state, config.journal_url, lock=lock.AGENT_LOCK, holder="an agent")
            stack.enter_context(ours)
        stack.callback(journal.close)
        withdrawing = _Withdrawing(config, journal, shown(user), running, force, is_it)
        owner = Owner(withdrawing.places.work, Identity.of_us(state))
        if not running:
            with blame(withdrawing.places.work):
                owner.require_alone()
        missing = 0
        for name in names:
            words, is_out = withdrawing.withdraw(name)
            say(f"{shown(Path(name).name)}: {words}")
            missing += not is_out
        if not running:
            tidy(journal, withdrawing.places, owner)
    return 1 if missing else 0


@dataclass
class _Withdrawing:
    """One command's work; each method says what became of a file, and whether it is out of the queue."""

    config: Config
    journal: Journal
    user: str
    running: bool
    force: bool
    is_it: Callable[[Found], bool] | None = None

    def __post_init__(self) -> None:
        self.places: Places = places(self.config, self.journal)

    def withdraw(self, name: str) -> tuple[str, bool]:
        """Withdraw one file."""
        try:
            return self._withdraw(name)
        except NotWhole:
            # It was written to, or somebody was faster: the running agent, most likely.
            try:
                return self._withdraw(name)
            except NotWhole as error:
                return str(error) or "it changes while it is looked at; try again", False
        except TakenOver:
            return "another agent has it by now, for this one had died; withdraw it there", False

    def _withdraw(self, name: str) -> tuple[str, bool]:
        found = self._found(name)
        if not found and self.is_it is not None:
            return "it is not in the queue any more as it was shown; look again", False
        if not found:
            return "is not waiting, under way or stranded", False
        if len(found) > 1:
            where = ", ".join(shown(str(_path(item))) for item in found)
            return f"there are {len(found)} files of that name; name one by its path: {where}", False
        match found[0]:
            case Row() as row:
                return self._under_way(row)
            case Stranger() as stranger:
                return self._stranded(stranger)
            case path:
                return self._waiting(path)

    def _found(self, name: str) -> list[Found]:
        """Return the files in the queue that are meant: by name, or by path."""
        # What an agent had that died is somebody else's by the journal before it lies in that one's folder.
        lying = strangers(self.places.work)
        tokens = {found.path.parent.name for found in lying}
        rows = {Path(row.file.source).parent.name: row for row in self.journal.under_way("drop", of_all=True)}
        ours = {token: row for token, row in rows.items() if row.owner == self.journal.agent_id}
        everything: list[Found] = [
            row for token, row in ours.items() if token in tokens or os.path.lexists(row.file.source)
        ]
        for found in lying:
            if (token := found.path.parent.name) not in ours:
                everything.append(replace(found, is_stranded=found.is_stranded and token not in rows))
        if self.is_it is not None:
            with blame(self.places.drop):
                everything += self.places.drop.iterdir()
            return [item for item in everything if self.is_it(item)]
        if os.path.lexists(waiting := self.places.drop / Path(name).name):
            everything.append(waiting)
        path = None if Path(name).name == name else Path(name).absolute()
        return [
            item for item in everything if _path(item).name == Path(name).name and path in (None, _path(item))
        ]

    def _waiting(self, path: Path) -> tuple[str, bool]:
        return self._taken_out(path, of_waiting(self.user), str(uuid.uuid4()))

    def _stranded(self, found: Stranger) -> tuple[str, bool]:
        if not (found.is_stranded or self.force):
            heard = f"{found.since:%Y-%m-%d %H:%M:%S} UTC"
            who = f"{shown(found.agent)} on {shown(found.host or 'another host')}"
            return f"is with {who}, last heard of at {heard}; withdraw it there, or use --force", False
        fault = of_stranded(shown(found.agent), self.user)
        return self._taken_out(found.path, fault, found.path.parent.name, is_anothers=True)

    def _taken_out(
        self, path: Path, fault: Unfit, token: str, *, is_anothers: bool = False
    ) -> tuple[str, bool]:
        state, routes = self.config.folders.state, build_routes(self.config)
        with passing(state, patience=PATIENCE_SECONDS):
            if self.running:  # should we not come to the end, the agent goes on from where we are
                ask(state, token, self.user, is_left=True)
            try:
                row = take_out(
                    self.journal, self.places, path, fault, routes,
                    now=_now, token=token, is_anothers=is_anothers,
                )  # fmt: skip
            except NotFiled as away:
                if not self.running:
                    raise
                words = f"{away.row.outcome.reason}; it is not in the failed folder yet: {away}"
                return f"{words}; the agent moves it there as soon as it can", False
            with suppress(Outside):  # the agent forgets it, too
                forget(state, token)
        return _told(row), True

    def _under_way(self, row: Row) -> tuple[str, bool]:
        if row.state not in UNDECIDED:
            return f"it is {row.state} already, and on its way out of the work folder", False
        if not self.running:
            row = located(self.journal, self.places, row)
            row = put_out(self.journal, row, of_ours(row, self.user), now=_now)
            return _told(file_it(self.journal, self.places, row, now=_now)), True
        ask(self.config.folders.state, token := row.push_token, self.user)
        until, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
        while row.state not in FINAL and time.monotonic() < until:
            pause.wait(LOOK_SECONDS)
            try:
                row = self.journal.row(row.id)
            except LookupError as error:  # it was not claimed after all, and waits in the drop folder
                forget(self.config.folders.state, token)
                raise NotWhole from error
        if row.state not in FINAL:
            return "asked for; the agent does it as soon as the file would have to wait", False
        forget(self.config.folders.state, token)
        return _told(row), row.state is FileState.FAILED


def _path(item: Found) -> Path:
    match item:
        case Row():
            return Path(item.file.source)
        case Stranger():
            return item.path
    return item


def _told(row: Row) -> str:
    if row.state is FileState.FAILED:
        return f"{row.outcome.reason}; it is now {shown(row.place.target or 'gone')}"
    return f"not withdrawn: it is {row.state}"


def _now() -> datetime:
    return datetime.now(UTC)
