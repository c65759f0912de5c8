"""Who works under our agent id: the owner file in our part of the work folder says so.

A copied state folder (a cloned machine, a backup that was put back) has the id of the agent that it is a
copy of, and with it that one's part of the work folder: two would take each other's files out of it. So the
part says who has it: one life of a process, and, as its modification time, when that last said that it lives.
Where the two are on one running system, that decides by facts (whose is the state folder's lock, is that
process alive), else by silence.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watcher.core.errors import NotAlone, Outside
from watcher.core.names import shown
from watcher.disk import files
from watcher.disk.ours import require_ours
from watcher.disk.system import open_to_read

OWNER_FILE = ".owner"
HEARTBEAT_SECONDS = 60.0
# Ten heartbeats: a share that hangs for minutes, and clocks that differ a little, make nobody dead.
DEAD_SECONDS = 600.0
_MOST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Identity:
    """One life of an agent's process; None: not known."""

    host: str | None = None
    boot: str | None = None  # of the running system, the same in all its containers
    pid: int | None = None
    pids: str | None = None  # the namespace that the pid is of
    began: str | None = None  # the process, in ticks since the boot: pids are used again
    state: str | None = None  # device and inode of its state folder, which it has locked: a copy has others
    instance: str | None = None  # random

    @classmethod
    def of_us(cls, state: Path) -> Identity:
        """Return a new one, of a process that has locked the state folder."""
        place = pids = None
        with suppress(OSError):
            found = state.stat()
            place = f"{found.st_dev}:{found.st_ino}"
        with suppress(OSError):
            pids = os.readlink("/proc/self/ns/pid")
        pid = os.getpid()
        return cls(socket.gethostname(), _boot_id(), pid, pids, _began(pid), place, uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Told:
    """What an owner file says."""

    who: Identity
    beat: float  # seconds since 1970, by the clock of its file system
    has_stopped: bool = False
    mark: tuple[int, int] = field(default=(0, 0))  # tells this version of the file from others


def read_owner(part: Path) -> Told | None:
    """Read the owner file of an agent's part of the work folder; None: there is none. Raises OSError."""
    try:
        descriptor = open_to_read(part / OWNER_FILE)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        told: Any = None
        with suppress(ValueError, OSError):
            told = json.loads(os.read(descriptor, _MOST_BYTES))
        told = told if isinstance(told, dict) else {}
        return Told(_identity(told), status.st_mtime, bool(told.get("stopped")), _mark(status))
    finally:
        os.close(descriptor)


def _identity(told: dict[str, Any]) -> Identity:
    values = {one.name: told.get(one.name) for one in fields(Identity)}
    pid = values.pop("pid")
    texts = {name: value if isinstance(value, str) else None for name, value in values.items()}
    return Identity(**texts, pid=pid if isinstance(pid, int) and 0 < pid < 2**31 else None)


def _mark(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns


def is_living(told: Told, ours: Identity, *, silent: float, uptime: float | None) -> bool:
    """Say whether the agent of an owner file, which is not ours, may be at work.

    `silent`: for so many seconds it said nothing; `uptime`: of this system.
    """
    who = told.who
    if told.has_stopped or silent > DEAD_SECONDS or who == Identity():  # empty: the power was cut
        return False
    if who.boot == ours.boot and (who.boot is not None or who.host == ours.host):
        if who.state is not None and who.state == ours.state:
            return False  # we have its lock
        if who.pid is not None and who.pids in (None, ours.pids) and sys.platform != "win32":
            return _runs(who.pid, who.began)
        return True
    # It ended with the system: that was started since then, or its clock was ahead and was put right.
    is_over = silent < -DEAD_SECONDS or (uptime is not None and silent > uptime)
    return not (who.host == ours.host and is_over)


def _runs(pid: int, began: str | None) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return began is None or _began(pid) in (None, began)


def _began(pid: int) -> str | None:
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        return text.rpartition(")")[2].split()[19]  # proc_pid_stat(5): field 22
    return None


def _boot_id() -> str | None:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()  # random(4)
    return None


def _uptime() -> float | None:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else None


class Owner:
    """Our own owner file; its methods are called in workers' threads."""

    def __init__(self, work: Path, ours: Identity) -> None:
        """`work`: our own part of the work folder; the first claim makes it."""
        self.is_urgent = False  # a `check` met another agent: a `beat` is due
        self._work, self._ours = work, ours
        self._written: tuple[int, int] | None = None  # the mark of what we wrote last
        self._lock = threading.Lock()

    def take(self) -> None:
        """Before anything in there is touched: say that it is ours from now on.

        Raises `NotAlone` where another agent works under our id, `Outside`.
        """
        with files.blame(self._work):
            self.require_alone()
            with self._lock:
                if self._work.is_dir():
                    self._write(has_stopped=False)

    def beat(self) -> None:
        """Say that we live. Raises `NotAlone` where another agent works under our id by now."""
        with suppress(OSError, Outside):  # none of our files waits for it
            self.is_urgent = False
            self.require_alone()
            with self._lock:
                if self._work.is_dir():
                    require_ours(self._work)
                    self._write(has_stopped=False)

    def check(self) -> None:
        """Raise `Outside` where another agent works under our id by now: the next `beat` ends us."""
        with files.blame(self._work):
            if (other := self._other()) is not None:
                self.is_urgent = True
                raise Outside(files.folder_target(self._work), self._words(other), check=self._remedy)

    def require_alone(self) -> None:
        """Raise `NotAlone` where another agent works under our id, OSError where that is not known."""
        if (other := self._other()) is not None:
            raise NotAlone(f"{self._words(other)}; {self._remedy}")

    def leave(self) -> None:
        """Say that we have stopped, where files of ours stay in there. Raises OSError."""
        with self._lock:
            told = read_owner(self._work)
            if told is not None and told.who.instance == self._ours.instance:
                self._write(has_stopped=True)

    def _other(self) -> Told | None:
        """Return who works under our id, if not we."""
        path = self._work / OWNER_FILE
        with suppress(FileNotFoundError):
            if self._written == _mark(os.lstat(path)):
                return None
        told = read_owner(self._work)
        if told is None or told.who.instance == self._ours.instance:
            return None
        silent = files.time_in(self._work) - told.beat
        return told if is_living(told, self._ours, silent=silent, uptime=_uptime()) else None

    def _write(self, *, has_stopped: bool) -> None:
        text = asdict(self._ours) | ({"stopped": True} if has_stopped else {})
        path = self._work / OWNER_FILE
        files.replace_private(path, json.dumps(text).encode())
        self._written = _mark(os.lstat(path))

    def _words(self, other: Told) -> str:
        where = f" on {shown(other.who.host)}" if other.who.host else ""
        process = f", process {other.who.pid}" if other.who.pid else ""
        at = datetime.fromtimestamp(other.beat, UTC)
        return (
            f"another agent works under the id of this one, {self._work.name}{where}{process}:"
            f" it was last heard of at {at:%Y-%m-%d %H:%M:%S} UTC"
        )

    @property
    def _remedy(self) -> str:
        return (
            "if the state folder was copied from there, remove the copy: the agent makes a new one, with an"
            f" id of its own; else stop that one. After {DEAD_SECONDS / 60:.0f} minutes of silence it counts"
            " as gone"
        )
