"""The value that a problem of the settings is about, in words: shortened, on one line, and no secret."""

from __future__ import annotations

import re
from typing import Any

from watcher.core.names import shown
from watcher.settings.secrets import secret_keys
from watcher.settings.strict_yaml import Document, Location
from watcher.settings.wrong import WRONG

LONGEST_CHARS = 60
_KINDS: tuple[tuple[type, str], ...] = (
    (dict, "`key: value` lines"),
    (list, "a list"),
    (str, "a text"),
    (bool, "true or false"),
    (float, "a number"),
    (int, "a number"),
)


class Values:
    """The values of one settings file, as far as they may be shown."""

    def __init__(self, document: Document) -> None:
        """Of a document as it was parsed, or with some of its values replaced."""
        # Who writes the secret itself where its file is meant shall not read it in a log.
        self._secret = secret_keys() | {("wfm", "client_secret_file")}
        self._document = document
        self.unknown: set[Location] = set()  # keys that nobody knows: each may be a secret's, misspelt
        self._variables = {
            name for at, names in document.variables.items() if self._is_secret(at) for name in names
        }

    def found(self, at: Location, value: object) -> str:
        """Return the words that tell of `value`, to go behind a sentence on the key `at`; "" for a secret."""
        names = self._document.variables.get(at, [])
        if any(at[: len(key)] == key for key in self.unknown):
            return ""
        if value is WRONG or self._is_secret(at) or self._variables & set(names):
            return ""
        # A section that has secrets in it, and is something else: that may be one of them.
        holds_secret = any(key[: len(_keys(at))] == _keys(at) for key in self._secret)
        source = f", from {' and '.join(f'${{{name}}}' for name in names)}" if names else ""
        return f" (found: {_kind(value) if holds_secret else self._words(at, value)}{source})"

    def found_at(self, at: Location) -> str:
        """Return the words that tell of the value that stands at `at`; "" where none does, or several do."""
        value = value_at(self._document.data, at)
        return "" if value is None or isinstance(value, dict | list) else self.found(at, value)

    def _is_secret(self, at: Location) -> bool:
        keys = _keys(at)
        return any(keys[: len(key)] == key for key in self._secret)

    def _words(self, at: Location, value: object) -> str:
        if isinstance(value, str):
            return f'"{_short(value)}"'
        written = self._document.plain.get(at)  # `no`, not False
        return written or (_kind(value) if value is None or isinstance(value, dict | list) else str(value))


def value_at(data: Any, at: Location) -> Any:
    """Return what stands at a place in settings as data; None where nothing does."""
    part: Any
    for part in at:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data


def _keys(at: Location) -> tuple[str, ...]:
    return tuple(part for part in at if isinstance(part, str))


def _kind(value: object) -> str:
    for kind, said in _KINDS:
        if isinstance(value, kind):
            return said
    return "nothing"


def _short(text: str) -> str:
    # Whoever is named in a URL, and what is asked for: there may be a password in either.
    text = re.sub(r"(://).*@", r"\1…@", text, flags=re.DOTALL)
    text = re.sub(r"(://[^?]*\?).+", r"\1…", text, flags=re.DOTALL)
    return shown(text[:LONGEST_CHARS]) + ("…" if len(text) > LONGEST_CHARS else "")
