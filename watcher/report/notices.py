"""Pure: what is worth telling a person, when, and in which words. It sends nothing.

Events go in with the monotonic time (`tick`, seconds) at which they happened; `due` gives the messages that
are to go out now. Repeats are limited: failed files of a minute are one message, of ever longer times while
they go on failing; a hold that comes back within the hour is not told again before that hour is over; a
silence is told once until it ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watcher.core.events import Stuck, StuckEnded
from watcher.core.model import FileState, Row
from watcher.core.names import counted, shown, some_of
from watcher.core.units import utc_text
from watcher.report.expect import Expectation, duration

SHOWN_FAILED = 10  # failed files named in one message; the others are counted
HOLD_AGAIN_SECONDS = 3600.0
SILENCE_AGAIN_SECONDS = 30 * 86_400.0
LONGEST_GATHER_SECONDS = 3600.0  # while files go on failing, each message gathers twice as long
LONGEST_REASON = 300  # characters of a reason in a message


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a person."""

    kind: Literal["info", "success", "warning", "failure"]
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Held:
    """One target that is held now."""

    target: str
    reason: str
    check: str  # what a person should look at; may be empty
    since: datetime
    began: float  # tick


@dataclass(frozen=True, slots=True)
class Silence:
    """A route whose file should have come by now."""

    wanted: Expectation
    last: datetime | None  # when the last file of the route was delivered; None: none ever was

    @property
    def key(self) -> str:
        """What tells this silence from the next one of the route."""
        return utc_text(self.last) if self.last else "no file yet"


@dataclass(slots=True)
class _Told:
    """A hold that is going on."""

    held: Held
    due_at: float  # tick at which it is to be told
    told: bool = False


@dataclass(slots=True)
class Notices:
    """What happened and is not told yet; for one thread."""

    failed_files: bool = True
    held_for: float | None = 900.0  # seconds; None: holds are never told
    gather: float = 60.0  # seconds
    # Says whether we are the first of several agents with what all of them see, for so many seconds; or with
    # what those see who work at the same place.
    is_first: Callable[[str, float, bool], bool] = lambda _key, _seconds, _of_a_place: True
    silent: dict[str, str] = field(default_factory=dict)  # route: the key of the silence that was told
    # Targets that nobody waits for any more; added to by any thread, before their holds are over.
    unneeded: set[str] = field(default_factory=set)
    _failed: list[Row] = field(default_factory=list)  # the first ones of those that wait
    _failed_count: int = 0
    _failed_due: float = 0.0  # tick of the next message, or of the last one
    _window: float = 0.0  # seconds that the failed files of one message are gathered
    _holds: dict[str, _Told] = field(default_factory=dict)  # by target
    _told_at: dict[str, float] = field(default_factory=dict)  # target: tick of its last message
    _stuck: list[Stuck] = field(default_factory=list)  # those that wait to be told
    _stuck_due: float = 0.0  # tick of their message
    _ready: list[Message] = field(default_factory=list)

    def failed(self, entry: Row, tick: float) -> None:
        """A file, or some of its records, came to the failed folder."""
        if not self.failed_files:
            return
        if not self._failed_count:
            again = self._window and tick - self._failed_due < 2 * self._window
            self._window = min(2 * self._window, LONGEST_GATHER_SECONDS) if again else self.gather
            self._failed_due = tick + self._window
        self._failed_count += 1
        if len(self._failed) < SHOWN_FAILED:
            self._failed.append(entry)

    def stuck(self, event: Stuck | StuckEnded, tick: float) -> None:
        """A file has waited too long for a reason of its own, or does not any more."""
        if isinstance(event, Stuck):
            self._stuck_due = self._stuck_due if self._stuck else tick + self.gather
            self._stuck.append(event)
            return
        untold = [one for one in self._stuck if one.name != event.name]
        if len(untold) == len(self._stuck) and self._first_here(f"free {event.name}"):
            lasted = duration(max(1, round(event.seconds)))
            text = f"{shown(event.name)} waits no longer for a reason of its own, after {lasted}."
            self._ready.append(Message("success", f"{shown(event.name)} is stuck no longer", text))
        self._stuck = untold

    def holds(self, active: Iterable[Held], tick: float) -> None:
        """These are all the holds of this moment."""
        if self.held_for is None:
            return
        now = {held.target: held for held in active}
        ended = [
            known
            for known in self._holds.values()
            if known.held.target not in now or now[known.held.target].began != known.held.began
        ]
        for known in ended:
            del self._holds[known.held.target]
        if over := [known.held for known in ended if known.told]:
            self._ready.append(_holds_ended(over, tick, self.unneeded))
        self.unneeded -= {known.held.target for known in ended}
        for held in now.values():
            known = self._holds.setdefault(held.target, _Told(held, self._due_at(held)))
            known.held = held  # its reason may be another now

    def silences(self, found: Iterable[Silence], answered: Mapping[str, str]) -> None:
        """These routes are silent now; `answered`: the last file of each that is not, by route."""
        for route, name in answered.items():
            if self.silent.pop(route, None) is not None and self._first("again", route, name):
                subject = f"files of {shown(route)} come again"
                self._ready.append(Message("success", subject, f"{shown(name)} was delivered."))
        fresh = [silence for silence in found if self.silent.get(silence.wanted.route) != silence.key]
        for silence in fresh:
            self.silent[silence.wanted.route] = silence.key
            if self._first("silent", silence.wanted.route, silence.key):
                self._ready.append(_silent(silence))

    def due(self, tick: float, *, all_of_it: bool = False) -> list[Message]:
        """Return the messages that are to go out now; `all_of_it`: failed files that still gather too."""
        messages, self._ready = self._ready, []
        if self._failed_count and (all_of_it or tick >= self._failed_due):
            messages.append(_failed(self._failed, self._failed_count))
            self._failed, self._failed_count = [], 0
        if self._stuck and (all_of_it or tick >= self._stuck_due):
            stuck, self._stuck = self._stuck, []
            if ours := [one for one in stuck if self._first_here(f"stuck {one.name}")]:
                messages.append(_stuck(ours))
        due = [known for known in self._holds.values() if not known.told and tick >= known.due_at]
        late = [known for known in due if self._first_held(known.held.target)]
        for known in due:
            known.due_at = math.inf  # told, by us or by another agent
        for known in late:
            known.told = True
            self._told_at[known.held.target] = tick
        if late:
            messages.append(_held([known.held for known in late], tick))
        return messages

    def next_due(self) -> float | None:
        """Return the tick at which `due` has something, as far as is known; None: nothing waits."""
        times = [known.due_at for known in self._holds.values() if not known.told]
        times += [self._failed_due] if self._failed_count else []
        times += [self._stuck_due] if self._stuck else []
        return min(times, default=None)

    def _first(self, what: str, route: str, key: str) -> bool:
        return self.is_first(f"{what} {route} {key}", SILENCE_AGAIN_SECONDS, False)

    def _first_here(self, key: str) -> bool:
        return self.is_first(key, HOLD_AGAIN_SECONDS, True)

    def _first_held(self, target: str) -> bool:
        return self.is_first(f"held {target}", HOLD_AGAIN_SECONDS, "://" not in target)

    def _due_at(self, held: Held) -> float:
        due = held.began + (self.held_for or 0.0)
        last = self._told_at.get(held.target)
        return due if last is None else max(due, last + HOLD_AGAIN_SECONDS)


def trial() -> Message:
    """Return the message that `watcher check --notify` sends."""
    return Message(
        "info",
        "a test message",
        "`watcher check --notify` sent this. Failed files, long holds and silence will be told here.",
    )


def _failed(entries: list[Row], count: int) -> Message:
    partly = [entry for entry in entries if entry.state is not FileState.FAILED]
    what = "failed" if not partly else "failed or left records behind" if count > 1 else "left records behind"
    subject = f"{shown(entries[0].name) if count == 1 else counted(count, 'file')} {what}"
    parts = [
        f"{shown(entry.name)} ({shown(entry.route or 'no route')}): {_cut(entry.outcome.reason)}\n"
        f"What to do: {_cut(entry.outcome.what_to_do)}"
        for entry in entries
    ]
    if count > len(entries):
        parts.append(f"... and {counted(count - len(entries), 'more file')}.")
    parts.append("Look into the failed folder: beside each file or its records is NAME.error.txt.")
    return Message("failure", subject, "\n\n".join(parts))


def _stuck(files: list[Stuck]) -> Message:
    count = len(files)
    subject = f"{shown(files[0].name)} is stuck" if count == 1 else f"{counted(count, 'file')} are stuck"
    parts = []
    for file in files[:SHOWN_FAILED]:
        text = f"{shown(file.name)}, since {utc_text(file.since)}: {_cut(file.why)}\nWhat to do: {file.check}"
        if file.blocked:
            text += f"\nFor it wait: {some_of(file.blocks, file.blocked)}"
        parts.append(text)
    if count > SHOWN_FAILED:
        parts.append(f"... and {counted(count - SHOWN_FAILED, 'more file')}.")
    parts.append("They lie in the drop folder and wait. `watcher status` shows what waits, and why.")
    return Message("warning", subject, "\n\n".join(parts))


def _held(holds: list[Held], tick: float) -> Message:
    one = len(holds) == 1
    longest = duration(max(1, round(tick - min(held.began for held in holds))))
    subject = (
        f"{shown(holds[0].target)} is held for {longest}"
        if one
        else f"{len(holds)} things are held, for {longest}"
    )
    parts = [
        f"{shown(held.target)}, since {utc_text(held.since)}: {_cut(held.reason)}"
        + (f"\nWhat to check: {_cut(held.check)}" if held.check else "")
        for held in holds
    ]
    parts.append("Files wait, none is lost, and it goes on by itself. `watcher status` shows what waits.")
    return Message("warning", subject, "\n\n".join(parts))


def _holds_ended(holds: list[Held], tick: float, unneeded: set[str]) -> Message:
    lines, subjects = [], []
    for held in holds:
        is_back = held.target not in unneeded
        subjects.append(f"{shown(held.target)} is {'back' if is_back else 'held no longer'}")
        why = "" if is_back else ": nobody waits for it"
        lines.append(f"{subjects[-1]} after {duration(max(1, round(tick - held.began)))}{why}.")
    subject = subjects[0] if len(holds) == 1 else f"{len(holds)} holds are over"
    return Message("success", subject, "\n".join(lines))


def _silent(silence: Silence) -> Message:
    route = shown(silence.wanted.route)
    since = (
        f"The last one was delivered at {utc_text(silence.last)}."
        if silence.last
        else "None was delivered since the agent began to expect them."
    )
    return Message(
        "warning",
        f"no file of {route} came",
        f"A file of {route} should come {silence.wanted.words}. {since}\n"
        "What to check: does the export run, and does it write into the drop folder? `watcher status` shows"
        " files that wait, and why.",
    )


def _cut(text: str | None) -> str:
    text = shown(text or "no reason given")
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
