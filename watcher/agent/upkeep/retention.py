"""Removes files and rows that have been kept long enough, a few at a time.

Only files that the journal knows: at the place where they were put, with the size and time that they had,
and put there by no later row. Whatever is not there, or is another file, is left alone, and so is everything
while a folder is away.

By a wrong clock everything is old. So it is believed only as long as the login server's agrees with it, and
no row is of a time that is still to come; before that server was heard, nothing is removed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from watcher.core.errors import Outside
from watcher.core.events import FileRemoved, HistoryRemoved, Warned
from watcher.core.holds import NEVER
from watcher.core.model import FileState, Row
from watcher.core.names import report_name
from watcher.core.target import Target
from watcher.core.units import utc_text
from watcher.disk import files
from watcher.disk.days import held, is_day
from watcher.disk.places import Places
from watcher.journal.protocol import Archive
from watcher.report.expect import duration
from watcher.report.stream import Stream
from watcher.settings.housekeeping_settings import Retention

ROUND_SECONDS = 3600.0  # from the end of one round to the next
STEP_FILES = 20  # in one turn of the main loop: milliseconds, on a share too
STEP_ROWS = 200
DRIFT_SECONDS = 3600.0  # a clock that is set by more, or is off by more, was wrong, before or now
MTIME_TOLERANCE_NS = 2 * 10**9  # FAT keeps even seconds


class Housekeeper:
    """What is left to remove; `step` is called in a worker's thread, once at a time."""

    def __init__(
        self,
        archive: Archive,
        places: Places,
        settings: Retention,
        stream: Stream,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        server_time: Callable[[], datetime | None],
    ) -> None:
        """`now` is this machine's clock, and `server_time` the login server's, where it is known."""
        self._archive = archive
        self._places = places
        self._settings = settings
        self._stream = stream
        self._clock = clock
        self._now = now
        self._server_time = server_time
        self._due_at = clock()
        self._told = (now(), clock())  # both clocks at the last round, to see whether one was set
        self._stuck = False  # a file could not be removed in this round
        self._refused = set[Path]()  # folders of days that are no folders, told once
        self.at = self._state = files.folder_target(places.state)  # the folder that the next step looks into
        self._steps: Iterator[Target] | None = None  # of the round that has begun: the folder of each
        # How far each kind got. What was not there is not looked for again in this process.
        self._reached = dict.fromkeys((FileState.DONE, FileState.FAILED), ("", 0))

    @property
    def due_at(self) -> float:
        """When `step` has something to do, by the clock."""
        return NEVER if self._server_time() is None else self._due_at

    def step(self) -> None:
        """Do a little of what is due, at most once an hour from the beginning; raises nothing."""
        if self._clock() < self.due_at:
            return
        try:
            if (doubt := self._doubt()) is not None:
                self._warn(f"{doubt}; nothing is removed in this round")
                self._end_round()
                return
            self._steps = self._steps or self._round()
            self.at = next(self._steps)
        except StopIteration:
            self._end_round()
        except Outside as fault:
            self._warn(f"{fault}; tried again in {ROUND_SECONDS / 60:.0f} minutes")
            self._end_round()

    def _end_round(self) -> None:
        self._steps, self.at = None, self._state
        self._due_at = self._clock() + ROUND_SECONDS

    def _doubt(self) -> str | None:
        """Say why this machine's clock is not believed, or None. Raises `Outside`."""
        if self._clock_was_set():
            return "the clock was set"
        server, now = self._server_time(), self._now()
        if server is None:
            return "the clock was set"  # in this very moment
        off = (now - server).total_seconds()
        if abs(off) > DRIFT_SECONDS:
            which = "ahead of" if off > 0 else "behind"
            return f"the clock is {duration(round(abs(off)))} {which} the login server's; set it (NTP)"
        newest = self._archive.newest()
        latest = newest and max(newest.file.started_at, newest.outcome.finished_at or "")
        if latest and latest > utc_text(now + timedelta(seconds=DRIFT_SECONDS)):
            return f"the newest file of the history is of {latest}, and that is still to come"
        return None

    def _clock_was_set(self) -> bool:
        """Say whether the time of day went otherwise than time: then nothing is as old as it seems."""
        (wall, steady), self._told = self._told, (self._now(), self._clock())
        drift = (self._told[0] - wall).total_seconds() - (self._told[1] - steady)
        return abs(drift) > DRIFT_SECONDS

    def _round(self) -> Iterator[Target]:
        self._stuck = False
        kinds = (
            (FileState.DONE, self._places.done, self._settings.done),
            (FileState.FAILED, self._places.failed, self._settings.failed),
        )
        for state, folder, kept in kinds:
            if kept is not None:
                yield files.folder_target(folder)
                if folder.is_dir():
                    yield from self._files(state, folder, self._before(kept))
        away = False
        for folder in (self._places.done, self._places.failed) if self._settings.history is not None else ():
            yield files.folder_target(folder)
            away = away or not folder.is_dir()
        # A row that is gone leaves its file for ever.
        if self._settings.history is not None and not away and not self._stuck:
            before = self._before(self._settings.history)
            while number := self._archive.forget(before, limit=STEP_ROWS):
                self._stream.emit(HistoryRemoved(number, before))
                yield self._state

    def _before(self, seconds: float) -> datetime:
        return self._now() - timedelta(seconds=min(seconds, 10**9))

    def _files(self, state: FileState, folder: Path, before: datetime) -> Iterator[Target]:
        while entries := self._archive.kept_since(
            state, before=before, after=self._reached[state], limit=STEP_FILES
        ):
            for entry in entries:
                self._reached[state] = (entry.outcome.finished_at or "", entry.id)
                # A time that lies before the file's own was told by a clock that was wrong.
                if entry.file.fingerprint.mtime_ns < before.timestamp() * 10**9:
                    self._remove(entry, folder)
            yield files.folder_target(folder)

    def _remove(self, entry: Row, folder: Path) -> None:
        path = Path(entry.place.target or "")
        if path.parent == folder:
            self._remove_at(entry, path)
        elif path.parent.parent == folder and is_day(path.parent.name):
            self._remove_in_day(entry, path)

    def _remove_in_day(self, entry: Row, path: Path) -> None:
        day = path.parent
        with ExitStack() as stack:
            try:
                real = stack.enter_context(held(day))
            except Outside as fault:  # whatever it leads to is none of ours
                if day not in self._refused:
                    self._refused.add(day)
                    self._warn(f"{fault.reason}: nothing is removed by it")
                return
            except OSError:
                return  # it is not there, and so the file is not
            is_removed = self._remove_at(entry, real / path.name)
        if is_removed:
            with suppress(OSError):  # only for the eye
                files.remove_folder(day)

    def _remove_at(self, entry: Row, path: Path) -> bool:
        """Remove the file of this row, if it is what is at `path`; says whether it did."""
        if not self._is_still(entry, path):
            return False
        try:
            # The report first: a crash in between leaves the file, which is found again.
            if entry.state is FileState.FAILED:
                files.remove(path.with_name(report_name(path.name)))
            files.remove(path)
        except OSError as error:
            self._stuck = True
            self._warn(f"{entry.place.target} cannot be removed: {error.strerror}")
            return False
        self._archive.removed(entry, self._now())
        self._stream.emit(FileRemoved(entry))
        return True

    def _warn(self, words: str) -> None:
        self._stream.emit(Warned(f"retention: {words}"))

    def _is_still(self, entry: Row, path: Path) -> bool:
        """Say whether what is at `path` is the file of this row."""
        try:
            found = os.lstat(path)
        except OSError:
            return False
        look = entry.file.fingerprint
        if not stat.S_ISREG(found.st_mode) or found.st_size != look.size:
            return False
        if abs(found.st_mtime_ns - look.mtime_ns) > MTIME_TOLERANCE_NS or not self._archive.is_latest_at(
            entry
        ):
            return False
        # Moved within its file system it is the same inode still; else its content tells, where it is known.
        if (found.st_dev, found.st_ino) == (look.device, look.inode):
            return True
        if entry.upload.sha256 is not None:
            return files.sha256(path) == entry.upload.sha256
        return found.st_dev != look.device
