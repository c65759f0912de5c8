"""The endpoint presets, and settings to finished routes.

The paths, content types and the order of the presets are those of the vendor's page "Custom Import of
Adherence Data Using API" and its neighbour on historical data; all of them can be set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from watcher.core.model import Column, Route
from watcher.core.route import compiled_glob, compiled_regex
from watcher.settings.column_settings import ColumnSettings
from watcher.settings.settings import Config, RouteSettings


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


def build_routes(config: Config) -> tuple[Route, ...]:
    """Return the routes as the agent uses them: patterns compiled, presets and defaults filled in."""
    built = []
    for route in config.routes:
        preset = PRESETS.get(route.endpoint or "")
        content_type = route.content_type or (preset.content_type if preset else "")
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
                after=goes_after(route, config.routes),
                header=header_of(route),
                columns=tuple(map(column_of, route.columns)),
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


def goes_after(route: RouteSettings, routes: Sequence[RouteSettings]) -> tuple[str, ...]:
    """Return the names of the routes whose files go before those of `route`."""
    if route.after is not None:
        return route.after
    first = PRESETS[route.endpoint].after if route.endpoint in PRESETS else ()
    return tuple(other.name for other in routes if other.endpoint in first)


def column_of(column: ColumnSettings) -> Column:
    """Return a column as the agent uses it."""
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


def header_of(route: RouteSettings) -> Literal["none", "drop", "first", "every"]:
    """Return what becomes of the header: where `lines` names one, it is there, and is no record."""
    named = route.lines is not None and (route.lines.header is not None or route.lines.header_lines > 1)
    return "drop" if named and route.header == "none" else route.header


def _text(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8-sig")
