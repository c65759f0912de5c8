"""New settings for a running agent, asked for by SIGHUP: read again, judged, and kept until it is replaced.

Settings with any fault are refused, and the old ones stay in force. A folder of theirs that does not answer
keeps the agent from nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from watcher.agent.engine.engine import Engine
from watcher.agent.engine.runs import Call
from watcher.agent.start.preparing import require_distinct
from watcher.core.errors import ConfigError, WatcherError
from watcher.core.events import ReloadAccepted, ReloadRefused, Warned
from watcher.core.target import Target
from watcher.report.stream import Stream
from watcher.settings.settings import Config

# Files under way lie in the one, and their rows in the other.
_FIXED = ("state", "drop", "work_folder")


class Reload:
    """The settings in force, and those that wait; used by the control thread alone."""

    def __init__(
        self,
        config: Config,
        stream: Stream,
        *,
        file: Target,
        asked: Callable[[], bool],
        load: Callable[[], tuple[Config, list[str]]],
        set_up_log: Callable[[Config], None],
        try_out: Callable[[Config], None],
    ) -> None:
        """`file`: what does not answer where they are not read in time; `asked` says whether a reload was
        asked for since it was last called; `load` reads the settings; `set_up_log` makes the log as they say;
        `try_out` builds what they need, and puts it away again. The last three raise `ConfigError`."""
        self.current = config
        self._stream = stream
        self._before = config
        self._next: Config | None = None
        self._is_reading = False
        self._file, self._asked = file, asked
        self._load = load
        self._set_up_log = set_up_log
        self._try_out = try_out

    @property
    def waits(self) -> bool:
        """Whether sound new settings wait for the agent to be replaced."""
        return self._next is not None

    def look(self, engine: Engine) -> None:
        """Begin to read the settings again, if that was asked for."""
        if not (self._is_reading or self.waits) and self._asked():
            self._is_reading = True
            engine.chore("settings", self._read(), self._has_read)

    def _has_read(self, _result: None, _seconds: float) -> None:
        self._is_reading = False

    async def _read(self) -> None:
        """Read and judge them. Raises nothing: the agent must go on."""
        try:
            fresh, warnings = await Call(self._load, self._file)
            _refuse_fixed(self.current, fresh)
            await require_distinct(fresh)
            self._try_out(fresh)
            # Anew, even if it is the same: who rotates logs moves the file away, and sends this signal.
            self._set_up_log(fresh)
        except (WatcherError, OSError) as error:
            problems = error.problems if isinstance(error, ConfigError) else (str(error),)
            self._open_log_again()
            self._stream.emit(ReloadRefused(problems))
            return
        for warning in warnings:
            self._stream.emit(Warned(warning))
        self._stream.emit(ReloadAccepted())
        self._next = fresh

    def take(self) -> Config:
        """Put the settings that wait in force, and return them."""
        if self._next is not None:
            self._before, self.current, self._next = self.current, self._next, None
        return self.current

    def give_back(self, error: ConfigError) -> None:
        """The settings taken last cannot be worked with after all: those before them are in force again.

        Raises `error` where there are none before them.
        """
        if self._before is self.current:
            raise error
        self._stream.emit(ReloadRefused(error.problems))
        self.current = self._before

    def _open_log_again(self) -> None:
        """The settings in force stay so, but their log file may have been moved away all the same."""
        try:
            self._set_up_log(self._next or self.current)
        except ConfigError as error:  # it goes on without the file
            for problem in error.problems:
                self._stream.emit(Warned(problem))


def _refuse_fixed(current: Config, fresh: Config) -> None:
    changed = [
        f"folders.{key.removesuffix('_folder')} cannot be changed by a reload; restart the agent for that"
        for key in _FIXED
        if getattr(current.folders, key) != getattr(fresh.folders, key)
    ]
    changed += [
        f"{key} cannot be changed by a reload; restart the agent for that"
        for key in ("journal", "lease")
        if getattr(current, key) != getattr(fresh, key)
    ]
    if changed:
        raise ConfigError(changed)
