"""One file, for its own view: what the journal, the drop folder and the failed folder know of it.

A file is found by its push token, or by the name that a list shows: that is compared with what lies there,
and never made a path of. Read in the reader's thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from watcher.agent.by_hand.lying_failed import told_of
from watcher.agent.by_hand.overview import Whose, collect
from watcher.agent.start.folders import build_drop
from watcher.core.errors import Outside
from watcher.core.holds import Hold
from watcher.core.model import FINAL, FileState, Fingerprint, Row
from watcher.core.names import shown
from watcher.core.target import Target
from watcher.core.units import utc_text
from watcher.disk.answering import require_answer
from watcher.disk.failed import key_of, report_of
from watcher.disk.filing import report_text
from watcher.journal.protocol import Journal
from watcher.journal.reading import open_to_read
from watcher.report.as_data import as_json
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.web.chosen import key_of_row
from watcher.web.file_kept import has_report, lying
from watcher.web.timeline import Held, Moment, moments, time_of, written_at

MOST_OTHERS = 20  # earlier and later files of the name
MOST_LOOKS = 2  # for them: they are an extra, and the page reads with one thread
LONGEST_PROBLEM = 1_000  # characters of one
LONGEST_NAME = 2_000  # as it is shown: each byte of it may be an escape

# Of a problem's sentence: its line, the field where one is named, and what is wrong there.
_PROBLEM = re.compile(
    r"(?:line (?P<line>\d+)(?:, |: ))?"
    r"(?:(?P<field>column .*?(?=: ')|the document|\.?[\w\[\]-][\w.\[\]-]*)(?:: ))?(?P<wrong>.*)",
    re.DOTALL,
)


def about(config: Config, holds: Sequence[Hold], kind: str, key: str) -> dict[str, Any] | None:
    """Return what there is to tell of a file; None: nothing. `key` is its push token, where `kind` is
    `token`, or the name of one that is `failed` or `waiting`. Raises `Outside`, `ConfigError`."""
    find = {"token": of_token, "failed": of_failed, "waiting": of_waiting}[kind]
    return find(config, holds, key)


def of_token(config: Config, holds: Sequence[Hold], token: str) -> dict[str, Any] | None:
    """Return what there is to tell of a file in the journal; None: it has none of this push token.

    Raises `Outside`, `ConfigError`.
    """
    journal = open_to_read(config.folders.state, config.journal_url)
    if journal is None:
        return None
    try:
        row = journal.archive.of_token(token)
        return None if row is None else _of_row(config, journal, holds, row)
    finally:
        journal.close()


def of_failed(config: Config, holds: Sequence[Hold], name: str) -> dict[str, Any] | None:
    """Return what there is to tell of the file in the failed folder that is shown as `name`, whether or not
    the journal has it; of one that is gone from there the newest row of the name. Raises `Outside`,
    `ConfigError`."""
    path = lying(config, name)
    journal = open_to_read(config.folders.state, config.journal_url)
    try:
        row = None
        if journal is not None:
            row = _at(journal, path) if path else _newest(journal, name)
        if journal is not None and row is not None:
            return _of_row(config, journal, holds, row)
        if path is None:
            return None
        known = told_of(path, None, journal, build_routes(config))
    finally:
        if journal is not None:
            journal.close()
    report = report_of(path)
    return _bare(name, "failed", known["reason"]) | {
        "route": known["route"],
        "what_to_do": known["what_to_do"],
        "lines": known["lines"],
        "report": report or None,
        "problems": problems(_problems_of(report)),
        "timeline": [_moment(known["failed_at"], "failed", known["reason"], "bad")],
        "where": shown(str(path)),
        "lies_in_failed": shown(path.name),
        "went_without": known["went_without"],
        "key": known["key"],
    }


def of_waiting(config: Config, holds: Sequence[Hold], name: str) -> dict[str, Any] | None:
    """Return what there is to tell of a file that waits, or is stranded; of one that went on its row.

    Raises `Outside`, `ConfigError`.
    """
    found = collect(config)
    for row in found["waiting"]:
        if row["name"] == name and name:
            state = "stuck" if row["stuck"] else "waiting"
            bare = _bare(name, state, row["why"])
            look = _look(config, name)
            if look is not None:
                bare["bytes"] = look.size
                own_time = _moment(time_of(look), "written", "the file's own time")
                bare["timeline"].append(own_time)
            waits = _moment(row["since"], state, row["why"], "warn" if row["stuck"] else "")
            bare["timeline"].append(waits)
            where = shown(str(config.folders.drop / name))
            bare["key"] = row["key"]
            return bare | {"route": row["route"], "what_to_do": row["check"] or None, "where": where}
    for row in found["stranded"]:
        if row["name"] == name:
            host = row["host"] or row["agent"]
            bare = _bare(name, "stranded", f"the agent on {host} has not been heard of for long")
            todo = "start that agent again, or take the file out with `watcher withdraw`"
            bare["timeline"] = [_moment(row["since"], "stranded", bare["reason"], "bad")]
            return bare | {"what_to_do": todo, "where": row["path"], "key": row["path"]}
    journal = open_to_read(config.folders.state, config.journal_url)
    if journal is None:
        return None
    try:
        newest = _newest(journal, name)
        return None if newest is None else _of_row(config, journal, holds, newest)
    finally:
        journal.close()


def problems(sentences: Sequence[str]) -> list[dict[str, str | None]]:
    """Take sentences apart into the line, the field and what is wrong, for a table."""
    found = []
    for sentence in sentences:
        match = _PROBLEM.fullmatch(sentence)
        assert match is not None, "every part of it may be missing"
        found.append({key: match[key] for key in ("line", "field", "wrong")})
    return found


def _look(config: Config, name: str) -> Fingerprint | None:
    """Return the size and time of the file in the drop folder that is shown as `name`; None: it has gone."""
    try:
        require_answer(config.folders.drop)
        found = build_drop(config).scan()
    except Outside:
        return None
    return next((item.look for item in found if shown(item.name) == name), None)


def _at(journal: Journal, path: Path) -> Row | None:
    """Return the row of a file that lies in the failed folder: it failed, or its records were set aside."""
    if row := journal.archive.failed_at(path):
        return row
    # A report is a word of whoever may write there: its token counts where the journal says the same.
    told = re.search(r'^push_token: "?([0-9a-f-]{36})"?\r?$', report_of(path), re.MULTILINE)
    row = journal.archive.of_token(told[1]) if told else None
    return row if row is not None and row.place.aside == str(path) else None


def _newest(journal: Journal, name: str) -> Row | None:
    """Return the newest row of a file that is shown as `name`."""
    return next(chain((row for row in journal.under_way("drop") if shown(row.name) == name),
                      _of_name(journal, name)), None)  # fmt: skip


def _of_name(journal: Journal, name: str) -> Iterator[Row]:
    """Yield the rows that came to their end of files that are shown as `name`, newest first."""
    if not name or len(name) > LONGEST_NAME:
        return
    # Escapes are not in the journal: what stands before the first one is searched for.
    text, before = name.partition("\\")[0], None
    for _ in range(MOST_LOOKS):
        found, before = journal.archive.ended(state=None, text=text, before=before, limit=MOST_OTHERS)
        yield from (row for row in found if shown(row.name) == name)
        if before is None:
            return


def _of_row(config: Config, journal: Journal, holds: Sequence[Hold], row: Row) -> dict[str, Any]:
    told, name = as_json(row), shown(row.name)
    others = [other for other in _of_name(journal, name) if other.id != row.id][:MOST_OTHERS]
    lies = row.place.aside or (row.place.target if row.state is FileState.FAILED else None)
    path = None if lies is None else lying(config, shown(Path(lies).name))
    is_there = path is not None and str(path) == lies
    if path is not None and is_there and row.place.aside is None:
        latest = journal.archive.failed_at(path)  # another one may have the name by now
        is_there = latest is not None and latest.id == row.id
    partly = row.state is FileState.DONE and row.place.aside is not None
    whose = Whose(journal, journal.agents()).told(row)
    key = "" if whose["agent"] else key_of_row(row.id)  # another agent's is taken out there
    return told | {
        **whose,
        "id": row.id,
        "token": row.push_token,
        "key": key_of(path) if path is not None and is_there else key,
        "is_over": row.state in FINAL,
        "state": "partly delivered" if partly else told["state"],
        "delivered_bytes": row.upload.position,
        "total_bytes": row.upload.total or row.file.fingerprint.size,
        "problems": problems(told["problems"]),
        "report": report_text(row) if has_report(row) else None,
        "receipt": row.state in (FileState.DELIVERED, FileState.DONE),
        "lies_in_failed": shown(path.name) if path is not None and is_there else None,
        # Of records that were set aside it has none.
        "at_server": row.upload.at_server if row.state is FileState.FAILED else None,
        "went_without": told_of(path, row, journal, build_routes(config))["went_without"] if path else [],
        "timeline": moments(row, _held_by(config, journal, holds, row), others),
        "others": [
            {"token": other.push_token, "state": str(other.state), "at": other.outcome.finished_at}
            for other in others
        ],
    }


def _held_by(config: Config, journal: Journal, holds: Sequence[Hold], row: Row) -> list[Held]:
    """Return the holds since the file was written that were in its way."""
    until = row.outcome.finished_at or utc_text(datetime.now(UTC))
    began = datetime.fromisoformat(written_at(row))
    foreign = _foreign(config, row)
    past = [
        Held(shown(hold.target), shown(hold.reason), hold.began_at, hold.ended_at)
        for hold in journal.timeline.holds(began)
        if hold.began_at <= until and not _is_foreign(hold.target, foreign)
    ]
    lasting = [
        Held(shown(str(hold.target)), shown(hold.reason), utc_text(hold.since), None)
        for hold in holds
        if utc_text(hold.since) <= until
        and not _is_foreign(str(hold.target), foreign)
        and (hold.target.kind != "file" or not hold.target.number or hold.target.number == row.id)
    ]
    return past + lasting


def _foreign(config: Config, row: Row) -> Mapping[str, bool]:
    """Return what is not in this file's way, by the words for it: other routes and other endpoints."""
    routes = build_routes(config)
    own = next((route for route in routes if route.name == row.route), None)
    url = own.url if own else None
    targets = [Target("route", route.name) for route in routes if route.name != row.route]
    targets += [Target("endpoint", route.url) for route in routes if route.url != url]
    return dict.fromkeys(map(str, targets), True) | {str(Target("file", row.name)): False}


def _is_foreign(target: str, foreign: Mapping[str, bool]) -> bool:
    return foreign.get(target, target.startswith("file "))


def _problems_of(report: str) -> list[str]:
    """Return the problems that a report beside a file lists; they are data of whoever may write there."""
    found = re.findall(r'^problem_\d+: "?(.*?)"?\r?$', report, re.MULTILINE)
    return [shown(text[:LONGEST_PROBLEM]) for text in found[:20]]


def _moment(at: str | None, what: str, more: str, kind: str = "") -> dict[str, Any]:
    return asdict(Moment(at, what, more, kind, is_now=at is None))


def _bare(name: str, state: str, reason: str) -> dict[str, Any]:
    """Return what is told of a file that the journal has not."""
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "route", "token", "id", "what_to_do", "lines", "report", "lies_in_failed", "started_at", "sha256",
            "finished_at", "push_token", "server_said", "status", "note", "set_aside", "bytes", "records",
            "agent", "host", "waits_until",
        )
    )  # fmt: skip
    return nothing | {
        "name": name,
        "key": "",  # nothing can be done with it
        "state": state,
        "reason": reason,
        "receipt": False,
        "is_over": False,
        "went_without": [],
        "problems": [],
        "timeline": [],
        "others": [],
    }
