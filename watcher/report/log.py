"""loguru, set up once, and the wording and level of every event: nothing else in the package logs.

One line an event: control characters are escaped, so that a file name cannot forge a line. Tracebacks
never show the values of variables (`diagnose=False`): one of them may be the client secret.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

from watcher.core.errors import ConfigError
from watcher.core.model import Row
from watcher.core.names import counted, shown
from watcher.core.units import utc_text
from watcher.report.log_lines import PRIORITY, journald_line, json_line, text_line

if TYPE_CHECKING:
    from loguru import Record

Listener = Callable[[str, Mapping[str, Any]], None]
_listeners: list[Listener] = []


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
    logger.remove()
    logger.configure(extra={"event": "", "fields": {}})
    out = sys.stderr if stream is None else stream
    journald = "JOURNAL_STREAM" in os.environ and stream is None
    render = json_line if style == "json" else journald_line if journald else text_line
    common: dict[str, Any] = {"level": level.upper(), "diagnose": False, "backtrace": False}

    def write(message: str) -> None:
        out.write(message)

    logger.add(write, format=_format(render), colorize=False, **common)
    if file is not None:
        plain = json_line if style == "json" else text_line
        try:
            logger.add(
                file, format=_format(plain), rotation=rotate_bytes, retention=keep, encoding="utf-8", **common
            )
        except OSError as error:
            raise ConfigError(f"log.file: {shown(str(file))} cannot be written: {error.strerror}") from error
    # httpx logs whole URLs at INFO, watchdog every event at DEBUG.
    logging.basicConfig(handlers=[_FromStandardLogging()], level=logging.WARNING, force=True)


def listen(hear: Listener) -> Callable[[], None]:
    """Tell `hear` of every event, by name and fields, whatever the level of the log; returns what ends that.

    It is called in the thread of the event and must not wait. A fault in it is logged, and stops nothing.
    """
    _listeners.append(hear)
    return lambda: _listeners.remove(hear)


def started(*, drop: Path, server: str, version: str, routes: int, observe: str) -> None:
    """The agent runs."""
    _say("INFO", "started", "watcher {version} watches {drop} ({observe}) for {server}, {routes}",
         version=version, drop=str(drop), observe=observe, server=server,
         routes=counted(routes, "route"))  # fmt: skip


def status_page(url: str) -> None:
    """The status page is there."""
    _say("INFO", "status_page", "the status page is at {url}", url=url)


def stopped(reason: str) -> None:
    """The agent ends."""
    _say("INFO", "stopped", "stopped: {reason}", reason=reason)


def reload_accepted() -> None:
    """SIGHUP, and the settings are sound."""
    _say("INFO", "reload_accepted", "the settings were read again: they take effect when the uploads"
         " under way are at their end, or held")  # fmt: skip


def reload_refused(problems: Sequence[str]) -> None:
    """SIGHUP, and they are not."""
    _say("ERROR", "reload_refused", "the settings were read again and refused; the old ones stay in force:"
         " {problems}", problems="; ".join(problems))  # fmt: skip


def warn(sentence: str) -> None:
    """Something that a person should know, and that stops nothing."""
    _say("WARNING", "warning", "{sentence}", sentence=sentence)


def folder_created(folder: Path) -> None:
    """First start: a folder of the settings was not there."""
    _say("INFO", "folder_created", "created the folder {folder}", folder=str(folder))


def observer_restarted() -> None:
    """The event source had gone deaf."""
    _say("INFO", "observer_restarted", "the drop folder was replaced or the event source died: watching anew")


def resumed(entry: Row) -> None:
    """A file that was under way at the last stop goes on."""
    _say("INFO", "resumed", "{name}: goes on where it was ({state}, {counted} delivered)",
         **_of(entry), state=str(entry.state), counted=counted(entry.upload.chunks, "chunk"))  # fmt: skip


def claimed(entry: Row) -> None:
    """A file left the drop folder."""
    _say("DEBUG", "claimed", "{name}: claimed for {route}, push token {push_token}", **_of(entry))


def chunk_sent(entry: Row, *, start: int, end: int, last: bool) -> None:
    """A chunk was acknowledged."""
    _say("DEBUG", "chunk", "{name}: chunk {chunks} delivered, bytes {start} to {end}{which}",
         **(_of(entry) | {"chunks": entry.upload.chunks + 1}), start=start, end=end,
         which=", the last one" if last else "")  # fmt: skip


def delivered(entry: Row, *, seconds: float) -> None:
    """The one line that says it all."""
    notes = "; ".join(filter(None, (entry.outcome.reason, entry.outcome.note)))
    _say("INFO", "delivered",
         "{name}: delivered to {route}, {bytes} bytes, {counted}, {seconds} s, push token"
         " {push_token}, now {target}{note}",
         **_of(entry), counted=counted(entry.upload.chunks, "chunk"), seconds=round(seconds, 3),
         target=entry.place.target or entry.file.source, note=f" ({notes})" if notes else "")  # fmt: skip


def failed(entry: Row) -> None:
    """The fault lies in the file."""
    _say("ERROR", "failed", "{name}: failed: {reason}; {what_to_do}; now {target}",
         **_of(entry), reason=entry.outcome.reason, what_to_do=entry.outcome.what_to_do,
         target=entry.place.target or entry.file.source)  # fmt: skip


def returned(entry: Row) -> None:
    """A file went back into the drop folder."""
    _say("WARNING", "returned", "{name}: back in the drop folder: {reason}",
         **_of(entry), reason=entry.outcome.reason)  # fmt: skip


def vanished(entry: Row) -> None:
    """A claimed file is nowhere."""
    _say("WARNING", "vanished", "{name}: {reason}", **_of(entry), reason=entry.outcome.reason)


def hold_began(target: str, reason: str, check: str, *, seconds: float) -> None:
    """Something outside is in the way."""
    _say("WARNING", "hold_began", "holding {target}: {reason}; next try in {seconds} s, and so on without end"
         "{hint}", target=target, reason=reason, seconds=round(seconds, 1),
         hint=f"; check: {check}" if check else "")  # fmt: skip


def hold_ended(target: str, *, seconds: float, tries: int) -> None:
    """... and is not any more."""
    _say("INFO", "hold_ended", "{target} is back after {seconds} s and {tries} tries",
         target=target, seconds=round(seconds, 1), tries=tries)  # fmt: skip


def trying_again(entry: Row, *, reason: str, attempt: int, seconds: float) -> None:
    """A server error that may be the file's fault."""
    _say("WARNING", "trying_again", "{name}: {reason}; try {attempt} failed, next in {seconds} s",
         **_of(entry), reason=reason, attempt=attempt, seconds=round(seconds, 1))  # fmt: skip


def smaller_chunks(route: str, limit: int) -> None:
    """413."""
    _say("WARNING", "smaller_chunks", "{route}: the server refuses the size: chunks of at most {limit} bytes"
         " from now on; upload.chunk_bytes can say so", route=route, limit=limit)  # fmt: skip


def start_over(entry: Row) -> None:
    """A lost answer with `lost_answer: new_token`."""
    _say("WARNING", "start_over", "{name}: an answer was lost: begins again under push token {push_token}",
         **_of(entry))  # fmt: skip


def notify_fails(channel: str, why: str) -> None:
    """A message to a person does not get through; once for an outage."""
    _say("WARNING", "notify_fails", "{channel}: a message cannot be sent: {why}; tried a few times more,"
         " and files go on; `watcher check --notify` sends a test", channel=channel, why=why)  # fmt: skip


def notify_works(channel: str) -> None:
    """... and does again."""
    _say("INFO", "notify_works", "{channel}: messages get through again", channel=channel)


def notify_lost(number: int) -> None:
    """More files failed than there was room to remember while a message was being sent."""
    _say("WARNING", "notify_lost", "{counted} failed and were not told: too many at once; `watcher history"
         " --failed` shows all", counted=counted(number, "file"))  # fmt: skip


def removed(entry: Row) -> None:
    """Kept long enough: `retention`."""
    _say("INFO", "removed", "{name}: {state} since {since}, kept long enough: removed {target}",
         **_of(entry), state=str(entry.state), since=entry.outcome.finished_at,
         target=entry.place.target)  # fmt: skip


def history_removed(number: int, *, before: datetime) -> None:
    """Rows of the journal, too."""
    _say("INFO", "history_removed", "removed {counted} from the history: they ended before {before}",
         counted=counted(number, "row"), before=utc_text(before))  # fmt: skip


def crashed(where: str) -> None:
    """A fault of ours; called while the exception is handled."""
    logger.opt(exception=True).bind(event="crashed", fields={"where": where}).critical(
        "a fault of watcher itself, please report it: {}", where
    )


def _of(entry: Row) -> dict[str, Any]:
    return {
        "name": entry.name,
        "route": entry.route or "no route",
        "bytes": entry.file.fingerprint.size,
        "chunks": entry.upload.chunks,
        "push_token": entry.push_token,
    }


def _say(level: str, event: str, wording: str, **fields: Any) -> None:
    # Values go in by name and never become part of a format string: a file may be called {0}.csv.
    safe = {key: shown(value) if isinstance(value, str) else value for key, value in fields.items()}
    logger.bind(event=event, fields=safe).log(level, "{}", wording.format(**safe))
    for hear in tuple(_listeners):
        try:
            hear(event, safe)
        except Exception:  # counting is none of the event's business: a file must not be held by it
            logger.opt(exception=True).bind(event="deaf", fields={}).error("a listener failed on {}", event)


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
