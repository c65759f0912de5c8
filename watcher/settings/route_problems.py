"""The checks of routes across their keys, and against each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from watcher.content.json_faults import fault_of
from watcher.content.json_schema import about_the_whole, validator
from watcher.core.names import shown
from watcher.core.route import compiled_regex
from watcher.settings.presets import PRESETS, goes_after
from watcher.settings.settings import Config, RouteSettings
from watcher.settings.strict_yaml import Location
from watcher.settings.wrong import WRONG, Unknown

# What the agent itself says in the query, in lower case, and what to do instead of saying it a second time:
# servers differ in which of two they take, and one that takes the wrong one commits a part of a file.
_OWN_PARAMS = {
    "pushtoken": "each file has its own; remove it",
    "lastchunk": "it is true on the last chunk alone; remove it",
    "acdtype": "use `acd_type` of the route",
}
# The keys that are for one kind of files, with what they are when they are not used.
_JSON_ALONE: dict[str, object] = {"schema": None, "split": None, "split_at": None, "format": "json"}
CSV_ALONE: dict[str, object] = {
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
        with suppress(Unknown):
            for key, words in _within(route):
                problems.append((("routes", index, key), words))
        problems += [(("routes", index, "params", key), words) for key, words in _params(route)]
        name = route.get("name")
        if isinstance(name, str):
            if name in names:
                problems.append(
                    (("routes", index, "name"), f"routes[{names[name]}] has this name; choose another")
                )
            names.setdefault(name, index)
    if not all(isinstance(route, dict) and isinstance(route.get("name"), str) for route in routes):
        return problems  # one that is asked for may be the one without a sound name
    for index, route in enumerate(routes):
        after = route.get("after")
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
    if _is_nothing(match) and regex is None:
        yield "match", "is missing; add a glob such as '*.csv', or regex: '...'"
    elif match is not None and route.get("regex") is not None:
        yield "regex", "give either match or regex"
    groups: Sequence[str] | None = () if regex is None else None  # None: not known
    if isinstance(regex, str):
        try:
            groups = compiled_regex(regex).groups
        except ValueError as error:
            yield "regex", f"is no regular expression: {error}; put it in single quotes"
    endpoint = route.get("endpoint")
    preset = PRESETS.get(endpoint) if isinstance(endpoint, str) else None
    if preset is None:
        if endpoint and "path" not in route:
            yield "endpoint", f"must be one of {', '.join(PRESETS)}; or give path and content_type"
        for key in ("path", "content_type"):
            if route.get(key) is None and (endpoint is None or "path" in route):
                yield (
                    key,
                    f"is missing; an endpoint of your own needs it (the presets are {', '.join(PRESETS)})",
                )
    elif preset.needs_acd_type and route.get("acd_type") is None and _lacks(groups, "acd_type"):
        yield (
            "acd_type",
            f"is missing; {endpoint} needs it: set it, or name a group of a regex: '(?P<acd_type>\\w+)_.*'",
        )
    # Last, as it may end where a value is wrong.
    content_type = route.get("content_type", preset.content_type if preset else None)
    yield from _contents(route, content_type if isinstance(content_type, str) else None)


def _params(route: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the further query parameters of a route that are not the user's to set, as (key, words)."""
    params = route.get("params")
    for key in params if isinstance(params, dict) else ():
        if isinstance(key, str) and (instead := _OWN_PARAMS.get(key.strip().lower())):
            yield key, f"the agent itself sends this parameter: {instead}"


def _lacks(groups: Sequence[str] | None, name: str) -> bool:
    return groups is not None and name not in groups


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str | list) and not value)


def _headless(route: dict[str, Any]) -> bool:
    lines = route.get("lines")
    named = isinstance(lines, dict) and (lines.get("header") or lines.get("header_lines"))
    return not named and route.get("header") in (None, "none")


def _contents(route: dict[str, Any], content_type: str | None) -> Iterator[tuple[str, str]]:
    """Yield the problems of the keys that say what is in the files; `content_type` None: it is not known."""
    is_json = "json" in (content_type or "")
    others = (CSV_ALONE if is_json else _JSON_ALONE) if content_type else {}
    for key, default in others.items():
        value = route.get(key)
        if value is not WRONG and not _is_nothing(value) and value != default:
            yield key, f"is for {'CSV' if is_json else 'JSON'} routes; this one sends {content_type}"
    escape = route.get("escape")
    if isinstance(escape, str) and escape and escape == route.get("delimiter"):
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
        if route is not WRONG and route.schema_file is not None and route.schema_file is not WRONG:
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


def _has_place(route: RouteSettings) -> bool:
    """Say whether it is known which route this is, and which ones it waits for."""
    return route is not WRONG and all(
        value is not WRONG for value in (route.name, route.endpoint, route.after)
    )


def circle(config: Config) -> list[tuple[Location, str]]:
    """Return the problem of routes that wait for each other, and so would wait for ever."""
    routes = {index: route for index, route in enumerate(config.routes) if _has_place(route)}
    after = {route.name: goes_after(route, tuple(routes.values())) for route in routes.values()}
    for index, name in ((index, route.name) for index, route in routes.items()):
        reached, todo = set[str](), list(after[name])
        while todo:
            other = todo.pop()
            if other not in reached:
                reached.add(other)
                todo += after.get(other, ())
        if name in reached:
            words = f"{name} waits for itself in the end; break the circle"
            return [(("routes", index, "after"), words)]
    return []
