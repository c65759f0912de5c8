"""Pure: what a JSON Schema (json-schema.org, by the package jsonschema) says about a document."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from watcher.content.content import SHOWN_PROBLEMS
from watcher.content.formats import CHECKS
from watcher.content.json_patterns import check_patterns, keywords, without_dialects
from watcher.core.errors import Unfit
from watcher.core.names import shown

SHOWN_CHARS = 200  # of one problem: the package quotes whole documents


class Problems:
    """Collects what a JSON Schema says; raises all of it at the end."""

    def __init__(self, schema: str | None) -> None:
        self._validator = None if schema is None else validator(schema)
        self.wanted = schema is not None  # there is anything to check
        # An array may be checked an element at a time, for nothing is said of it as a whole.
        self.by_element = schema is None or is_about_elements(schema)
        self._found: list[str] = []
        self._count = 0

    def check(self, value: object, *, index: int | None = None, line: int | None = None) -> None:
        """Check a document; with `index`, `value` is an array of the one element that stands there.

        Raises `Unfit` for what cannot be checked at all, `TooSlow`.
        """
        if self._validator is None:
            return
        try:
            for error in self._validator.iter_errors(value):
                self._count += 1
                if len(self._found) < SHOWN_PROBLEMS:
                    self._found.append(_in_words(error, index, line))
        except (RecursionError, OverflowError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else "holds a number too large"
            raise Unfit(
                f"the JSON {what} to be checked by the route's schema",
                what_to_do="mend the data or the schema",
            ) from error

    def refuse(self) -> None:
        """Raise `Unfit` if there was a problem."""
        if self._found:
            more = f" ({self._count} problems in all)" if self._count > 1 else ""
            raise Unfit(
                f"not as the route's schema wants it: {self._found[0]}{more}",
                what_to_do="mend the data where it is exported, or the schema",
                problems=self._found,
            )


def _in_words(error: Any, index: int | None, line: int | None) -> str:
    path = list(error.absolute_path)
    if index is not None and path:
        path[0] = index
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    at = f"line {line}, " if line is not None else ""
    words = error.message if len(error.message) <= SHOWN_CHARS else error.message[:SHOWN_CHARS] + "…"
    return shown(f"{at}{where.lstrip('.') or 'the document'}: {words}")


@functools.cache
def validator(schema: str) -> Any:
    """Return the validator of a JSON Schema. Raises ValueError where it is none; nothing is ever fetched."""
    # Imported here: only routes with a schema need it, and it takes a tenth of a second.
    import jsonschema
    import referencing
    from referencing.jsonschema import DRAFT202012

    found = json.loads(schema)
    kind = jsonschema.validators.validator_for(found, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(found)
    except jsonschema.SchemaError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from error
    resource = referencing.Resource.from_contents(found, default_specification=DRAFT202012)
    resolver = referencing.Registry().with_resource("", resource).resolver()
    for reference in _references(found):
        if not reference.startswith("#"):
            raise ValueError(f"refers to {reference}; only references within the file (#/…) are followed")
        try:
            resolver.lookup(reference)
        except referencing.exceptions.Unresolvable as error:
            raise ValueError(f"refers to {reference}, which is not in it") from error
    check_patterns(found)
    extend: Any = jsonschema.validators.extend
    timed = extend(kind, validators=keywords(kind))
    return timed(without_dialects(found), registry=referencing.Registry(), format_checker=_format_checker())


@functools.cache
def is_about_elements(schema: str) -> bool:
    """Say whether a schema says of an array what its elements are, and no more."""
    found = json.loads(schema)
    return isinstance(found, dict) and set(found) <= _OF_ELEMENTS


def unchecked_formats(schema: str) -> list[str]:
    """Return the values of `format` in a schema that nothing is checked for."""
    return sorted(set(_formats(json.loads(schema))) - set(CHECKS))


def _formats(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("format"), str):
            yield schema["format"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for item in schema:
            yield from _formats(item)


@functools.cache
def _format_checker() -> Any:
    import jsonschema

    checker = jsonschema.FormatChecker(formats=())
    for name, check in CHECKS.items():
        checker.checks(name, raises=(ValueError, re.error))(functools.partial(_is_format, check))
    return checker


def _is_format(check: Callable[[str], object], value: object) -> bool:
    """Say whether a value is of a format; what is no text always is."""
    return not isinstance(value, str) or bool(check(value))


def about_the_whole(schema: str) -> list[str]:
    """Return the keys of a schema that say something about an array as a whole, not about its elements."""
    found = json.loads(schema)
    return sorted(_OF_THE_WHOLE & set(found)) if isinstance(found, dict) else []


_OF_ELEMENTS = {
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "examples", "type", "items",
}  # fmt: skip
_OF_THE_WHOLE = {"minItems", "maxItems", "uniqueItems", "contains", "prefixItems", "const", "enum"}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
