"""The signals that end a command with something to put in order first: each is taken as Ctrl-C is."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP, as KeyboardInterrupt."""

    def __init__(self, *, patient: bool = False) -> None:
        """`patient`: more than one is no more than one, for closing a terminal may send several."""
        self.number: int | None = None  # the first that came
        self._patient = patient
        self._first: Handler | None = None  # set: the first one does no more than this

    @property
    def why(self) -> str:
        """What ends the command, in words."""
        if self.number in (None, signal.SIGINT):
            return "interrupted by hand"
        return f"ended by {signal.Signals(self.number or 0).name}"

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them as long as the block lasts.

        Raises KeyboardInterrupt by SIGINT, SystemExit by the others, with the exit code that shells give.
        Only the main thread may call it.
        """
        before = {number: signal.signal(number, self._on_signal) for number in _numbers()}
        try:
            yield
        except KeyboardInterrupt:
            if self.number in (None, signal.SIGINT):
                raise
            raise SystemExit(128 + (self.number or 0)) from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self, first: Handler = lambda _number, _frame: None) -> Iterator[None]:
        """In the block the first one raises nothing: `first` handles it, and who runs looks at `number`."""
        self._first = first
        try:
            yield
        finally:
            self._first = None

    def raise_deferred(self) -> None:
        """Raise KeyboardInterrupt where one came in a block that deferred it."""
        if self.number is not None:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_first, self.number = self.number is None, self.number or number
        if is_first and self._first is not None:
            self._first(number, frame)
        elif is_first or not self._patient:
            raise KeyboardInterrupt


def _numbers() -> Iterator[int]:
    for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP, and the others no SIGBREAK
        # Shells start background jobs with SIGINT ignored; of SIGHUP it is the wish of whoever used nohup.
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
            yield number
