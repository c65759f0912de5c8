"""What pydantic finds wrong in settings, in words for who writes them."""

from __future__ import annotations

import difflib

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from watcher.settings.found import Values
from watcher.settings.setting_types import kinds
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import Location

# What pydantic calls a fault, and what is said of it.
_WORDS = {
    "missing": "is missing; add it",
    "string_type": "must be text; put it in quotes",
    "model_type": "must hold `key: value` lines",
    "dict_type": "must hold `key: value` lines",
    "tuple_type": "must be a list; begin each item with '- '",
    "string_too_short": "must not be empty",
    "too_short": "is empty; add an item, or remove the key",
    "path_type": "must be a path; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
_WORDS |= dict.fromkeys(
    ("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"
)
_WORDS |= dict.fromkeys(("float_parsing", "float_type", "finite_number"), "must be a number such as 200")


def in_words(details: ErrorDetails, values: Values) -> tuple[Location, str]:
    """Return where a fault that pydantic found is, and what is said of it."""
    at, words = _said(details)
    value = details["input"]
    # A key that is not known may be a secret's, misspelt; and a section has too many values to tell them.
    if details["type"] in ("missing", "extra_forbidden") or (
        details["type"] == "value_error" and isinstance(value, dict)
    ):
        return at, words
    return at, words + values.found(at, value)


def _said(details: ErrorDetails) -> tuple[Location, str]:
    at: Location = details["loc"]
    match details["type"]:
        case known if known in _WORDS:
            return at, _WORDS[known]
        case "extra_forbidden":
            return at, _unknown_key(at)
        case "literal_error":
            return at, f"must be {details['ctx']['expected']}"
        case "value_error":
            return at, str(details["ctx"]["error"])
        case "greater_than" | "greater_than_equal":
            return at, f"must be {'more than' if 'gt' in details['ctx'] else 'at least'} {_bound(details)}"
        case "less_than" | "less_than_equal":
            return at, f"must be {'less than' if 'lt' in details['ctx'] else 'at most'} {_bound(details)}"
        case _:
            # Whatever it is, it is not said in the library's words, which are about its own types.
            return at, "is not of the kind that belongs here; `watcher manual settings` tells of every key"


def _bound(details: ErrorDetails) -> str:
    return f"{next(iter(details['ctx'].values())):g}"


def _unknown_key(at: Location) -> str:
    model: type[BaseModel] = Config
    for part in at[:-1]:
        if isinstance(part, str):
            field = next(field for name, field in model.model_fields.items() if part in (name, field.alias))
            model = next(kind for kind in kinds(field.annotation) if issubclass(kind, BaseModel))
    keys = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(str(at[-1]), keys, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(keys)}"
    return f"unknown key; {hint}"
