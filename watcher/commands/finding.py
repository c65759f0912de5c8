"""One finding of `watcher check`, and how a probe becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from watcher.core.errors import Outside, WatcherError
from watcher.core.names import shown

Level = Literal["ok", "warn", "fault", "untested"]
_HEADS = {"ok": "ok   ", "warn": "warn ", "fault": "FAULT", "untested": "?    "}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and, where it is not fine, the way out."""

    level: Level
    what: str
    finding: str
    fix: str = ""

    @property
    def line(self) -> str:
        """For people, on one line."""
        return shown(
            f"{_HEADS[self.level]} {self.what}: {self.finding}" + (f"; {self.fix}" if self.fix else "")
        )


def probed(what: str, probe: Callable[[], str]) -> Finding:
    """Return what `probe` finds, or the fault that it raises."""
    try:
        return Finding("ok", what, probe())
    except Outside as fault:
        return Finding("fault", what, fault.reason, fault.check)
    except OSError as error:
        where = f" to {shown(str(error.filename))}" if error.filename else ""
        return Finding(
            "fault", what, error.strerror or str(error), f"check the permissions on the way{where}"
        )
    except WatcherError as error:
        found, _, fix = str(error).partition("; ")  # our sentences: what is wrong; the remedy
        return Finding("fault", what, found, fix)
