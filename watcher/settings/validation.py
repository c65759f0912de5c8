"""Settings as data to models: all that is wrong is found at once, each with its line.

Where a value is wrong, `WRONG` takes its place, and the checks go on with what is sound.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from watcher.core.names import shown
from watcher.settings.fault_words import in_words
from watcher.settings.folder_problems import folder_problems
from watcher.settings.found import Values, value_at
from watcher.settings.route_problems import circle, route_problems, schema_problems
from watcher.settings.secrets import read_secret, secret_problem
from watcher.settings.settings import Config
from watcher.settings.shape_problems import shape_problems
from watcher.settings.strict_yaml import Document, Location
from watcher.settings.wrong import WRONG, Unknown

Problems = list[tuple[Location, str]]
_MOST_ROUNDS = 10  # each takes a wrong value away; what is wrong across keys is seen once they are sound


def validated(
    document: Document, path: Path, environ: Mapping[str, str] | None
) -> tuple[Config | None, list[tuple[int, str, str]]]:
    """Return the settings that a document from the file `path` holds, and all that is wrong with it, each as
    line, key and words. With problems, the settings are no more than a part.

    `environ` None: no secret's file is read.
    """
    if not isinstance(document.data, dict):
        return None, _placed(document, document.problems)
    data: Any = document.data
    for at, before in document.displaced:
        data = _with_keys(data, at, before.data)
    config, problems = _checked(replace(document, data=data), path, environ)
    placed = _placed(document, problems)
    for at, before in document.displaced:
        _, found = validated(_instead(document, at, before), path, environ)
        # What lies elsewhere is told already.
        placed += [each for each in found if each[1].startswith(_key(at))]
    return config, list(dict.fromkeys(placed))


def _instead(document: Document, at: Location, before: Document) -> Document:
    """Return the document as it is with what stood at the key `at` before a second one displaced it."""
    elsewhere = {key: line for key, line in document.lines.items() if key[: len(at)] != at}
    data = replaced(document.data, at, before.data)
    others = [each.data for key, each in document.displaced if key == at]
    for other in (value_at(document.data, at), *others):
        data = _with_keys(data, at, other)
    return replace(
        before,
        data=data,
        lines=elsewhere | before.lines,
        variables=document.variables | before.variables,
    )


def _with_keys(data: Any, at: Location, other: Any) -> Any:
    """Return `data` with `WRONG` for what its section `at` lacks and another of that name has: once they are
    one, it lacks nothing."""
    here = value_at(data, at)
    if isinstance(here, dict) and isinstance(other, dict):
        for key in other.keys() - here.keys():
            data = replaced(data, (*at, key))
    return data


def _placed(document: Document, problems: Problems) -> list[tuple[int, str, str]]:
    return [(_line(document, at), _key(at), words) for at, words in problems]


def _checked(
    document: Document, path: Path, environ: Mapping[str, str] | None
) -> tuple[Config | None, Problems]:
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow links
    problems = list(document.problems)
    data: Any = document.data
    secret_file = value_at(data, ("wfm", "client_secret_file"))
    if environ is not None:
        problems += read_secret(data, base, environ)
    values = Values(document)
    for at, _ in problems:
        if at not in document.twice:
            data = replaced(data, at)
    config, found = _built(data, base, values)
    for index, (at, words) in enumerate(document.problems):
        if at not in document.unset | document.twice:
            problems[index] = at, words + values.found_at(at)
    problems += found
    more = route_problems(data)
    if secret := secret_problem(data):
        more.append(secret)
    if config is not None:
        sound = not problems and not more
        more += _across(config, path, secret_file, more, sound=sound)
    problems += [(at, words + values.found_at(at)) for at, words in more]
    # One problem a key: a value that could not be filled in would be called wrong a second time.
    first: dict[Location, str] = {}
    for at, words in problems:
        first.setdefault(at, words)
    return config, list(first.items())


def _built(data: Any, base: Path, values: Values) -> tuple[Config | None, Problems]:
    """Return the settings, with `WRONG` for what is, and what is wrong."""
    problems: Problems = []
    for _ in range(_MOST_ROUNDS):
        try:
            return Config.model_validate(data, context={"base": base}), problems
        except ValidationError as error:
            all_details = error.errors(include_url=False)
            for details in all_details:
                at: Location = details["loc"]
                if any(other["loc"][: len(at)] == at != other["loc"] for other in all_details):
                    continue  # a list that lacks an item since that is wrong
                gone = details["type"] == "extra_forbidden"
                if gone:
                    values.unknown.add(at)
                if details["input"] is not WRONG:
                    problems.append(in_words(details, values))
                elif not gone:  # an item of a list of texts, say: the list then
                    at = at[:-1]
                data = replaced(data, at, gone=gone)
    return None, problems


def replaced(data: Any, at: Location, value: Any = WRONG, *, gone: bool = False) -> Any:
    """Return `data` with another value at a place, or (`gone`) with nothing there; `data` stays as it is.

    Where there is no such place, as in a text that stands for a list of one, that text is replaced.
    """
    if not at:
        return value
    here, below = at[0], at[1:]
    if isinstance(data, dict) and isinstance(here, str):
        rest = {key: data[key] for key in data if key != here}
        return (
            rest if gone and not below else rest | {here: replaced(data.get(here), below, value, gone=gone)}
        )
    if isinstance(data, list) and isinstance(here, int) and here < len(data):
        return [*data[:here], replaced(data[here], below, value, gone=gone), *data[here + 1 :]]
    return value


def _across(config: Config, path: Path, secret_file: object, known: Problems, *, sound: bool) -> Problems:
    """Return what is wrong across the keys; `known`: what is wrong with routes; `sound`: nothing is yet."""
    checks: tuple[Callable[[], Iterable[tuple[Location, str]]], ...] = (
        lambda: folder_problems(config, path, secret_file),
        lambda: schema_problems(config),
        lambda: shape_problems(config, known),
        lambda: circle(config),
        lambda: _half_a_certificate(config),
    )
    problems: Problems = []
    for check in checks:
        try:
            problems += check()
        except Unknown:
            if sound:
                raise
    return problems


def _half_a_certificate(config: Config) -> Iterator[tuple[Location, str]]:
    if (config.wfm.client_cert is None) != (config.wfm.client_key is None):
        yield ("wfm", "client_cert"), "give both client_cert and client_key"


def _line(document: Document, at: Location) -> int:
    while at and at not in document.lines:
        at = at[:-1]
    return document.lines.get(at, 1)


def _key(at: Location) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{shown(part)}" if text else shown(part)
    return text
