"""The page `settings`: each key of the settings with its type, its default and what it is for."""

from __future__ import annotations

from collections.abc import Iterator

from watcher.manual.schema import Schema, models, settings_schema

_HEAD = """\
# Settings: each key, its type and its default

They are read from the file of `-c`, else `$WATCHER_CONFIG`, else `config.yaml`. Relative paths are relative
to that file. `${NAME}` is the environment variable NAME, which must be set and not empty. A *duration* is
`500ms`, `2s`, `5m`, `24h`, `30d`, or a number of seconds, at most 100 years; a *size* is `1MB` (10^6), `1MiB`
(2^20), or a number of bytes, at most 1000TB. `config.example.yaml` shows all of it in use. `watcher manual
--schema` prints the JSON Schema of it, for editors.
"""
_SIZES = (("GB", 10**9), ("MiB", 2**20), ("MB", 10**6), ("kB", 10**3))
_SPANS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def settings_page() -> str:
    """Return it as Markdown."""
    schema = settings_schema()
    return _HEAD + "".join(
        f"\n## {at.rstrip('.') or 'At the top'}\n\n{model['description']}\n\n" + "".join(_keys(schema, model))
        for model, at in models(schema)
    )


def _keys(schema: Schema, model: Schema) -> Iterator[str]:
    for key, field in model["properties"].items():
        what = [_kind(field)]
        if key in model.get("required", ()):
            what.append("required")
        elif field.get("default") not in (None, [], {}, "") and not _is_section(field):
            what.append(f"default {_default(field)}")
        words = field.get("description", "see below")  # a section has a heading of its own
        yield f"- `{key}` ({', '.join(what)}): {words.removeprefix(f'{what[0]}: ')}\n"


def _is_section(field: Schema) -> bool:
    return _kind(field) == "section"


def _kind(field: Schema) -> str:
    """Return what people call the type of a field."""
    if "$ref" in field:
        return "section"
    if "anyOf" in field:
        kinds = dict.fromkeys(_kind(part) for part in field["anyOf"] if part.get("type") != "null")
        return " or ".join(kinds)
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    kind = field.get("x-kind", field["type"])
    if kind == "array":
        inner = _kind(field["items"])
        return "list of sections" if "section" in inner else f"list of {inner}"
    if kind == "string":
        return {"path": "path", "password": "secret"}.get(field.get("format", ""), "text")
    names = {"integer": "whole number", "boolean": "true | false", "object": "pairs"}
    return names.get(str(kind), str(kind))


def _default(field: Schema) -> str:
    value = field["default"]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(f"`{each}`" for each in value)
    if "duration" in _kind(field):
        return _in_units(value, _SPANS)
    if "size" in _kind(field):
        return _in_units(value, _SIZES)
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def _in_units(value: float, units: tuple[tuple[str, int], ...]) -> str:
    unit, factor = next(((unit, factor) for unit, factor in units if value and value % factor == 0), ("", 1))
    return f"{value / factor:g}{unit}"
