"""Pure: what a JSON Schema (json-schema.org, by the package jsonschema) says about a document."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from watcher.errors import Unfit
from watcher.names import shown

SHOWN_PROBLEMS = 10  # all are counted
SHOWN_CHARS = 200  # of one problem: the package quotes whole documents


class Problems:
    """Collects what a JSON Schema says; raises all of it at the end."""

    def __init__(self, schema: str | None) -> None:
        self._validator = None if schema is None else validator(schema)
        self._found: list[str] = []
        self._count = 0

    def check(self, value: object, *, index: int | None = None, line: int | None = None) -> None:
        """Check a document; with `index`, `value` is an array of the one element that stands there."""
        if self._validator is None:
            return
        for error in self._validator.iter_errors(value):
            self._count += 1
            if len(self._found) < SHOWN_PROBLEMS:
                path = list(error.absolute_path)
                if index is not None and path:
                    path[0] = index
                where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
                at = f"line {line}, " if line is not None else ""
                words = (
                    error.message if len(error.message) <= SHOWN_CHARS else error.message[:SHOWN_CHARS] + "…"
                )
                self._found.append(shown(f"{at}{where.lstrip('.') or 'the document'}: {words}"))

    def refuse(self) -> None:
        """Raise `Unfit` if there was a problem."""
        if self._found:
            more = f" ({self._count} problems in all)" if self._count > 1 else ""
            raise Unfit(
                f"not as the route's schema wants it: {self._found[0]}{more}",
                what_to_do="mend the data where it is exported, or the schema",
                problems=self._found,
            )


@functools.cache
def validator(schema: str) -> Any:
    """Return the validator of a JSON Schema. Raises ValueError where it is none; nothing is ever fetched."""
    # Imported here: only routes with a schema need it, and it takes a tenth of a second.
    import jsonschema
    import referencing

    found = json.loads(schema)
    kind = jsonschema.validators.validator_for(found, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(found)
    except jsonschema.SchemaError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from error
    for reference in _references(found):
        if not reference.startswith("#"):
            raise ValueError(f"refers to {reference}; only references within the file (#/…) are followed")
    return kind(found, registry=referencing.Registry())


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
