"""The dashboard for Grafana: every metric in a panel, as JSON to import.

The classic model, which all versions from 10 on take: https://grafana.com/docs/grafana/latest/dashboards/
build-dashboards/view-dashboard-json-model/. Where the data is, which agents and which routes are shown, is
chosen on the dashboard: those are variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 38  # of Grafana 10; newer ones bring it to their own when they open it
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_AGENT = 'instance=~"$instance"'
_ROUTE = f'{_AGENT},route=~"$route"'
_WIDTH = 24  # of the grid, in its units


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Each query has a legend in Grafana's words: `{{label}}` is the value of that label."""

    title: str
    about: str
    queries: tuple[tuple[str, str], ...]  # PromQL, legend
    unit: str = "short"  # Grafana's id of a unit
    stacked: bool = False  # bars, one upon the other
    red_from: float | None = None  # a single number then, green below


# What says whether somebody is needed comes first.
_NUMBERS = (
    Panel(
        "Agents that answer",
        "Those that Prometheus could ask.",
        ((f"count(watcher_build_info{{{_AGENT}}})", ""),),
    ),
    Panel(
        "Failed, last 24 h",
        "Files that failed. Their reports are in the failed folder.",
        ((f'sum(increase(watcher_files_total{{{_ROUTE},outcome="failed"}}[24h]))', ""),),
        red_from=1,
    ),
    Panel(
        "Held",
        "What is held now: `watcher status` says what to check.",
        ((f"sum(watcher_held_targets{{{_AGENT}}})", ""),),
        red_from=1,
    ),
    Panel(
        "Stuck",
        "Files that wait too long for a reason of their own.",
        ((f"sum(watcher_stuck_files{{{_AGENT}}})", ""),),
        red_from=1,
    ),
    Panel(
        "Stranded",
        "Files of agents that do not live.",
        ((f"sum(watcher_stranded_files{{{_AGENT}}})", ""),),
        red_from=1,
    ),
    Panel(
        "Oldest waiting file",
        "How long it has been as it is.",
        ((f"max(watcher_oldest_waiting_file_age_seconds{{{_AGENT}}})", ""),),
        unit="s",
        red_from=3600,
    ),
)
_RATE = "[$__rate_interval]"
_PLOTS = (
    Panel(
        "Files that came to their end",
        "By outcome, in each interval of the plot.",
        ((f"sum by (outcome) (increase(watcher_files_total{{{_ROUTE}}}{_RATE}))", "{{outcome}}"),),
        stacked=True,
    ),
    Panel(
        "Files waiting and under way",
        "In the drop folders, and claimed and not finished.",
        (
            (f"sum by (instance) (watcher_waiting_files{{{_AGENT}}})", "waiting, {{instance}}"),
            (f"sum by (instance) (watcher_files_under_way{{{_AGENT}}})", "under way, {{instance}}"),
        ),
    ),
    Panel(
        "Agents of the journal",
        "Each tells of all that share its journal: the most that one tells.",
        ((f"max by (state) (watcher_journal_agents{{{_AGENT}}})", "{{state}}"),),
    ),
    Panel(
        "Bytes that the server took",
        "A second, by route.",
        ((f"sum by (route) (rate(watcher_acknowledged_bytes_total{{{_ROUTE}}}{_RATE}))", "{{route}}"),),
        unit="Bps",
    ),
    Panel(
        "Chunks taken, and tries again",
        "A second. A chunk goes out again after a server error (HTTP 5xx).",
        (
            (f"sum(rate(watcher_acknowledged_chunks_total{{{_ROUTE}}}{_RATE}))", "taken"),
            (f"sum by (route) (rate(watcher_chunk_retries_total{{{_ROUTE}}}{_RATE}))", "again, {{route}}"),
        ),
        unit="cps",
    ),
    Panel(
        "From the claim to done",
        "Of delivered files, holds included: the mean, the median and the slowest twentieth.",
        (
            (
                f"sum(rate(watcher_upload_duration_seconds_sum{{{_ROUTE}}}{_RATE}))"
                f" / sum(rate(watcher_upload_duration_seconds_count{{{_ROUTE}}}{_RATE}))",
                "mean",
            ),
            *(
                (
                    f"histogram_quantile({share}, sum by (le)"
                    f" (rate(watcher_upload_duration_seconds_bucket{{{_ROUTE}}}{_RATE})))",
                    f"{share:.0%}",
                )
                for share in (0.5, 0.95)
            ),
        ),
        unit="s",
    ),
    Panel(
        "Share of the time that was held",
        "By the kind of what is held; above 1 where several were at once.",
        ((f"sum by (kind) (rate(watcher_hold_seconds_total{{{_AGENT}}}{_RATE}))", "{{kind}}"),),
        unit="percentunit",
        stacked=True,
    ),
    Panel(
        "Holds that began, and new tokens",
        "In each interval of the plot.",
        (
            (f"sum by (kind) (increase(watcher_holds_total{{{_AGENT}}}{_RATE}))", "held: {{kind}}"),
            (f"sum(increase(watcher_token_renewals_total{{{_AGENT}}}{_RATE}))", "tokens"),
        ),
    ),
    Panel(
        "Since the main loop turned",
        "It turns at least every 5 seconds; an agent that stalls shows here.",
        (
            (
                f"watcher_heartbeat_age_seconds{{{_AGENT}}} * on (instance) group_left (version)"
                f" watcher_build_info{{{_AGENT}}}",
                "{{instance}}, version {{version}}",
            ),
        ),
        unit="s",
    ),
)


def dashboard() -> dict[str, Any]:
    """Return it, to be written as JSON and imported in Grafana."""
    return {
        "uid": "wfm-watcher",
        "title": "watcher",
        "description": "Files on their way from a drop folder to the WFM import API.",
        "tags": ["watcher"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,  # one cursor for all plots
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "timezone": "browser",
        "templating": {"list": list(_variables())},
        "panels": [*_row(_NUMBERS, across=len(_NUMBERS), height=4, top=0, first=1),
                   *_row(_PLOTS, across=2, height=8, top=4, first=1 + len(_NUMBERS))],
    }  # fmt: skip


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        "refresh": 1, "includeAll": False, "multi": False, "options": [],
    }  # fmt: skip
    for name, label, query in (
        ("instance", "Agent", "label_values(watcher_build_info, instance)"),
        ("route", "Route", f"label_values(watcher_files_total{{{_AGENT}}}, route)"),
    ):
        yield {
            "name": name, "label": label, "type": "query", "datasource": _SOURCE, "definition": query,
            "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "refresh": 2, "sort": 1, "includeAll": True, "allValue": ".*", "multi": True, "options": [],
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }  # fmt: skip


def _row(
    panels: Sequence[Panel], *, across: int, height: int, top: int, first: int
) -> Iterator[dict[str, Any]]:
    """Yield panels side by side, `across` in a row; `first` is the id of the first."""
    width = _WIDTH // across
    for index, panel in enumerate(panels):
        place = {"x": index % across * width, "y": top + index // across * height, "w": width, "h": height}
        yield _panel(panel, first + index, place, is_number=panels is _NUMBERS)


def _panel(panel: Panel, number: int, place: dict[str, int], *, is_number: bool) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if is_number and panel.unit == "short":
        defaults["decimals"] = 0  # `increase` reckons with parts of files
    if not is_number:
        defaults["custom"] = {
            "drawStyle": "bars" if panel.stacked else "line",
            "fillOpacity": 60 if panel.stacked else 10,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
        options = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}}
    return {
        "id": number,
        "type": "stat" if is_number else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }
