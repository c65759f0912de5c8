"""What became of files, page by page. Read in the reader's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watcher.core.model import FileState
from watcher.journal.reading import open_to_read
from watcher.report.as_data import as_json
from watcher.settings.settings import Config

PAGE = 20  # outcomes
SAID_CHARS = 300  # of a server's answer; the report has more
LONGEST_TEXT = 300  # characters that are searched for; no name is longer
# A search looks on so many times; then whoever asked decides whether it goes on.
MOST_LOOKS = 10
SHOWS: Mapping[str, FileState | None] = {
    "all": None, "failed": FileState.FAILED, "delivered": FileState.DONE
}  # fmt: skip


def short(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the page shows it."""
    said = row["server_said"]
    return row | {"server_said": said[:SAID_CHARS] if said else said}


def outcomes(
    config: Config, *, show: str, text: str, before: int | None, between: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Return a page of outcomes in `rows`, and in `next` from where to look on; None: nothing is older.

    `show` is one of `SHOWS`; `between`: only those that ended from a time on and before another, UTC as
    `units.utc_text` writes it. Raises `Outside`, `ConfigError`.
    """
    journal = open_to_read(config.folders.state, config.journal_url)
    if journal is None:
        return {"rows": [], "next": None}
    rows: list[dict[str, Any]] = []
    try:
        for _ in range(MOST_LOOKS):
            found, before = journal.archive.ended(
                state=SHOWS[show],
                text=text[:LONGEST_TEXT],
                before=before,
                limit=PAGE - len(rows),
                between=between,
            )
            rows += [short(as_json(row)) for row in found]
            if before is None or len(rows) == PAGE:
                break
    finally:
        journal.close()
    return {"rows": rows, "next": before}
