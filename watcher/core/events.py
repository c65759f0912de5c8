"""Pure: what happens, as typed values, each made once; `report.stream` brings them to whoever listens.

No wording travels with them: that is `report.log`'s alone. A `row` is as the journal has it after the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from watcher.core.model import Row
from watcher.core.target import Target


@dataclass(frozen=True, slots=True)
class Started:
    """The agent runs."""

    drop: str
    server: str
    version: str
    routes: int  # how many
    observe: str  # how the drop folder is watched


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The status page is there."""

    url: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The agent ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReloadAccepted:
    """SIGHUP, and the settings are sound."""


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """SIGHUP, and they are not."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a person should know, and that stops nothing."""

    sentence: str


@dataclass(frozen=True, slots=True)
class FolderCreated:
    """First start: a folder of the settings was not there."""

    folder: str


@dataclass(frozen=True, slots=True)
class ObserverRestarted:
    """The event source had gone deaf."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A file that was under way at the last stop goes on."""

    row: Row


@dataclass(frozen=True, slots=True)
class TookOver:
    """A file of another agent, which gave no sign of life, is ours; it goes on in so many seconds."""

    row: Row
    agent: str
    host: str
    since: str  # UTC, ISO 8601: that agent's last sign
    seconds: float


@dataclass(frozen=True, slots=True)
class LostToOther:
    """A file that was under way here is another agent's: we gave no sign of life for too long."""

    name: str
    route: str | None
    by: str  # the id of that agent; "": the file's row is gone


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file left the drop folder."""

    row: Row


@dataclass(frozen=True, slots=True)
class ChunkSent:
    """A chunk was acknowledged; its row is that from before."""

    row: Row
    start: int  # byte offsets in what is sent
    end: int
    last: bool


@dataclass(frozen=True, slots=True)
class LargeBegan:
    """The first of very many chunks of a file was acknowledged."""

    row: Row
    total: int  # bytes that are sent
    chunks: int  # how many that will be, about


@dataclass(frozen=True, slots=True)
class Progressed:
    """A file that takes long is so far; told now and then."""

    row: Row
    done: int  # bytes
    total: int
    speed: float  # bytes in a second, since it began here


@dataclass(frozen=True, slots=True)
class FileDelivered:
    """A file came to its end in the done folder; or stays where it is, where a person sent it."""

    row: Row
    seconds: float  # since its claim, holds included


@dataclass(frozen=True, slots=True)
class FileFailed:
    """The fault lies in the file."""

    row: Row


@dataclass(frozen=True, slots=True)
class FileReturned:
    """A file changed, and is back in the drop folder."""

    row: Row


@dataclass(frozen=True, slots=True)
class FileVanished:
    """A claimed file is nowhere."""

    row: Row


@dataclass(frozen=True, slots=True)
class HoldBegan:
    """Something outside is in the way."""

    target: Target
    reason: str
    check: str  # what a person should look at
    seconds: float  # until the next try


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """... and is not any more."""

    target: Target
    reason: str  # the last one
    since: datetime
    seconds: float
    tries: int
    is_back: bool = True  # else nobody waits for it any more, and what it is like now is not known


@dataclass(frozen=True, slots=True)
class Stuck:
    """A file has waited for a reason of its own for longer than `settle.patience`; told once."""

    name: str
    why: str
    check: str  # what a person should do
    since: datetime
    blocks: tuple[str, ...] = ()  # the first ones of the files that wait for it
    blocked: int = 0  # how many these are


@dataclass(frozen=True, slots=True)
class StuckEnded:
    """... and does not any more."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TryingAgain:
    """A server error that may be the file's fault."""

    row: Row
    reason: str
    attempt: int  # that failed
    seconds: float  # until the next


@dataclass(frozen=True, slots=True)
class SteppedAside:
    """What is in the way of this file may not be in the way of others: they go first."""

    name: str


@dataclass(frozen=True, slots=True)
class SmallerChunks:
    """The server refuses the size of a chunk."""

    route: str
    limit: int  # bytes, from now on


@dataclass(frozen=True, slots=True)
class StartedOver:
    """A file begins again under a new push token."""

    row: Row


@dataclass(frozen=True, slots=True)
class NotifyFails:
    """A message to a person does not get through; once for an outage."""

    channel: str
    why: str


@dataclass(frozen=True, slots=True)
class NotifyWorks:
    """... and does again."""

    channel: str


@dataclass(frozen=True, slots=True)
class NotifyLost:
    """More files failed than there was room to remember while a message was being sent."""

    number: int


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A finished file was kept long enough."""

    row: Row


@dataclass(frozen=True, slots=True)
class HistoryRemoved:
    """Rows of the journal were, too."""

    number: int
    before: datetime


@dataclass(frozen=True, slots=True)
class Acted:
    """Somebody did something on the status page, or was refused."""

    action: str  # retry, withdraw, upload
    name: str  # of the file, as it was given
    by: str  # the address
    outcome: str
    done: bool


@dataclass(frozen=True, slots=True)
class Crashed:
    """A fault of ours."""

    where: str
    error: BaseException


Event: TypeAlias = (
    Started | StatusPage | Stopped | ReloadAccepted | ReloadRefused | Warned | FolderCreated
    | ObserverRestarted | Resumed | Claimed | ChunkSent | LargeBegan | Progressed | FileDelivered
    | FileFailed | FileReturned | FileVanished | HoldBegan | HoldEnded | TryingAgain | SmallerChunks
    | SteppedAside | StartedOver | Stuck | StuckEnded | NotifyFails | NotifyWorks | NotifyLost
    | FileRemoved | HistoryRemoved | Acted | Crashed | TookOver | LostToOther
)  # fmt: skip
