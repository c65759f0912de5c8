"""A simulated world for the real agent: its disk, its server and its time are under a test's control.

Everything of the agent is real, down to SQLite and the files, and built as `watcher run` builds it; only what
threads would do is done one act after the other, time is a number, the server is the stand-in called without
a socket, and every effect passes `Effects`, where the world may end, or fail, before and after it. After the
end no effect takes place any more, so that clean-up code which a killed process would not run does nothing
here either.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from loguru import logger

from watcher.agent.build import World
from watcher.agent.engine.runs import Task
from watcher.commands.run import run
from watcher.core.conversation import Reply
from watcher.core.conversation import Request as Push
from watcher.core.errors import LostAnswer, NoJournal, Outside
from watcher.core.events import Crashed, Event, HoldBegan, HoldEnded
from watcher.core.model import Row
from watcher.core.target import Target
from watcher.disk import system
from watcher.disk.files import folder_target
from watcher.journal.database import Database
from watcher.journal.sqlite import SqliteJournal
from watcher.report import log
from watcher.sandbox.server import Answer, Operation, Request, Sandbox
from watcher.settings.config import load
from watcher.settings.settings import Config

CHANGING = ("rename", "replace", "link", "unlink", "rmdir", "mkdir", "utime", "chmod", "fsync")
SERVER = "http://127.0.0.1:1"  # nothing is ever sent there
MOST_VAIN_TURNS = 100  # one after the other: a loop that does not wait takes a processor
SETTINGS = """\
folders: {{drop: drop, done: {done}, failed: failed, state: state}}
wfm: {{tenant: demo, api_url: {server}, token_url: {server}/token, client_id: a, client_secret: b}}
routes:
  - {{name: event-types, match: "event?types*.json", endpoint: event-types}}
  - {{name: reason-codes, match: "reason?codes*.json", endpoint: reason-codes}}
  - {{name: agent-events, match: "agent?events*.csv", endpoint: agent-events, acd_type: genesis{marker}}}
{routes}settle: {{quiet: 1s}}
observe: polling
rescan: 5s
upload: {{chunk_bytes: 60, lost_answer: {lost_answer}, attempts: 3, retry_cap: 30s}}
"""


FAST = Path("/dev/shm")


@contextmanager
def story_folder(seed: int) -> Iterator[Path]:
    """A folder in memory, where there is one, for the story of this seed, which a failure names."""
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as root:
        try:
            yield Path(root)
        except BaseException as error:
            error.add_note(f"the story of seed {seed}")
            raise


@contextmanager
def quiet_log() -> Iterator[None]:
    """Thousands of lives would fill the screen."""
    log.setup("critical")
    try:
        yield
    finally:
        logger.remove()


class Crash(BaseException):
    """The process is gone. Not an Exception: no handler of the agent may see it."""


class Effects:
    """Counts the effects inside `root`, ends the world at one of them, makes some of them fail."""

    def __init__(self, root: tuple[Path, ...]) -> None:
        self._roots = tuple(str(path) for path in root)
        self.points: list[str] = []  # what was passed since the last start
        self.crash_at: int | None = None
        self.fault: Callable[[str, str], OSError | None] = lambda _effect, _path: None
        self.happens: dict[int, Callable[[], None]] = {}  # what others do at a point, by its number
        self.look: Callable[[], object] | None = None  # what the world is like: asked at each point, and kept
        self.looks: list[object] = []
        self.dead = False
        self.active = False

    def point(self, name: str) -> None:
        """The world may end here."""
        if not self.active:
            return
        if self.dead:
            raise Crash(name)
        self.points.append(name)
        if self.look is not None:
            with self.paused():
                self.looks.append(self.look())
        if others := self.happens.pop(len(self.points) - 1, None):
            with self.paused():
                others()
        if self.crash_at is not None and len(self.points) - 1 == self.crash_at:
            self.dead = True
            raise Crash(name)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let every effect pass through here, as long as the block lasts."""
        homes: dict[str, Any] = dict.fromkeys((*CHANGING, "open"), os) | {"rename_new": system}
        originals = {name: getattr(home, name) for name, home in homes.items()}
        writing = Database.writing

        def wrapped(name: str) -> Callable[..., Any]:
            original = originals[name]

            def effect(*args: Any, **kwargs: Any) -> Any:
                if not self.active or (name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR)):
                    return original(*args, **kwargs)
                paths = [
                    os.fsdecode(path) for path in args[:2] if isinstance(path, (str, bytes, os.PathLike))
                ]
                if not all(path.startswith(self._roots) for path in paths):
                    return original(*args, **kwargs)
                what = " ".join([name, *(path.rpartition("/")[2] for path in paths)])
                self.point(f"before {what}")
                if error := self.fault(name, paths[-1] if paths else ""):
                    raise error
                result = original(*args, **kwargs)
                try:
                    self.point(f"after {what}")
                except Crash:
                    if name == "open":
                        os.close(result)
                    raise
                return result

            return effect

        @contextmanager
        def transaction(database: Database) -> Iterator[Any]:
            self.point("before journal")
            if error := self.fault("journal", str(database.path)):
                raise Outside(folder_target(database.path.parent), str(error))
            with writing(database) as connection:
                yield connection
                self.point("before commit")
            self.point("after commit")

        for name, home in homes.items():
            setattr(home, name, wrapped(name))
        Database.writing = transaction  # type: ignore[method-assign]
        self.active = True
        try:
            yield
        finally:
            self.active = False
            Database.writing = writing  # type: ignore[method-assign]
            for name, original in originals.items():
                setattr(homes[name], name, original)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What the world itself does is no effect of the agent."""
        was, self.active = self.active, False
        try:
            yield
        finally:
            self.active = was


class Wire:
    """The way to the server: called without a socket, but with every fault that a socket has."""

    server = SERVER
    tenant = "demo"
    token_url = f"{SERVER}/token"
    way = (Target("login", token_url), Target("server", SERVER))
    token_renewals = 0
    may_tell_time = False

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._sandbox = Sandbox(client_secret="b")
        self._sandbox.stop()  # its port is not needed
        self.clock: Callable[[], datetime | None] = lambda: None
        self.script: Callable[[Push, Callable[[], Answer]], Reply | Outside] = lambda _push, take: self.reply(
            take()
        )

    def reply(self, answer: Answer) -> Reply:
        """An answer as the client would hand it on."""
        return Reply(answer.status, answer.body.decode())

    def server_time(self) -> datetime | None:
        """The server's clock, where it is heard."""
        return self.clock()

    def get_token(self) -> float:
        """Tokens are got with each request."""
        return 240.0

    def close(self) -> None:
        """There is nothing to close."""

    def push(self, push: Push, guard: Callable[[], None] | None = None) -> Reply:
        """Send one request."""
        self._effects.point("before request")
        if guard is not None:
            guard()

        def take() -> Answer:
            with self._effects.paused():
                return self._taken(push)

        result = self.script(push, take)
        self._effects.point("after answer")
        if isinstance(result, Outside):
            raise result
        return result

    def _taken(self, push: Push) -> Answer:
        body = b"grant_type=client_credentials&client_id=wfm-importer&client_secret=b"
        form = {"content-type": "application/x-www-form-urlencoded"}
        path = "/auth/realms/demo/protocol/openid-connect/token"
        granted = self._sandbox.respond(Request("POST", path, {}, form, body))
        assert granted is not None
        token = json.loads(granted.body)["access_token"]
        headers = {"authorization": f"Bearer {token}", "tenant-id": "demo", "content-type": push.content_type}
        request = Request("POST", push.url.removeprefix(self.server), dict(push.params), headers, push.body)
        answer = self._sandbox.respond(request)
        assert answer is not None
        return answer

    def operations(self) -> list[Operation]:
        """What the server has."""
        return self._sandbox.operations()


@dataclass(eq=False)
class Flying:
    """An act on its way: done when it begins, or when it ends."""

    ends_at: float  # simulated seconds
    serial: int
    ticket: object
    work: Callable[[], object]
    is_done: bool = False
    result: object = None

    def do(self) -> object:
        """Do it, if that was not done; return its result, or its error."""
        if not self.is_done:
            try:
                self.result = self.work()
            except Exception as error:
                self.result = error
            self.is_done = True
        return self.result


class SimulatedWorkers:
    """Stands in for threads: acts are done one at a time, and waiting lets simulated time pass.

    Without `chance` a result is there at once. With it acts take time, come back in any order, and are done
    when they begin, or when they end.
    """

    lost: list[str] = []  # noqa: RUF012 - threads of this kind do not die

    def __init__(
        self, effects: Effects, sleep: Callable[[float], None], chance: random.Random | None = None
    ) -> None:
        self.acts = 0
        self.most_at_once = 0
        self._effects, self._sleep, self._chance = effects, sleep, chance
        self._now = 0.0  # seconds since the start of this life
        self._flying: list[Flying] = []
        self._vain = 0

    def do(self, ticket: object, work: Callable[[], object], *, at_once: bool = False) -> None:
        """Do it now, or later."""
        self.acts += 1
        chance = self._chance
        act = Flying(self._now, self.acts, ticket, work)
        if chance is not None:
            act.ends_at += chance.choice((0.0, 0.01, 0.3, 3.0)) * chance.random()
        self._flying.append(act)
        if chance is None or chance.random() < 0.5:
            act.do()
        self.most_at_once = max(self.most_at_once, len(self._flying))

    def wait(self, seconds: float) -> list[tuple[object, object]]:
        """Let time pass, but never stand still, until something is done."""
        if self._effects.dead:
            raise Crash("nobody waits any more")
        self._vain = self._vain + 1 if seconds <= 0 else 0
        assert self._vain < MOST_VAIN_TURNS, "it turns and turns, and nothing is due"
        until = self._now + min(max(seconds, 0.001), 5.0)
        landing = min((act.ends_at for act in self._flying), default=until)
        if landing > self._now:
            passed = min(landing, until) - self._now
            self._now += passed
            self._sleep(passed)
        done = sorted((act for act in self._flying if act.ends_at <= self._now), key=lambda act: act.serial)
        for act in done:
            act.do()
        self._flying = [act for act in self._flying if act.ends_at > self._now]
        return [(act.ticket, act.result) for act in done]

    def wake(self) -> None:
        """Nothing waits for real."""

    def forget(self) -> None:
        """The process is gone: nobody gets what was done, and its files are closed."""
        for act in self._flying:
            if isinstance(act.ticket, Task):
                act.ticket.abandon(act.result)


class Simulation:
    """One agent's world; `run` is one life of its process."""

    def __init__(
        self,
        root: Path,
        *,
        done: Path | None = None,
        lost_answer: str = "resend",
        marker: str = "",
        routes: str = "",
        more: str = "",
        beside: Simulation | None = None,
        effects: type[Effects] = Effects,
    ) -> None:
        """`routes` and `more` are settings, as YAML. An agent `beside` another one has all of its world but
        a state folder of its own."""
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.done = done or root / "done"
        self.now = 1000.0  # monotonic seconds
        self.wall = datetime(2026, 11, 23, 19, 24, 39, tzinfo=UTC)  # may jump
        self.clock_error = timedelta()  # of this machine
        text = SETTINGS.format(
            server=SERVER, done=self.done, lost_answer=lost_answer, marker=marker, routes=routes
        )
        self.state, settings = root / "state", root / "config.yaml"
        if beside is not None:
            self.state, settings = root / "state-2", root / "config-2.yaml"
            text = (root / "config.yaml").read_text().replace("state: state}", "state: state-2}")
            self.done = beside.done
        settings.write_text(text + more)
        settings.chmod(0o600)
        self._settings = settings
        self.config, _ = load(settings, {})
        self.effects = beside.effects if beside else effects((root, self.done))
        self.wire = beside.wire if beside else Wire(self.effects)
        self.on_sleep: Callable[[], None] = lambda: None  # the world goes on while the agent waits
        self.left = 0.0  # simulated seconds until this life ends
        self.chance: random.Random | None = None  # with it, acts take time and come back in any order
        self.workers: SimulatedWorkers | None = None
        self.held: set[Target] = set()  # in the life that runs, or the last one
        self.ended_twice: list[Target] = []  # holds that were told to be over, and had not begun
        self.on_event: Callable[[Event], None] = lambda _event: None
        self.faults: list[str] = []  # of the program itself: each holds its file, and the agent goes on
        self.lives = 0
        self.once = True  # else it runs until it is told to stop, and reads its settings again when asked
        self.is_alive = False

    def watched(self) -> Simulation:
        """Keep at each point of its life what its files and its server are like: see `moments`."""
        self.effects.look = self._look
        return self

    @property
    def moments(self) -> list[int]:
        """The points at which the world was another than at the one before: the other deaths are the same."""
        looks = self.effects.looks
        return [point for point, look in enumerate(looks) if point == 0 or look != looks[point - 1]]

    def _look(self) -> object:
        found = {}
        for top in (self.root, self.done):
            for folder, _, names in os.walk(top):
                for path in (Path(folder), *(Path(folder, name) for name in names)):
                    status = path.lstat()
                    content = hash(path.read_bytes()) if stat.S_ISREG(status.st_mode) else None
                    found[path] = (
                        status.st_ino,
                        status.st_mode,
                        status.st_nlink,
                        status.st_mtime_ns,
                        content,
                    )
        return found, [(len(operation.chunks), operation.completed) for operation in self.wire.operations()]

    def drop(self, name: str, content: bytes) -> None:
        """Put a whole file into the drop folder, as a careful exporter does."""
        self.begin(name, content).close()

    def begin(self, name: str, content: bytes) -> BinaryIO:
        """Put a file into the drop folder that has no more than this yet, and is still open."""
        with self.effects.paused():
            draft = self.root / f".{name}.draft"
            file = draft.open("xb")
            file.write(content)
            file.flush()
            (self.root / "drop").mkdir(exist_ok=True)
            draft.rename(self.root / "drop" / name)
        return file

    def run(self, *, seconds: float = 600.0, crash_at: int | None = None) -> int | None:
        """Live: until nothing is left to do (0, 1), out of patience (4), or a crash (None)."""
        self.lives += 1
        self.effects.points, self.effects.crash_at, self.effects.dead = [], crash_at, False
        self.left = seconds
        with self.effects.installed():
            self.is_alive = True
            try:
                return self._live()
            except Crash:
                return None
            finally:
                self.is_alive = False
                assert not self.faults, f"faults of ours: {self.faults}"

    def _live(self) -> int:
        self.workers = SimulatedWorkers(self.effects, self._sleep, self.chance)
        world = World(
            workers=self.workers,
            clock=lambda: self.now,
            now=lambda: self.wall + self.clock_error,
            jitter=self.chance.random if self.chance else lambda: 0.0,
            new_token=self._new_token,
            client=lambda _config: self.wire,
        )
        self.held = set()
        world.stream.subscribe(self._hear)
        taken = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in taken}
        try:
            return run(self.config, (), once=self.once, patience=200.0, world=world, load=self.load)
        finally:
            self.workers.forget()
            for number, handler in before.items():
                signal.signal(number, handler)

    def load(self) -> tuple[Config, list[str]]:
        """Read the settings again."""
        self.config, warnings = load(self._settings, {})
        return self.config, warnings

    def _hear(self, event: Event) -> None:
        self.on_event(event)
        match event:
            case Crashed(what, error):
                self.faults.append(f"{what}: {error!r}")
            case HoldBegan(target):
                self.held.add(target)
            case HoldEnded(target) if target not in self.held:
                self.ended_twice.append(target)
            case HoldEnded(target):
                self.held.discard(target)

    def _new_token(self) -> str:
        """Return a random one, or one that the seed decides."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4) if self.chance else uuid.uuid4())

    def _sleep(self, seconds: float) -> None:
        """Time passes, the world goes on, and this life may end in peace."""
        self.now += seconds
        self.wall += timedelta(seconds=seconds)
        was, self.left = self.left, self.left - seconds
        with self.effects.paused():
            self.on_sleep()
        if self.left <= 0 < was:
            signal.raise_signal(signal.SIGTERM)

    # -- what must hold -----------------------------------------------------------------------------

    def places_of(self, content: bytes) -> list[str]:
        """Where files with this content are."""
        found = []
        for folder in (self.root / "drop", self.done, self.root / "failed"):
            for path in folder.rglob("*") if folder.is_dir() else ():
                if path.is_file() and path.read_bytes() == content:
                    found.append(f"{folder.name}/{path.relative_to(folder)}")
        return found

    def rows(self) -> list[Row]:
        """The journal, oldest first; none where no agent ever got so far."""
        try:
            journal = SqliteJournal(self.state, readonly=True)
        except NoJournal:
            return []
        try:
            return journal.history()[::-1]
        finally:
            journal.close()

    def told(self) -> str:
        """What the agent said last, and its journal: for the report of a failing story."""
        live = self.state / "live.json"
        return f"{live.read_text() if live.exists() else ''} {self.rows()}"

    def check_quiet(self, *, resends: int) -> None:
        """The invariants of a world in which everything has come to its end.

        `resends`: how many chunks may be there twice (one for each lost answer or crash).
        """
        operations = [operation for operation in self.wire.operations() if operation.completed]
        for operation in operations:
            assert not any(chunk == b"" for chunk in operation.chunks)
        delivered = {path.name: path.read_bytes() for path in self.done.iterdir()}
        twice = 0
        for operation in operations:
            chunks = operation.chunks
            again = [index for index in range(1, len(chunks)) if chunks[index] == chunks[index - 1]]
            once = b"".join(chunk for index, chunk in enumerate(chunks) if index not in again)
            assert once in delivered.values(), f"completed, but no file is done: {once!r}"
            twice += len(again)
        if self.config.upload.lost_answer == "new_token":
            assert twice == 0
        assert twice <= resends
        for entry in self.rows():
            assert entry.state in ("done", "failed", "returned", "vanished"), entry
            if entry.state == "done" and entry.upload.chunks:
                tokens = [operation.push_token for operation in operations]
                assert tokens.count(entry.push_token) == 1, entry
        for folder in (self.root / "drop", self.done, self.root / "failed"):
            assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
        left = [str(path) for path in (self.root / "drop").rglob("*") if path.is_file()]
        assert not left, (left, self.rows())
        for report in (self.root / "failed").glob("*.error.txt"):
            assert report.with_name(report.name.removesuffix(".error.txt")).is_file(), report


LOGIN_TARGET, SERVER_TARGET = Wire.way


DISK_FAULTS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.ENOENT)
TROUBLES = ("hold", "hold", "lost", "taken", "never", "token", "gateway", "500", "413")


def disk_fault(
    chance: random.Random, share: float, effect: str, path: str, numbers: Sequence[int] = DISK_FAULTS
) -> OSError | None:
    """Fail this share of effects."""
    if chance.random() >= share:
        return None
    number = chance.choice(numbers)
    if number == errno.ENOENT and effect in ("unlink", "rmdir"):
        return None  # no system says of a file that is there that it is not
    return OSError(number, os.strerror(number), path)


def trouble(
    chance: random.Random,
    take: Callable[[], Answer],
    *,
    complete: bool,
    doubt: Callable[[], None],
    holds: Sequence[int],
    waits: Sequence[float | None],
) -> Reply | Outside:
    """One of the ways in which a request goes wrong. `complete`: the server has the whole file, and cannot
    refuse it now; `doubt` is told where the chunk may be there twice afterwards; `waits`: Retry-After."""
    match chance.choice(TROUBLES):
        case "lost" | "taken" as kind:
            doubt()
            return lost(kind == "taken", take)
        case "never":
            return never_sent()
        case "token":
            return Outside(LOGIN_TARGET, "refuses the client")
        case "gateway":
            doubt()
            take()
            return Reply(504, "gateway")
        case "500" | "413" as status if not complete:
            return Reply(int(status), "no")
        case _:
            return Reply(chance.choice(holds), "no", chance.choice(waits))


def lost(taken: bool, take: Callable[[], Answer]) -> Outside:
    """The connection breaks: before the server took the request, or after."""
    if taken:
        take()
    return LostAnswer(SERVER_TARGET, "the connection broke")


def never_sent() -> Outside:
    """The request never left."""
    return Outside(SERVER_TARGET, "refuses the connection")


def disk_full(path: str) -> OSError:
    """What a full disk says."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
