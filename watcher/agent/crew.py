"""The uploader threads: one for each file under way, each carrying its file to the end.

An exception that nobody expected, in one file, holds that file and no other. The main thread sets off and
collects; the threads only carry.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from watcher.agent.holds import Holds
from watcher.core.errors import Outside, Stopped
from watcher.core.model import Row
from watcher.core.names import shown
from watcher.report import log

Join = Callable[[], None]  # waits for the end of what was spawned


def in_thread(work: Callable[[], None], name: str) -> Join:
    """Do `work` in a thread of its own."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread.join


class Crew:
    """All uploads of one agent."""

    def __init__(
        self,
        carry: Callable[[Row], Row],
        holds: Holds,
        *,
        wake: Callable[[], None],
        spawn: Callable[[Callable[[], None], str], Join] = in_thread,
    ) -> None:
        """`carry` brings a file to its end; `wake` is called, in its thread, when one came there."""
        self.under_way: Counter[str | None] = Counter()  # by route; the main thread's
        self.faulty: set[int] = set()  # rows held by a fault of ours; each thread changes its own
        self._carry = carry
        self._holds = holds
        self._wake = wake
        self._spawn = spawn
        self._joins: dict[int, Join] = {}  # by row
        self._ended: queue.SimpleQueue[tuple[Row, Row | None]] = queue.SimpleQueue()

    @property
    def idle(self) -> bool:
        """Whether no file is under way."""
        return not self._joins

    @property
    def at_rest(self) -> bool:
        """Whether no file moves: every one that is under way waits for the end of a hold."""
        return len(self._joins) <= self._holds.waiting()

    @property
    def number(self) -> int:
        """How many files are under way. Any thread may ask."""
        return len(self._joins)

    def lost(self) -> list[str]:
        """Return the names of threads that are no more, with their files not collected yet."""
        alive = {thread.name for thread in threading.enumerate()}
        return [name for row in list(self._joins) if (name := _thread_name(row)) not in alive]

    def set_off(self, entry: Row) -> None:
        """Give a file its thread."""
        self.under_way[entry.route] += 1
        self._joins[entry.id] = self._spawn(partial(self._work, entry), _thread_name(entry.id))

    def collect(self) -> Iterator[Row | None]:
        """Yield the last row of each file that came to its end, None for one that was stopped."""
        with suppress(queue.Empty):
            while True:
                entry, last = self._ended.get_nowait()
                del self._joins[entry.id]
                self.under_way[entry.route] -= 1
                yield last

    def join(self) -> None:
        """Wait for all threads: at most as long as a request under way may take."""
        for join in list(self._joins.values()):
            join()

    def _work(self, entry: Row) -> None:
        last = None
        try:
            last = self._holds.insist(partial(self._carried, entry))
        except Stopped:
            pass  # the journal has it as it is
        finally:
            self._ended.put((entry, last))
            self._wake()

    def _carried(self, entry: Row) -> Row:
        try:
            last = self._carry(entry)
        except (Stopped, Outside):
            raise
        except Exception as error:
            log.crashed(f"the upload of {shown(entry.name)}")
            self.faulty.add(entry.id)
            raise Outside(
                f"file {shown(entry.name)}",
                f"a fault of watcher itself: {type(error).__name__}",
                check="the traceback in the log, and report it",
            ) from error
        self.faulty.discard(entry.id)
        return last


def _thread_name(row: int) -> str:
    return f"upload-{row}"
