"""The recipes of the page `files`: each route loads, takes its sample by name, and makes what is shown."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent

import pytest

from tests.settings.test_route_settings import ENVIRON, TEXT
from watcher.content.inspect import prepare
from watcher.core.route import matching_route
from watcher.manual.pages import page
from watcher.settings.config import load
from watcher.settings.presets import build_routes

VENDORS = {
    "Cisco UCCX", "Avaya IP Office", "NICE CXone", "VICIdial", "Asterisk queue_log", "FreeSWITCH",
    "Amazon Connect", "Genesys Cloud",
}  # fmt: skip
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def recipes() -> dict[str, str]:
    """What the page says of each vendor."""
    text = page("files").partition("\n# Recipes\n")[2]
    return dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def test_there_is_a_recipe_for_each_vendor() -> None:
    assert set(recipes()) == VENDORS


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_a_recipe_makes_of_its_sample_what_it_shows(vendor: str, tmp_path: Path) -> None:
    text = recipes()[vendor]
    (route,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    sample, shown = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (name,) = re.findall(r"Dropped as `(.+?)`:", text)
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.partition("routes:")[0] + "routes:\n" + indent(route, "  "), encoding="utf-8")
    path.chmod(0o600)
    config, warnings = load(path, ENVIRON)
    routes = build_routes(config)

    assert warnings == []
    assert 3 <= sample.count("\n") <= 7
    taken = matching_route(name, routes)
    assert taken is not None
    assert taken.name == routes[0].name
    found = prepare(io.BytesIO(sample.encode()), name, routes[0], scratch=io.BytesIO, now=NOW)
    found.file.seek(found.opening.start)
    assert found.file.read().decode() == shown
    assert found.records == shown.count("\n")
    assert not found.bad
