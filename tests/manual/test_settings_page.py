"""The page `settings` and the JSON Schema: each key of the models is in them, and what is taken is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from tests.settings.test_example import EXAMPLE, example_with_every_key
from tests.settings.test_route_settings import TEXT
from watcher.manual.pages import page
from watcher.manual.schema import models, settings_schema
from watcher.settings.settings import Config

README = Path(__file__).parents[2] / "README.md"


def keys(model: type[BaseModel], at: str = "") -> set[str]:
    """The places of all keys, as people write them, read from the models' own types."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        place = f"{at}{field.alias or name}"
        found.add(place)
        for inner, many in models_in(field.annotation):
            found |= keys(inner, f"{place}{'[]' * many}.")
    return found


def models_in(annotation: Any, many: bool = False) -> list[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, many)]
    many |= getattr(annotation, "__origin__", None) is tuple
    return [found for part in get_args(annotation) for found in models_in(part, many)]


def test_the_page_has_each_key_of_the_models_with_a_line_and_no_other() -> None:
    shown: list[str] = []
    for heading, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page("settings"), re.M | re.S):
        at = "" if heading == "At the top" else f"{heading}."
        shown += [at + key for key in re.findall(r"^- `(\w+)` \([^\n]+\): \S", text, re.M)]

    assert len(shown) > 100
    assert sorted(shown) == sorted(keys(Config))


def test_the_page_tells_types_and_defaults_as_people_write_them() -> None:
    text = page("settings")

    assert "- `quiet` (duration, default 2s): " in text
    assert "- `max_record` (size, default 16MiB): " in text
    assert "- `drop` (path, required): " in text
    assert "- `client_secret` (secret): " in text
    assert "- `observe` (auto | native | polling, default `auto`): events, or" in text
    assert "- `trailing_delimiter` (true | false, default false): " in text


def test_the_schema_has_a_word_for_each_key_that_is_no_section() -> None:
    schema = settings_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    for model, at in models(schema):
        for key, field in model["properties"].items():
            is_section = "$ref" in str(field)
            assert is_section or field.get("description"), at + key


def faults(data: Any) -> list[str]:
    return [fault.message for fault in jsonschema.Draft202012Validator(settings_schema()).iter_errors(data)]


def test_the_example_and_the_readmes_settings_are_valid() -> None:
    every_key = example_with_every_key()

    assert faults(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))) == []
    assert faults({**every_key, "routes": [every_key["routes"]]}) == []
    (text,) = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert faults(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("lines", "valid"),
    [
        ("    columns: [agent, {name: event, is: {one_of: [A]}}, {name: x, from: 3}]", True),
        ("    columns: [{name: at, from: [Date, Time], time: [epoch, excel], timezone: UTC}]", True),
        ("    columns: [{name: talk, duration: MM:SS, not_older: 3}]", True),
        ("    columns: [{name: talk, duration: HH}]", False),
        ("    chunk_bytes: 500kB\n    parallel: 2", True),
        ("    parallel: 65", False),
        ("    parallell: 2", False),
        ("retention:", True),
        ("retention: {done: 30d}", True),
        ("retention: {done: 30}", False),
        ("settle: {quiet: 0, patience: 5m}", True),
        ("notify: {urls: [x], held_for: null}", True),
    ],
)
def test_an_editor_takes_what_the_settings_take(lines: str, valid: bool) -> None:
    assert (faults(yaml.safe_load(f"{TEXT}{lines}\n")) == []) is valid
