"""`watcher explain --suggest FILE`: a route's settings for an unknown export, to be read and corrected."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from watcher.content.content import Scratch
from watcher.content.inspect import prepare
from watcher.content.suggested import Suggestion, suggested
from watcher.content.suggested_columns import ColumnGuess
from watcher.content.suggested_frame import CsvGuess
from watcher.core.errors import ConfigError, NotWhole, Outside, Unfit
from watcher.core.model import Route
from watcher.core.names import counted, shown
from watcher.disk.claim import open_still
from watcher.settings.config import parsed
from watcher.settings.presets import PRESETS, build_routes
from watcher.settings.strict_yaml import scalar

ENDPOINTS = ", ".join(PRESETS)
_WIDTH = 110  # of a line with its comment
_AROUND = """\
folders: {drop: drop, done: done, failed: failed, state: state}
wfm: {tenant: a, api_url: "https://a.example", token_url: "https://a.example", client_id: a, client_secret: a}
routes:
"""


def suggest(files: Sequence[Path], say: Callable[[str], None]) -> int:
    """Print the settings of a route for each file. Returns 0, or 1 where there is nothing to suggest."""
    return max([_suggest(file, say) for file in files], default=0)


def _suggest(path: Path, say: Callable[[str], None]) -> int:
    with ExitStack() as scratches:

        def scratch() -> BinaryIO:
            return cast(BinaryIO, scratches.enter_context(tempfile.TemporaryFile()))

        try:
            file = scratches.enter_context(open_still(path))
            found = suggested(file, path.name, scratch)
            lines = list(_lines(found))
            doubts = _tried(lines, file, path.name, scratch)
        except FileNotFoundError:
            return _nothing(path, "there is no such file", say)
        except OSError as error:
            return _nothing(path, f"cannot be read: {error.strerror}", say)
        except NotWhole:
            return _nothing(path, "not a regular file, or it changes while it is read", say)
        except Unfit as fault:
            return _nothing(path, f"{fault.reason}; {fault.what_to_do}", say)
    for line in _head(path, found, doubts):
        say(line)
    for line in lines:
        say(line)
    return 0


def _nothing(path: Path, why: str, say: Callable[[str], None]) -> int:
    say(f"# {shown(str(path))}: nothing to suggest: {shown(why)}")
    return 1


def _head(path: Path, found: Suggestion, doubts: str) -> Iterator[str]:
    csv, whole = found.csv, found.looked_at == found.size
    what = (
        "JSON"
        if csv is None
        else f"{counted(csv.records, 'record')} of {counted(len(csv.columns), 'column')}"
    )
    part = "" if whole else f", in the first {found.looked_at:,} of {found.size:,} bytes and at the end"
    yield f"# {shown(path.name)}: {what}{part}."
    yield "# Guessed from this file alone: read it, correct it, and put it below `routes:` of your settings."
    yield f"# Then see what becomes of the file, which sends nothing: watcher explain {shown(path.name)}"
    for note in (*found.notes, *(csv.doubts if csv else ())):
        yield f"# {note}"
    if doubts:
        yield f"# NOT YET RIGHT: with these settings it would fail: {doubts}"


# -- the route ---------------------------------------------------------------------------------------


def _lines(found: Suggestion) -> Iterator[str]:
    stem = re.sub(r"\.\w+$", "", found.name)
    name = re.sub(r"[\W\d_]+", "-", stem).strip("-").lower() or "export"
    csv = found.csv
    yield _line("- name", name)
    yield _line("  match", _glob(found.name), "names of its kind, digits as *; case counts")
    if csv is None:
        reason = "reason" in found.name.casefold()
        yield _line("  endpoint", "reason-codes" if reason else "event-types", f"one of {ENDPOINTS}")
    else:
        yield _line("  endpoint", "agent-events", f"one of {ENDPOINTS}")
        yield _line("  acd_type", name, "CORRECT IT: as your event types name it")
    if found.encoding:
        yield _line("  encoding", found.encoding, found.encoding_note)
    for key, value in found.json_keys.items():
        yield _line(f"  {key}", value)
    if csv is not None:
        yield from _csv_lines(csv)


def _csv_lines(csv: CsvGuess) -> Iterator[str]:
    if csv.delimiter != ",":
        yield _line("  delimiter", csv.delimiter, csv.notes.get("delimiter", ""))
    if not csv.quoting.quotes:
        yield _line("  quotes", "none", "a quote is text here")
    if csv.quoting.escape:
        yield _line("  escape", csv.quoting.escape, 'a quote in a field is written \\"')
    if csv.trailing_delimiter:
        yield _line("  trailing_delimiter", True, "each line ends with a delimiter")
    if csv.empty_rows:
        yield _line("  empty_rows", "drop", csv.notes["empty_rows"])
    lines = list(_frame_lines(csv))
    yield from ["  lines:", *lines] if lines else []
    if csv.header and not csv.header_pattern and csv.header_lines == 1:
        yield _line("  header", "drop", "its line is left out; `first` sends one")
    if csv.columns:
        yield _line("  others", "drop", "what you remove below is left out")
        yield "  columns:  # in the order in which they go out; `name` is yours to choose"
        yield from (f"    # {line}" for line in _advice(csv))
        for column in csv.columns:
            yield from _column_lines(column)


def _frame_lines(csv: CsvGuess) -> Iterator[str]:
    if csv.header_pattern:
        yield _line("    header", csv.header_pattern, csv.notes["header"])
    if csv.header_lines > 1:
        yield _line("    header_lines", csv.header_lines, "the names stand in two lines, and are joined")
    if csv.footer:
        yield _line("    footer", csv.footer, csv.notes["footer"])
        yield "    # ... a file without it was not written to its end; remove it if not each export has it"
    if csv.comment:
        yield _line("    comment", csv.comment, csv.notes["comment"])


def _advice(csv: CsvGuess) -> Iterator[str]:
    if any(column.needs_zone for column in csv.columns):
        yield "CORRECT timezone: that of the clock which wrote the times, such as Europe/Prague. Where clocks"
        yield "are changed twice a year, `ambiguous: later` says which of two an hour is that comes twice."
    if any("value" in note for column in csv.columns for note in column.notes):
        yield 'Where few values are listed, a map sends other words: map: {Ready: READY, "*": OTHER}'


def _column_lines(column: ColumnGuess) -> Iterator[str]:
    sources = [_value(each) for each in column.sources]
    parts = [
        f"name: {_value(column.name)}",
        "from: " + (sources[0] if len(sources) == 1 else f"[{', '.join(sources)}]"),
    ]
    if column.times:
        times = [_value(each) for each in column.times]
        parts.append("time: " + (times[0] if len(times) == 1 else f"[{', '.join(times)}]"))
    if column.needs_zone:
        parts.append("timezone: UTC")
    if column.duration:
        parts.append(f"duration: {_value(column.duration)}")
    if column.decimal:
        parts.append(f"decimal: {_value(column.decimal)}")
    if column.kind:
        parts.append(f"is: {column.kind}")
    if column.optional:
        parts.append("optional: true")
    yield f"    - {{{', '.join(parts)}}}"
    for note in column.notes:
        yield f"      # {shown(note)[: 3 * _WIDTH]}"


def _line(key: str, value: object, comment: str = "") -> str:
    line = f"  {key}: {_value(value)}"[2:]
    return f"{line}  # {shown(comment)[: 2 * _WIDTH]}" if comment else line


def _value(value: object) -> str:
    """Return a value as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else scalar(str(value))


def _glob(name: str) -> str:
    # What a glob takes for more than itself stands in brackets.
    plain = re.sub(r"([\[\]*?])", lambda found: f"[{found[1]}]", name)
    return re.sub(r"\d+([-_.:T ]?\d+)*", "*", plain)


# -- does it read the file? --------------------------------------------------------------------------


def _tried(lines: Sequence[str], file: BinaryIO, name: str, scratch: Scratch) -> str:
    """Read the file by these settings; returns what is wrong, or nothing."""
    text = _AROUND + "".join(f"  {line}\n" for line in lines)
    try:
        (route,) = build_routes(parsed(text, Path("config.yaml"), {}))
    except ConfigError as error:
        return "; ".join(re.sub(r"^config\.yaml:\d+: ", "", problem) for problem in error.problems)
    return _reads(route, file, name, scratch)


def _reads(route: Route, file: BinaryIO, name: str, scratch: Scratch) -> str:
    try:
        prepare(file, name, route, scratch=scratch, now=datetime.now(UTC))
    except Unfit as fault:
        return "; ".join([fault.reason, *map(shown, fault.problems[:3])])
    except Outside as fault:
        return fault.reason
    return ""
