"""Pure: what is said of a file with bad records."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from watcher.content.rows import LISTED_RECORDS, Findings
from watcher.core.errors import Unfit
from watcher.core.model import Route


def bad_records(rows: Findings, route: Route) -> Unfit:
    """Return the refusal of a file for its bad records."""
    number = rows.records + rows.bad
    counted = f"{rows.bad:,} of {number:,} records are bad; the first: " if rows.bad > 1 else ""
    return Unfit(
        counted + rows.problems[0],
        what_to_do="mend the records and drop the file again"
        + ("; `bad_records: set_aside` sends the good ones" if route.bad_records == "fail" else ""),
        lines=line_list(rows.lines),
        problems=rows.problems,
    )


def line_list(lines: Iterable[tuple[int, int]]) -> str:
    """Return `7, 9-10, …` for the first and last lines of records."""
    spans = list(islice(lines, LISTED_RECORDS + 1))
    words = [str(first) if first == last else f"{first}-{last}" for first, last in spans[:LISTED_RECORDS]]
    return ", ".join([*words, *(["…"] if len(spans) > LISTED_RECORDS else [])])
