"""What people see: lines, tables and a progress bar, all by rich, and all of it plain text as data.

A file may be called `[red].csv`: nothing that is shown is ever taken for markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Row = Sequence[object]
UNFOLDED = 100_000  # columns: nothing is folded in a pipe or a file


class Terminal:
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(stderr=stderr, highlight=False, markup=False)
        if not self._console.is_terminal:
            self._console.width = UNFOLDED

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Print a table; None is an empty cell, whole numbers go to the right."""
        self._console.print(_table(columns, rows))

    @contextmanager
    def live_table(self, columns: Sequence[str]) -> Iterator[Callable[[Sequence[Row]], None]]:
        """Show a table as long as the block lasts; call what it gives with new rows."""
        with Live(console=self._console, transient=True) as live:
            yield lambda rows: live.update(_table(columns, rows))

    @contextmanager
    def bar(self) -> Iterator[Bar]:
        """Show progress bars as long as the block lasts."""
        progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
        )
        with progress:
            yield Bar(progress)


class Bar:
    """A progress bar for each file, one at a time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, name: str, total_bytes: int) -> None:
        """Begin with the next file."""
        self._task = self._progress.add_task("", name=name, total=total_bytes, note="")

    def reached(self, bytes_done: int, total_bytes: int | None) -> None:
        """So much of the file is delivered, of what is known by now to be sent."""
        if self._task is not None:
            self._progress.update(self._task, completed=bytes_done, total=total_bytes)

    def note(self, text: str) -> None:
        """Say something behind the bar."""
        if self._task is not None:
            self._progress.update(self._task, note=text)


def _table(columns: Sequence[str], rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        right = bool(rows) and all(isinstance(row[number], int) for row in rows)
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    for row in rows:
        table.add_row(
            *(
                Text("" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell))
                for cell in row
            )
        )
    return table
