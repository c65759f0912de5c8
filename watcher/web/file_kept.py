"""What of one file can be kept: its error report, or its receipt. Read in the reader's thread."""

from __future__ import annotations

from pathlib import Path

from watcher.core.errors import Outside
from watcher.core.model import FileState, Row
from watcher.core.names import fitted, report_name
from watcher.disk.failed import report_of, shown_as
from watcher.disk.filing import key_lines, report_text
from watcher.journal.reading import open_to_read
from watcher.report.as_data import as_json
from watcher.settings.settings import Config


def download(config: Config, what: str, kind: str, key: str) -> tuple[str, str] | None:
    """Return the name and the text of a `report` or `receipt`; `kind` and `key` as in
    `file_page.about`. Raises `Outside`, `ConfigError`."""
    if what == "receipt":
        return receipt(config, key) if kind == "token" else None
    return report(config, key) if kind == "token" else report_beside(config, key)


def report(config: Config, token: str) -> tuple[str, str] | None:
    """Return the name and the text of the error report of a file in the journal; None: there is none.

    Raises `Outside`, `ConfigError`.
    """
    row = _row(config, token)
    return None if row is None or not has_report(row) else (report_name(row.name), report_text(row))


def report_beside(config: Config, name: str) -> tuple[str, str] | None:
    """Return the name and the text of the report beside the failed file which is shown as `name`; None: there
    is none. Raises `Outside`."""
    told = ((report_name(path.name), report_of(path)) for path in shown_as(config.folders.failed, name))
    return next((both for both in told if both[1]), None)


def receipt(config: Config, token: str) -> tuple[str, str] | None:
    """Return the name and the text of the receipt of a delivered file; None: there is none.

    Raises `Outside`, `ConfigError`.
    """
    row = _row(config, token)
    if row is None or row.state not in (FileState.DELIVERED, FileState.DONE):
        return None
    told = as_json(row)
    keys = (
        "name", "route", "acd_type", "state", "push_token", "bytes", "chunks", "records", "sha256",
        "first_line_sha256", "last_line_sha256", "started_at", "finished_at", "note", "set_aside", "where",
    )  # fmt: skip
    return fitted(row.name, ".receipt.txt"), key_lines({key: told[key] for key in keys})


def lying(config: Config, name: str) -> Path | None:
    """Return the one of the files in the failed folder that is shown as `name`; None: none is, or the folder
    is away."""
    try:
        return next(iter(shown_as(config.folders.failed, name)), None)
    except Outside:
        return None


def has_report(row: Row) -> bool:
    """Whether there is an error report: it failed, or left records behind."""
    return row.state is FileState.FAILED or row.place.aside is not None


def _row(config: Config, token: str) -> Row | None:
    journal = open_to_read(config.folders.state, config.journal_url)
    if journal is None:
        return None
    try:
        return journal.archive.of_token(token)
    finally:
        journal.close()
