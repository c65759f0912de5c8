"""What retention will do, told before it does it: what is removed is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from watcher.commands.finding import Finding
from watcher.core.errors import ConfigError, Outside
from watcher.core.model import FileState
from watcher.core.names import counted
from watcher.journal.protocol import Archive
from watcher.journal.reading import open_to_read
from watcher.report.expect import duration
from watcher.settings.settings import Config

MOST_COUNTED = 10_000


def retention(config: Config) -> Iterator[Finding]:
    """Yield what is removed and when, with how many files are that old by now; a finding for each setting."""
    kept = config.retention
    if (kept.done, kept.failed, kept.history) == (None, None, None):
        yield Finding("ok", "retention", "nothing is ever removed")
        return
    due = _due(config)
    for name, seconds, since in (("done", kept.done, "delivery"), ("failed", kept.failed, "failure")):
        if seconds is not None:
            reports = " with their reports" if name == "failed" else ""
            words = f"files are removed{reports} {duration(seconds)} after their {since}"
            yield Finding("ok", f"retention.{name}", words + due.get(name, ""))
    if kept.history is not None:
        words = f"rows of the history are removed after {duration(kept.history)}"
        yield Finding("ok", "retention.history", words)


def _due(config: Config) -> dict[str, str]:
    """Return how many files are due now, by the journal; nothing where it cannot be asked."""
    try:
        journal = open_to_read(config.folders.state, config.journal_url)
    except (ConfigError, Outside, OSError):
        return {}  # the probe of the folder says why
    if journal is None:
        return {}
    kept = config.retention
    spans = (("done", FileState.DONE, kept.done), ("failed", FileState.FAILED, kept.failed))
    try:
        return {name: _told(journal.archive, state, span) for name, state, span in spans if span is not None}
    except Outside:
        return {}
    finally:
        journal.close()


def _told(archive: Archive, state: FileState, seconds: float) -> str:
    before = datetime.now(UTC) - timedelta(seconds=min(seconds, 10**9))
    number = len(archive.kept_since(state, before=before, after=("", 0), limit=MOST_COUNTED))
    if not number:
        return "; none is due now"
    many = "at least " if number == MOST_COUNTED else ""
    return f"; {many}{counted(number, 'file')} of the history {'is' if number == 1 else 'are'} due now"
