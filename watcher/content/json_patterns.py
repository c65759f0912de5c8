"""Pure: the keywords of a JSON Schema that hold regular expressions, so that each ends in a bounded time.

The package jsonschema matches them by `re`, on texts of whoever dropped the document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from watcher.core.expressions import expression

_DATA = ("const", "default", "enum", "examples")  # what stands below these is no schema
_Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]


def check_patterns(schema: Any) -> None:
    """Raise ValueError for what cannot be checked in a bounded time, or is no expression."""
    keys = set[str]()
    for key, value in _entries(schema):
        keys.add(key)
        texts = [value] if key == "pattern" else value if key == "patternProperties" else ()
        for text in texts if isinstance(texts, list | dict) else ():
            if isinstance(text, str):
                _sound(text)
    if {"patternProperties", "unevaluatedProperties"} <= keys:
        raise ValueError(
            "has patternProperties and unevaluatedProperties; say additionalProperties instead of the latter"
        )


def without_dialects(schema: Any) -> Any:
    """Return a schema with no `$schema` in it, which would bring the package's own keywords back."""
    if isinstance(schema, dict):
        return {
            key: value if key in _DATA else without_dialects(value)
            for key, value in schema.items()
            if not (key == "$schema" and isinstance(value, str))
        }
    return [without_dialects(item) for item in schema] if isinstance(schema, list) else schema


def keywords(kind: Any) -> dict[str, _Keyword]:
    """Return what checks the keywords with expressions, in the place of what a validator class has.

    Each raises `TooSlow`.
    """
    import jsonschema  # here: only routes with a schema need it, and it takes a tenth of a second

    def pattern(validator: Any, text: str, instance: Any, _schema: Any) -> Iterator[Any]:
        if validator.is_type(instance, "string") and not expression(text).search(instance):
            yield jsonschema.ValidationError(f"{instance!r} does not match {text!r}")

    def pattern_properties(validator: Any, found: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        for text, below in found.items() if validator.is_type(instance, "object") else ():
            for name, value in instance.items():
                if expression(text).search(name):
                    yield from validator.descend(value, below, path=name, schema_path=text)

    def additional(validator: Any, found: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if validator.is_type(instance, "object") and schema.get("patternProperties"):
            instance = {name: instance[name] for name in _unmatched(instance, schema["patternProperties"])}
            schema = {key: schema[key] for key in schema if key != "patternProperties"}
        yield from theirs(validator, found, instance, schema)

    theirs = kind.VALIDATORS["additionalProperties"]
    return {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional,
    }


def _unmatched(names: Mapping[str, Any], patterns: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in names if not any(expression(text).search(name) for text in patterns))


def _sound(text: str) -> None:
    try:
        expression(text)
    except ValueError as error:
        raise ValueError(f"the pattern {text} is no regular expression: {error}") from error


def _entries(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key that may be a keyword, with its value."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key, value
            if not (key in _DATA and isinstance(value, list)):  # else a property may be called so
                yield from _entries(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _entries(item)
