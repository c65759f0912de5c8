"""The endpoint presets, the checks of routes across keys, and settings to finished routes.

The paths, content types and the order of the presets are those of the vendor's page "Custom Import of
Adherence Data Using API" and its neighbour on historical data; all of them can be set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from watcher.content.json_faults import fault_of
from watcher.content.json_schema import about_the_whole, validator
from watcher.core.model import Column, Route
from watcher.core.names import shown
from watcher.core.route import compiled_glob, compiled_regex
from watcher.settings.column_settings import ColumnSettings
from watcher.settings.settings import Config, RouteSettings
from watcher.settings.strict_yaml import Location


@dataclass(frozen=True, slots=True)
class Preset:
    """What an endpoint's name stands for."""

    path: str
    content_type: str
    needs_acd_type: bool = False
    after: tuple[str, ...] = ()  # endpoints whose files go first


PRESETS = {
    "event-types": Preset("/_rest/scheduling/adherence/event-types", "application/json"),
    "reason-codes": Preset(
        "/_rest/scheduling/adherence/reason-codes", "application/json", after=("event-types",)
    ),
    "agent-events": Preset(
        "/_rest/scheduling/adherence/agent-events",
        "text/csv",
        needs_acd_type=True,
        after=("event-types", "reason-codes"),
    ),
    "historical-data": Preset("/_rest/forecasting/historical-data/historical-data-push", "text/csv"),
}


# The keys that are for one kind of files, with what they are when they are not used.
_JSON_ALONE: dict[str, object] = {"schema": None, "split": None, "split_at": None, "format": "json"}
_CSV_ALONE: dict[str, object] = {
    "header": "none",
    "columns": None,
    "reorder": False,
    "bad_records": "fail",
    "delimiter": ",",
    "quotes": "double",
    "escape": None,
    "trailing_delimiter": False,
    "empty_rows": "fail",
    "lines": None,
    "others": "fail",
}


def route_problems(data: dict[str, Any]) -> list[tuple[Location, str]]:
    """Check the routes of the raw settings across their keys, and against each other."""
    routes = data.get("routes")
    if not isinstance(routes, list):
        return []
    if not routes:
        return [(("routes",), "is empty; add at least one route")]
    problems: list[tuple[Location, str]] = []
    names: dict[str, int] = {}
    for index, route in enumerate(routes):
        if not isinstance(route, dict):
            continue
        problems += [(("routes", index, key), words) for key, words in _within(route)]
        name = route.get("name")
        if isinstance(name, str):
            if name in names:
                problems.append(
                    (("routes", index, "name"), f"routes[{names[name]}] has this name; choose another")
                )
            names.setdefault(name, index)
    for index, route in enumerate(routes):
        after = route.get("after") if isinstance(route, dict) else None
        for other in after if isinstance(after, list) else []:
            if isinstance(other, str) and other not in names:
                known = ", ".join(names)
                problems.append(
                    (("routes", index, "after"), f"there is no route {other}; the routes are {known}")
                )
    return problems


def _within(route: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the problems of one route as (key, words)."""
    match = route.get("match")
    regex = match.get("regex") if isinstance(match, dict) else route.get("regex")
    if match in (None, [], "") and regex is None:
        yield "match", "is missing; add a glob such as '*.csv', or regex: '...'"
    elif match is not None and route.get("regex") is not None:
        yield "regex", "give either match or regex"
    groups: Sequence[str] = ()
    if isinstance(regex, str):
        try:
            groups = compiled_regex(regex).groups
        except ValueError as error:
            yield "regex", f"is no regular expression: {error}; put it in single quotes"
    endpoint = route.get("endpoint")
    preset = PRESETS.get(endpoint) if isinstance(endpoint, str) else None
    yield from _contents(route, str(route.get("content_type") or (preset.content_type if preset else "")))
    if preset is None:
        if endpoint is not None and "path" not in route:
            words = f"must be one of {', '.join(PRESETS)}, not {shown(str(endpoint))}"
            yield "endpoint", f"{words}; or give path and content_type"
        for key in ("path", "content_type"):
            if route.get(key) is None and (endpoint is None or "path" in route):
                yield (
                    key,
                    f"is missing; an endpoint of your own needs it (the presets are {', '.join(PRESETS)})",
                )
    elif preset.needs_acd_type and route.get("acd_type") is None and "acd_type" not in groups:
        yield (
            "acd_type",
            f"is missing; {endpoint} needs it: set it, or name a group of a regex: '(?P<acd_type>\\w+)_.*'",
        )


def _headless(route: dict[str, Any]) -> bool:
    lines = route.get("lines")
    named = isinstance(lines, dict) and (lines.get("header") or lines.get("header_lines"))
    return not named and route.get("header") in (None, "none")


def _contents(route: dict[str, Any], content_type: str) -> Iterator[tuple[str, str]]:
    """Yield the problems of the keys that say what is in the files."""
    is_json = "json" in content_type
    for key, default in (_CSV_ALONE if is_json else _JSON_ALONE).items():
        if route.get(key) not in (None, [], "", default):
            yield key, f"is for {'CSV' if is_json else 'JSON'} routes; this one sends {content_type}"
    if route.get("escape") not in (None, "") and route.get("escape") == route.get("delimiter"):
        yield "escape", "is the delimiter as well; no file can be read so"
    if route.get("split_at") is not None and route.get("format") == "jsonl":
        yield "split_at", "is for one document with an array in it, and format: jsonl for many; remove one"
    columns = route.get("columns")
    names = [
        str(column.get("name") if isinstance(column, dict) else column).strip().casefold()
        for column in (columns if isinstance(columns, list) else [])
    ]
    if twice := next((name for name in names if names.count(name) > 1), None):
        yield "columns", f"has {twice} twice; each column needs a name of its own"
    if route.get("bad_records") == "set_aside" and not names:
        yield "bad_records", "needs columns: without them no record is bad"
    if route.get("reorder") is True and (not names or _headless(route)):
        yield "reorder", "needs columns, and a header (drop, first or every) that tells their order"


def schema_problems(config: Config) -> list[tuple[Location, str]]:
    """Check that every `schema` is one."""
    problems: list[tuple[Location, str]] = []
    for index, route in enumerate(config.routes):
        if route.schema_file is not None:
            at: Location = ("routes", index, "schema")
            try:
                text = route.schema_file.read_text(encoding="utf-8-sig")
                validator(text)
                if route.split is not None and (keys := about_the_whole(text)):
                    words = f"{', '.join(keys)} at the top is about the whole array, which `split` never has"
                    problems.append((at, f"{words}; remove one of them"))
            except OSError as error:
                words = f"{shown(str(route.schema_file))} cannot be read: {error.strerror}; correct the path"
                problems.append((at, words))
            except RecursionError:
                problems.append((at, f"{shown(str(route.schema_file))} is nested too deeply to be read"))
            except ValueError as error:  # no JSON, no UTF-8, or no schema
                words = f"{shown(str(route.schema_file))} is no JSON Schema: {_no_schema(error)}"
                problems.append((at, words))
    return problems


def _no_schema(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}: {fault_of(error, error.doc).words}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8; save it so"
    return shown(str(error))


def circle(routes: Sequence[Route]) -> list[tuple[Location, str]]:
    """Return the problem of routes that wait for each other, and so would wait for ever."""
    after = {route.name: route.after for route in routes}
    for index, route in enumerate(routes):
        reached, todo = set[str](), list(route.after)
        while todo:
            other = todo.pop()
            if other not in reached:
                reached.add(other)
                todo += after.get(other, ())
        if route.name in reached:
            words = f"{route.name} waits for itself in the end; break the circle"
            return [(("routes", index, "after"), words)]
    return []


def build_routes(config: Config) -> tuple[Route, ...]:
    """Return the routes as the agent uses them: patterns compiled, presets and defaults filled in."""
    built = []
    for route in config.routes:
        preset = PRESETS.get(route.endpoint or "")
        content_type = route.content_type or (preset.content_type if preset else "")
        after = route.after
        if after is None:
            first = preset.after if preset else ()
            after = tuple(other.name for other in config.routes if other.endpoint in first)
        globs = [compiled_glob(glob) for glob in route.match]
        expressions = [compiled_regex(route.regex)] if route.regex is not None else []
        built.append(
            Route(
                name=route.name,
                patterns=(*globs, *expressions),
                url=config.wfm.api + (route.path or (preset.path if preset else "")),
                content_type=content_type,
                format="json" if "json" in content_type else "csv",
                acd_type=route.acd_type,
                params=tuple(route.params.items()),
                chunk_bytes=route.chunk_bytes or config.upload.chunk_bytes,
                max_record=config.upload.max_record,
                max_json=config.upload.max_json,
                parallel=route.parallel,
                after=after,
                header=_header(route),
                columns=tuple(map(_column, route.columns)),
                reorder=route.reorder,
                bad_records=route.bad_records,
                encoding=route.encoding,
                delimiter=route.delimiter,
                quotes=route.quotes,
                escape=route.escape,
                trailing_delimiter=route.trailing_delimiter,
                empty_rows=route.empty_rows,
                schema=_text(route.schema_file),
                split=route.split,
                split_at=route.split_at,
                documents=route.format == "jsonl",
                max_expanded=config.upload.max_expanded,
                max_ratio=config.upload.max_ratio,
                marker=route.marker,
                empty=route.empty,
                lines=route.lines.lines if route.lines else None,
                others=route.others,
                duplicates=route.duplicates or config.duplicates,
            )
        )
    return tuple(built)


def _column(column: ColumnSettings) -> Column:
    return Column(
        name=column.name,
        kind=column.rule,
        required=column.required,
        one_of=column.one_of,
        pattern=column.pattern,
        not_future=column.not_future,
        not_older=column.not_older,
        shape=column.shape,
    )


def _header(route: RouteSettings) -> Literal["none", "drop", "first", "every"]:
    """Return what becomes of the header: where `lines` names one, it is there, and is no record."""
    named = route.lines is not None and (route.lines.header is not None or route.lines.header_lines > 1)
    return "drop" if named and route.header == "none" else route.header


def _text(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8-sig")
