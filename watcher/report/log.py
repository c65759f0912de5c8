"""loguru, set up once: nothing else in the package logs. What is said of an event is in `log_words`.

One line an event: control characters are escaped, so that a file name cannot forge a line. Tracebacks
never show the values of variables (`diagnose=False`): one of them may be the client secret.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

from watcher.core.errors import ConfigError
from watcher.core.events import ChunkSent, Claimed, Crashed, Event
from watcher.core.names import shown
from watcher.report.log_lines import PRIORITY, coloured_line, journald_line, json_line, text_line
from watcher.report.log_words import told

if TYPE_CHECKING:
    from loguru import Record


_verbose = False


def setup(
    level: str = "info",
    *,
    style: str = "text",
    file: Path | None = None,
    rotate_bytes: int = 10_000_000,
    keep: int = 10,
    stream: TextIO | None = None,
) -> None:
    """Send the log to `stream` (standard error) and, if given, to a rotated `file`; `style`: text or json.

    Raises `ConfigError` for a file that cannot be written.
    """
    global _verbose
    _verbose = level.upper() == "DEBUG"
    logger.remove()
    logger.configure(extra={"event": "", "fields": {}})
    out = sys.stderr if stream is None else stream
    journald = "JOURNAL_STREAM" in os.environ and stream is None
    plain = coloured_line if wants_colours(out) else text_line
    render = json_line if style == "json" else journald_line if journald else plain
    common: dict[str, Any] = {"level": level.upper(), "diagnose": False, "backtrace": False}

    def write(message: str) -> None:
        out.write(message)

    logger.add(write, format=_format(render), colorize=False, **common)
    if file is not None:
        line = json_line if style == "json" else text_line
        try:
            logger.add(
                file, format=_format(line), rotation=rotate_bytes, retention=keep, encoding="utf-8", **common
            )
        except OSError as error:
            raise ConfigError(f"log.file: {shown(str(file))} cannot be written: {error.strerror}") from error
    # httpx logs whole URLs at INFO, watchdog every event at DEBUG.
    logging.basicConfig(handlers=[_FromStandardLogging()], level=logging.WARNING, force=True)


def wants_colours(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether what is written there may have colours: no-color.org, force-color.org, and TERM.

    A pipe and a file have none, unless they are forced to.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    # Consoles of Windows show the codes themselves; its Terminal, which understands them, says what it is.
    understands = environ.get("TERM", "dumb" if os.name == "nt" and "WT_SESSION" not in environ else "")
    return understands not in ("dumb", "unknown") and hasattr(stream, "isatty") and stream.isatty()


def hear(event: Event) -> None:
    """Log an event."""
    if isinstance(event, Claimed | ChunkSent) and not _verbose:
        return  # most of all events: they are worded only where somebody reads them
    level, name, wording, fields = told(event)
    error = event.error if isinstance(event, Crashed) else None
    # Values go in by name and never become part of a format string: a file may be called {0}.csv.
    safe = {key: shown(value) if isinstance(value, str) else value for key, value in fields.items()}
    bound = logger.bind(event=name, fields=safe).opt(exception=error)
    bound.log(level, "{}", wording.format(**safe))


def deaf(event: Event, error: Exception) -> None:
    """Whoever listens to events failed on one: a fault of ours, which stops nothing."""
    name = told(event)[1]
    logger.opt(exception=error).bind(event="deaf", fields={}).error("a listener failed on {}", name)


def _format(render: Any) -> Any:
    def formatted(record: Record) -> str:
        record["extra"]["line"] = render(record)
        return "{extra[line]}\n"

    return formatted


class _FromStandardLogging(logging.Handler):
    """Brings warnings of httpx and watchdog into this log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = record.levelname if record.levelname in PRIORITY else "WARNING"
            bound = logger.bind(event="library", fields={"logger": record.name})
            bound.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())
        except Exception:  # as every handler does: a library's bad message must not end its thread
            self.handleError(record)
