"""The alerts for Prometheus and the dashboard for Grafana name metrics and labels that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.conftest import World
from tests.web.page import page
from watcher.manual import pages
from watcher.settings.notify_settings import Notify
from watcher.web.alerts import rules
from watcher.web.dashboard import dashboard
from watcher.web.health import STUCK_SECONDS

OF_THE_SCRAPE = {"instance", "job"}  # what Prometheus adds to each sample
Labels = dict[str, set[str]]  # label: its values


@pytest.fixture
def metrics(world: World) -> dict[str, Labels]:
    """Every series of a served page, by its name: its labels and their values."""
    with page(world) as served:
        text = served.get("/metrics").text
    found: dict[str, Labels] = {"up": {}}
    for family in parsed(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def alerts() -> list[dict[str, Any]]:
    """The alerts, as Prometheus reads them."""
    groups = yaml.safe_load(rules())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, as Grafana reads them."""
    found: list[dict[str, Any]] = json.loads(json.dumps(dashboard()))["panels"]
    return found


def queries() -> Iterator[str]:
    """Every query of the dashboard."""
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])


def named(query: str) -> list[tuple[str, str]]:
    """The metrics of a query, each with its matchers as they stand."""
    return re.findall(r"\b(watcher_\w+|up)\b(?:\{([^}]*)\})?", query)


def complaints(query: str, metrics: dict[str, Labels]) -> Iterator[str]:
    """What a query names that there is not."""
    everywhere = set(OF_THE_SCRAPE)
    for name, matchers in named(query):
        if name not in metrics:
            yield f"no metric {name}"
            continue
        everywhere |= metrics[name].keys()
        for label, sign, value in re.findall(r'(\w+)\s*(=~|!=|=)\s*"([^"]*)"', matchers):
            if label not in OF_THE_SCRAPE | metrics[name].keys():
                yield f"{name} has no label {label}"
            elif sign != "=~" and label not in OF_THE_SCRAPE and value not in metrics[name][label]:
                yield f"{name} has no {label} {value}"
    for group in re.findall(r"\b(?:by|on|group_left|without) \(([^)]*)\)", query):
        yield from (f"no label {label}" for label in re.findall(r"\w+", group) if label not in everywhere)


def test_alerts_name_metrics_labels_and_values_that_there_are(metrics: dict[str, Labels]) -> None:
    assert len(alerts()) == 7
    for alert in alerts():
        assert list(complaints(alert["expr"], metrics)) == []
        [(name, _)] = named(alert["expr"])
        told = " ".join(alert["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= OF_THE_SCRAPE | metrics[name].keys()


def test_the_dashboard_names_metrics_and_labels_that_there_are(metrics: dict[str, Labels]) -> None:
    for query in queries():
        assert named(query)
        assert list(complaints(query, metrics)) == []
    for variable in dashboard()["templating"]["list"][1:]:
        [(name, label)] = re.findall(r"^label_values\((\w+).*, (\w+)\)$", variable["definition"])
        assert label in OF_THE_SCRAPE | metrics[name].keys()


def test_legends_name_labels_that_the_query_leaves(metrics: dict[str, Labels]) -> None:
    for panel in panels():
        for target in panel["targets"]:
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", target["expr"]))))
            kept |= set() if "sum" in target["expr"] else OF_THE_SCRAPE | {"version"}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, target


def test_every_metric_is_on_the_dashboard(metrics: dict[str, Labels]) -> None:
    shown = {name for query in queries() for name, _ in named(query)}

    assert metrics.keys() - {"up"} <= shown


def test_what_is_wrong_in_a_query_is_found(metrics: dict[str, Labels]) -> None:
    assert list(complaints('sum by (rout) (watcher_files_total{outcom="x"})', metrics)) == [
        "watcher_files_total has no label outcom",
        "no label rout",
    ]
    assert list(complaints('watcher_files_total{outcome="fail"}', metrics)) == [
        "watcher_files_total has no outcome fail"
    ]
    assert list(complaints("watcher_filez", metrics)) == ["no metric watcher_filez"]


def test_each_alert_has_a_summary_what_to_do_and_how_bad_it_is() -> None:
    for alert in alerts():
        assert alert["alert"].startswith("Watcher")
        assert set(alert["annotations"]) == {"summary", "description"}
        assert alert["labels"]["severity"] in ("warning", "critical")
    assert len({alert["alert"] for alert in alerts()}) == len(alerts())


def test_the_page_on_monitoring_names_each_alert() -> None:
    named = re.findall(r"(?m)^\| `(Watcher\w+)` \|", pages.page("monitoring"))

    assert named == [alert["alert"] for alert in alerts()]


def test_the_numbers_of_the_alerts_are_those_of_the_agent() -> None:
    by_name = {alert["alert"]: alert for alert in alerts()}

    assert by_name["WatcherStalled"]["expr"].endswith(f"> {STUCK_SECONDS:g}")
    assert by_name["WatcherHeld"]["for"] == f"{Notify.model_fields['held_for'].default / 60:g}m"


def test_the_dashboards_panels_have_ids_of_their_own_and_do_not_lie_upon_each_other() -> None:
    found = panels()
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in found)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in found}) == len(found)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in found} == {"${datasource}"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_takes_the_rules_and_the_dashboards_queries(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(rules(), encoding="utf-8")
    filled = [query.replace("$__rate_interval", "5m") for query in queries()]
    recorded = [{"record": f"query:{index}", "expr": query} for index, query in enumerate(filled)]
    asked = {"groups": [{"name": "queries", "rules": recorded}]}
    (tmp_path / "queries.yml").write_text(yaml.safe_dump(asked), encoding="utf-8")

    done = subprocess.run(
        ["promtool", "check", "rules", "alerts.yml", "queries.yml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["prometheus", "grafana"])
def test_they_are_printed_without_any_settings(kind: str, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "watcher", "service", kind],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, encoding="utf-8",
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip

    assert (told.returncode, told.stderr) == (0, "")
    if kind == "prometheus":
        assert told.stdout == rules()
    else:
        assert json.loads(told.stdout) == dashboard()
