"""The JSON Schema of the settings, as people write them, with what each key is for.

It is made from the models; the words come from the comments of config.example.yaml, which is shipped
beside this module, and from `_WORDS` for the keys that have no line of their own there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watcher.settings.settings import Config

Schema = dict[str, Any]
_NAME = "config.example.yaml"
_HERE = Path(__file__).parent
_KEY = re.compile(r"( *)(- )?([a-z_]+):(?= |$)")
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum"}
_WORDS = {
    "routes[].lines.header": "the first line that matches it is the header; titles stand above",
    "routes[].lines.footer": "from the first line that matches it on nothing is a record; must be there",
    "routes[].lines.comment": "lines that begin so are no records",
    "routes[].lines.header_lines": "so many records are the header; their names are joined by a blank",
    "routes[].columns[].name": "what it is called, in the header and in reports",
    "routes[].columns[].is": "what each field must be",
    "routes[].columns[].required": "an empty field is a bad record",
    "routes[].columns[].one_of": "the words that a field may be",
    "routes[].columns[].pattern": "the regular expression that a whole field must match",
    "routes[].columns[].not_future": "with is: utc_time: a time may lie so far ahead",
    "routes[].columns[].not_older": "with is: utc_time: a time may lie so far back",
    "routes[].columns[].from": "the name in the export's header, its number from 1, or a list to be joined",
    "routes[].columns[].value": "the same for all records",
    "routes[].columns[].map": 'from the words of the export to yours; "*" is for all others',
    "routes[].columns[].time": "the format of strptime, epoch, epoch_ms, excel, or a list; goes out in UTC",
    "routes[].columns[].timezone": "of the clock that wrote the times, such as Europe/Prague",
    "routes[].columns[].ambiguous": "a time that the clock showed twice, or never, is taken for this one",
    "routes[].columns[].duration": "how durations are written, or a list; goes out in seconds",
    "routes[].columns[].decimal": 'the decimal mark of numbers; 1.234,5 with "," goes out as 1234.5',
    "routes[].columns[].default": "what goes out for an empty field",
    "routes[].columns[].optional": "the column may be missing, or the end of a record",
    "status.actions": "what may be done on the page by whoever has the password or the token",
    "status.upload_limit": "of a file that is dropped onto the page",
    "routes[].expect.every": "a file should come at least so often",
    "routes[].expect.by": 'a file should come each day by this time, such as "06:30"',
    "routes[].expect.timezone": "of that time",
}


def settings_schema() -> Schema:
    """Return the JSON Schema of the settings; `description` says what a key is for."""
    schema = Config.model_json_schema(by_alias=True)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": "watcher"}
    words = _WORDS | comments(_example())
    for model, at in models(schema):
        for key, field in model["properties"].items():
            field.pop("title", None)
            if text := words.get(f"{at}{key}"):
                field["description"] = text
    _bounds(schema)
    _shorter_forms(schema["$defs"], schema["properties"])
    return schema


def models(schema: Schema, model: Schema | None = None, at: str = "") -> Iterator[tuple[Schema, str]]:
    """Yield each model in it with the place of its keys, such as `routes[].lines.`: the settings first."""
    found = schema if model is None else model
    yield found, at
    for key, field in found["properties"].items():
        items = field.get("items", {})
        one, many = (
            {part["$ref"].rpartition("/")[2] for part in (of, *of.get("anyOf", ())) if "$ref" in part}
            for of in (field, items)
        )
        for name in (*one, *many):
            yield from models(schema, schema["$defs"][name], f"{at}{key}{'[]' if name in many else ''}.")


def comments(text: str) -> dict[str, str]:
    """Return the comments behind the keys of a settings file, commented out or not, by the keys' places."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in re.sub(r"(?m)^(\s*)# (?=\s*[a-z_]+:\s)", r"\1", text).splitlines():
        if (match := _KEY.match(line)) is None:
            continue
        indent = len(match[1]) + len(match[2] or "")
        above = [(depth, place) for depth, place in above if depth < indent]
        place = (above[-1][1] if above else "") + match[3]
        above.append((indent, f"{place}{'[]' * (place == 'routes')}."))
        if comment := re.search(r"\s#\s+(?:\.\.\. )?(.+)$", line):
            found.setdefault(place, comment[1])
    return found


def _example() -> str:
    """Return the example settings: a wheel has them here, a checkout beside the package."""
    shipped = _HERE / _NAME
    return (shipped if shipped.exists() else _HERE.parents[1] / _NAME).read_text(encoding="utf-8")


def _bounds(part: object) -> None:
    """Give bounds that stand beside a type of our own the names that JSON Schema has for them."""
    if isinstance(part, dict):
        for ours, theirs in _BOUNDS.items():
            if not isinstance(part.get(ours, {}), dict):
                part[theirs] = part.pop(ours)
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _bounds(inner)


def _shorter_forms(defs: Schema, top: Schema) -> None:
    """Let in what the models take before they look at the type: one for a list of one, a name, nothing."""
    column, route = defs["ColumnSettings"]["properties"], defs["RouteSettings"]["properties"]
    for field in (column["from"], column["time"], column["duration"], route["match"]):
        many = {key: field.pop(key) for key in ("type", "items")}
        field["anyOf"] = [many["items"], many]
    route["match"]["anyOf"].append({"type": "object", "required": ["regex"], "maxProperties": 1})
    column["is"]["anyOf"].append({"type": "object", "minProperties": 1, "maxProperties": 1})
    route["columns"]["items"] = {"anyOf": [route["columns"]["items"], {"type": "string"}]}
    top["retention"]["anyOf"] = [{"$ref": top["retention"].pop("$ref")}, {"type": "null"}]
