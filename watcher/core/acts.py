"""Pure: every act on the world as data. `await` gives its result; whoever drives the coroutine has it done.

An act says what it needs (`targets`, in the order in which it meets them: each of them may be held), for how
long it may take before that is no longer plausible (`seconds`), and what follows where it fails.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from watcher.core.conversation import Accepted, Conversation, OnHold, Reply, Suspected, Verdict
from watcher.core.errors import Outside, Proof
from watcher.core.events import Event
from watcher.core.model import Chunk, Placement, Receipt, Route, Row
from watcher.core.steps import Step
from watcher.core.suspects import Suspicion
from watcher.core.target import Target

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

PLAUSIBLE_SECONDS = 60.0  # for an act on a disk; a share that takes longer does not answer


@dataclass(frozen=True, slots=True)
class Act(Generic[T]):
    """One act; its result is a `T`."""

    targets: tuple[Target, ...] = field(default=(), kw_only=True)
    seconds: float = field(default=PLAUSIBLE_SECONDS, kw_only=True)
    # The folders that a worker is at now, the innermost one last: it alone writes it, and others may look.
    at: list[object] = field(default_factory=list, kw_only=True, compare=False, repr=False)
    repeats: ClassVar[bool] = True  # after an `Outside` it is done again; else the coroutine gets it
    waits: ClassVar[bool] = True  # until it may begin; else it gives None where it would have to
    # How it meets a stop: it is begun even then, it is waited for, or it is left alone.
    at_stop: ClassVar[Literal["begins", "waits", "leaves"]] = "leaves"

    def __await__(self) -> Generator[Act[Any], Any, T]:
        return (yield self)  # type: ignore[no-any-return]

    @property
    def is_at(self) -> Target | None:
        """The innermost folder that a worker is at now, if any."""
        for folder in self.at[-1:]:
            return Target("folder", str(folder))
        return None

    @property
    def blamed(self) -> Target | None:
        """What does not answer, where it takes too long: the folder that it is at, or what it needs first."""
        return self.is_at or (self.targets[0] if self.targets else None)

    def digested(self, result: object) -> tuple[object, Outside | None]:
        """Return what the coroutine gets (an exception is raised), and the fault that holds a target."""
        return result, result if isinstance(result, Outside) else None

    def proof(self, value: object) -> Proof | None:
        """Return what this result shows of the act's targets; None: nothing."""
        return Proof.ANSWER if self.repeats or not isinstance(value, Exception) else None


class Opened(Protocol):
    """The open files of one that was inspected."""

    def close(self) -> None:
        """Let go of them."""


class Digest(Protocol):
    """A hash of everything up to a byte, which can be continued."""

    def copy(self) -> Digest:
        """Return one that goes on alone."""

    def update(self, data: bytes, /) -> None:
        """Continue it."""

    def hexdigest(self) -> str:
        """Return it, in hex."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the inspection of a file found, with the file open: a context that closes it."""

    route: Route
    receipt: Receipt  # what there will be to tell; the number of chunks is added to it
    nothing_to_send: bool  # it is empty, or its content was delivered before
    opened: Opened
    sha256: str = ""  # of the dropped file
    destination: str = ""  # digest of where it goes, and what it is cut from
    start: int = 0  # byte offset of the first byte that is sent as data
    size: int = 0  # bytes of the content that is sent
    first: Piece | None = None  # the first chunk of a file of which nothing was sent yet
    place: Placement | None = None  # in the done folder, where that is all of it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.opened.close()


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk, and the digest of everything that is sent up to its end."""

    chunk: Chunk
    digest: Digest


@dataclass(frozen=True, slots=True)
class Load(Act[Row]):
    """Read the row of a file as the journal has it."""

    row: int


@dataclass(frozen=True, slots=True)
class Commit(Act[Row]):
    """Write one step of a file's life; it is durable before the coroutine goes on."""

    step: Step
    lazy: bool = False  # nothing waits for it: it may go along with the next one
    at_stop = "begins"


@dataclass(frozen=True, slots=True)
class Inspect(Act[Found]):
    """Read the whole file: is it fit to send, and what is sent of it? Raises `Unfit`, `NotWhole`, `Gone`."""

    row: Row
    route: Route | None  # None: there is none, or it is not in the settings any more
    limit: int | None  # bytes of the first chunk; None: the route's own
    moves: bool  # it is filed afterwards, and its bad records are kept for that


@dataclass(frozen=True, slots=True)
class Cut(Act[Piece]):
    """Read and hash the chunk at `start`: of at most `limit` bytes, or exactly to `end`, as it went out.

    Raises `Unfit` for a record that is too large, `NotWhole` where the file is not what was inspected.
    """

    found: Found
    start: int
    limit: int
    end: int | None = None
    before: Piece | None = None  # the one that ends at `start`; None: everything before it is read again
    repeats = False  # the file may have to be opened anew


@dataclass(frozen=True, slots=True)
class Push(Act["Verdict | None"]):
    """Send one chunk of the file whose row has this number, and digest the answer; None: it did not go out.

    `guard`: what must be as it was inspected when the bytes go out, after all waits; else raises `NotWhole`.
    It goes out at once, at a stop too, or not at all: its row says that it does, and is in doubt until then.
    """

    number: int
    talk: Conversation
    chunk: Chunk
    guard: Found | None
    repeats = False
    waits = False
    at_stop = "waits"

    def digested(self, result: object) -> tuple[object, Outside | None]:
        """Return the verdict on the answer, or on what became of the request."""
        if isinstance(result, Reply):
            verdict: Verdict = self.talk.answered(self.chunk, result)
        elif isinstance(result, Outside) and result.target in self.targets:
            verdict = self.talk.no_answer(self.chunk, result)
        else:
            return result, result if isinstance(result, Outside) else None
        return verdict, verdict.fault if isinstance(verdict, OnHold | Suspected) else None

    def proof(self, value: object) -> Proof | None:
        """Return what the verdict shows of server and endpoint."""
        match value:
            case Accepted():
                return Proof.DELIVERY if self.chunk.last else Proof.CHUNK
            case Suspected(refused=None, fault=None) | Exception():
                return None  # no answer came, or it is known that this file alone gets it
        return Proof.ANSWER


@dataclass(frozen=True, slots=True)
class Locate(Act[str]):
    """Say which lines of the dropped file a refused chunk has. Raises `NotWhole` where the file changed."""

    found: Found
    chunk: Chunk
    repeats = False


@dataclass(frozen=True, slots=True)
class Choose(Act[Placement]):
    """Choose free names for a file with this verdict, and for its bad records."""

    row: Row
    at_stop = "begins"


@dataclass(frozen=True, slots=True)
class Move(Act[bool]):
    """Move the file to its target, and write its report; False: somebody has that name by now.

    Raises `Gone` where it is in neither place, `NotWhole` where it was delivered and is not that any more.
    """

    row: Row
    at_stop = "begins"


@dataclass(frozen=True, slots=True)
class Turn(Act[None]):
    """Wait for one's place among the files of a route: in `front` it is inspected, then uploaded."""

    place: Literal["front", "upload"]


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose fault it is, as far as others show."""

    outside: Outside | None  # what is to be held; None: the file itself is to blame


@dataclass(frozen=True, slots=True)
class Accuse(Act[Blame]):
    """Ask whose fault it is, by comparison with other files."""

    suspicion: Suspicion


@dataclass(frozen=True, slots=True)
class Aside(Act[None]):
    """Begin this hold, and let others of the route go first; the next `Turn` is behind them."""

    fault: Outside


@dataclass(frozen=True, slots=True)
class Release(Act[None]):
    """Let the next one of the route have its turn."""

    at_stop = "begins"


@dataclass(frozen=True, slots=True)
class Free(Act[bool]):
    """Say whether a request may go out now: nothing on the way is held, the server did not ask for fewer, and
    we are not about to stop."""

    at_stop = "begins"


@dataclass(frozen=True, slots=True)
class Clear(Act[tuple[Target, ...]]):
    """Wait until nothing on the way is held, or it is our turn to probe; gives what is held."""


@dataclass(frozen=True, slots=True)
class Pace(Act[None]):
    """Wait until the server may be sent one more request, where it asked for fewer."""


@dataclass(frozen=True, slots=True)
class Pause(Act[None]):
    """Wait, for a fault that holds nothing but this file."""

    length: float  # seconds


@dataclass(frozen=True, slots=True)
class Tell(Act[None]):
    """Let everybody know what happened."""

    event: Event
    at_stop = "begins"


@dataclass(frozen=True, slots=True)
class Maybe(Act["T | None"], Generic[T]):
    """Try this; gives None where it fails for any reason, or would have to wait."""

    act: Act[T]


@dataclass(frozen=True, slots=True)
class Both(Act[tuple[A, B]], Generic[A, B]):
    """Two acts at the same time; goes on when both are done."""

    first: Act[A]
    second: Act[B]
