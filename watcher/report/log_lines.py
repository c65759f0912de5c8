"""A record of the log as it is written: one line, whatever is in it; a traceback has more.

Python's own words are used for tracebacks: they show no values of variables.
"""

from __future__ import annotations

import json
import traceback
from datetime import UTC
from typing import TYPE_CHECKING

from watcher.core.names import shown
from watcher.core.units import utc_text

if TYPE_CHECKING:
    from loguru import Record

# syslog priorities, which journald reads from the head of a line: man sd-daemon(3)
PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


def text_line(record: Record) -> str:
    """For people, and for a file."""
    head = f"{record['time']:YYYY-MM-DD HH:mm:ss.SSS} {record['level'].name:<8} "
    return "\n".join([head + shown(record["message"]), *_traceback(record)])


_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_GREEN, _PLAIN = "\x1b[32m", "\x1b[0m"
_GOOD_NEWS = ("delivered", "hold_ended", "stuck_ended", "notify_works")


def coloured_line(record: Record) -> str:
    """For people at a terminal: problems red, what is held amber, what went well green."""
    level = f"{record['level'].name:<8}"
    good = _GREEN if record["extra"].get("event") in _GOOD_NEWS else ""
    colour = _COLOURS.get(record["level"].name, good)
    return text_line(record).replace(level, f"{colour}{level}{_PLAIN}", 1) if colour else text_line(record)


def journald_line(record: Record) -> str:
    """For journald, which has a clock of its own: the level in front of each line."""
    priority = f"<{PRIORITY.get(record['level'].name, 6)}>"
    return "\n".join(priority + line for line in [shown(record["message"]), *_traceback(record)])


def _traceback(record: Record) -> list[str]:
    """Return the lines of the record's exception: Python's own words, which show no values of variables."""
    if record["exception"] is None:
        return []
    text = "".join(traceback.format_exception(record["exception"].value))
    return [shown(line) for line in text.splitlines()]


def json_line(record: Record) -> str:
    """For programs: one object."""
    line = {
        "time": utc_text(record["time"].astimezone(UTC)),
        "level": record["level"].name.lower(),
        "event": record["extra"].get("event", ""),
        "message": shown(record["message"]),
        **record["extra"].get("fields", {}),
    }
    if record["exception"] is not None:
        line["exception"] = "\n".join(_traceback(record))
    return json.dumps(line, ensure_ascii=False, default=str)
