"""What people see: lines, tables and a progress bar, all by rich, and all of it plain text as data.

A file may be called `[red].csv`: nothing that is shown is ever taken for markup.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from shutil import get_terminal_size
from threading import Event

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text
from rich.theme import Theme

from watcher.commands.table import SHORTEST_NAME, Row, cut_name, laid_out

UNFOLDED = 100_000  # columns: nothing is folded in a pipe or a file
PROBLEM, HELD, FINE = "red", "yellow", "green"  # whether they show is for rich: NO_COLOR, FORCE_COLOR, TERM
# Red is for problems, which a speed and a bar are not.
_THEME = Theme({"progress.data.speed": "cyan", "bar.complete": "green", "bar.finished": "green"})
_BESIDE = 62  # columns that a bar takes beside its name
_OF_STATES = {"done": FINE, "delivered": FINE, "failed": PROBLEM, "rejected": PROBLEM, "retrying": HELD}


class Terminal:
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(stderr=stderr, highlight=False, markup=False, theme=_THEME)
        # Not what rich says: FORCE_COLOR makes a terminal of every pipe, which has no width all the same.
        self.is_live = self._console.file.isatty()

    @property
    def width(self) -> int:
        """How many columns there are, by now."""
        return get_terminal_size().columns if self.is_live else UNFOLDED

    def say(self, text: str, style: str = "", *, head: str = "") -> None:
        """Print a line; `style`: the colour of all of it, or, where there is one, of its `head` alone."""
        line = Text(head, style) + Text(text) if head else Text(text, style)
        self._console.print(line, soft_wrap=True)

    def time(self, utc: str | None) -> str | None:
        """Return a time of the journal as people have it: local, on a terminal without its seconds."""
        return None if utc is None else local_time(utc, "minutes" if self.is_live else "seconds")

    def markdown(self, text: str) -> None:
        """Print a text in Markdown: laid out on a terminal, as it is in a pipe or a file."""
        if self._console.is_terminal:
            from rich.markdown import Markdown  # only here: it would slow down the start of every command

            self._console.print(Markdown(text, code_theme="ansi_dark"))
        else:
            self._console.file.write(text)  # rich makes blanks of tabs

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        names: Sequence[str] = ("name", "route"),
        beneath: Mapping[str, str] | None = None,
    ) -> None:
        """Print a table that fits: see `laid_out`."""
        for line in laid_out(columns, rows, self.width, names=names, beneath=beneath or {}):
            self._console.print(line, soft_wrap=True)

    @contextmanager
    def live_table(
        self, columns: Sequence[str], beneath: Mapping[str, str]
    ) -> Iterator[Callable[[Sequence[Row]], None]]:
        """Show a table as long as the block lasts, on a terminal; call what it gives with new rows."""
        if not self.is_live:
            yield lambda rows: None
            return
        with Live(console=self._console, transient=True) as live:
            yield lambda rows: live.update(
                Group(*laid_out(columns, rows, self.width, names=columns[:1], beneath=beneath))
            )

    def repeat(self, draw: Callable[[], object], seconds: float) -> None:
        """Show what `draw` prints again and again, until Ctrl-C: in place on a terminal, else in blocks."""
        pause, over = Event(), list[bool]()

        def end(_number: int, _frame: object) -> None:
            over.append(True)  # where the exception is lost, in a finalizer say, the next turn is the last
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, end)
        try:
            if not self.is_live or self._console.is_dumb_terminal:
                while not over:
                    draw()
                    self.say(f"\n--- {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}, until Ctrl-C ---\n")
                    self._console.file.flush()
                    pause.wait(seconds)
                return
            with self._console.screen() as screen:
                while not over:
                    with self._console.capture() as drawn:
                        draw()
                    self._console.control(Control.home())
                    screen.update(self._fitted(drawn.get()))
                    pause.wait(seconds)
        except KeyboardInterrupt:
            return
        finally:
            signal.signal(signal.SIGINT, before)

    def _fitted(self, drawn: str) -> Text:
        """Return as much as the screen has lines for; what is left out is counted."""
        lines = Text.from_ansi(drawn).wrap(self._console, self.width)
        room = get_terminal_size().lines
        if len(lines) > room:
            left = Text(f"... and {len(lines) - room + 1} lines more: watcher status", HELD)
            return Text("\n").join([*lines[: room - 1], left])
        return Text("\n").join(lines)

    @contextmanager
    def bar(self, name: str, total_bytes: int) -> Iterator[Bar]:
        """Show a file's progress and speed as long as the block lasts; nothing in a pipe or a file."""
        progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False, style=HELD),
            console=self._console,
            transient=True,
            disable=not self.is_live,
        )
        with progress:
            yield Bar(progress, cut_name(name, max(self.width - _BESIDE, SHORTEST_NAME)), total_bytes)


class Bar:
    """A file's progress."""

    def __init__(self, progress: Progress, name: str, total_bytes: int) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("", name=name, total=total_bytes, note="")

    def reached(self, bytes_done: int, total_bytes: int | None) -> None:
        """So much of the file is delivered, of what is known by now to be sent."""
        self._progress.update(self._task, completed=bytes_done, total=total_bytes)

    def note(self, text: str) -> None:
        """Say something behind the bar."""
        self._progress.update(self._task, note=text)


def state(word: str) -> Text:
    """Return a file's state in its colour: problems red, what waits amber, what is well green."""
    return Text(word, _OF_STATES.get(word, ""))


def local_time(utc: str, precision: str = "seconds") -> str:
    """Return a time of the journal (`utc_text`) as the clock on the wall here has it; what is none stays:
    a report is a word of whoever may write there."""
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(utc).astimezone().replace(tzinfo=None).isoformat(" ", precision)
    return utc


def zone() -> str:
    """Return the zone of local times, to be said once: `UTC+01:00`."""
    offset = f"{datetime.now().astimezone():%z}"
    return "UTC" if offset[1:5] == "0000" else f"UTC{offset[:3]}:{offset[3:5]}"
