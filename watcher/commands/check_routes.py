"""Probes of the routes' patterns: do they get in each other's way? By sample names, so that is never a fault.

A pattern with a slash is one: it can match no name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import product

from watcher.agent.start.folders import build_drop
from watcher.commands.finding import Finding
from watcher.core.errors import TooSlow
from watcher.core.model import Route
from watcher.core.names import counted, folded
from watcher.core.route import compiled_glob, matching_route
from watcher.disk.drop import Drop
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config, RouteSettings

# What a `*` may stand for, besides what the other globs ask for: nothing, a number, a date, a word.
_STARS = ("1", "", "_20261124", "-x")
_QUESTION_MARKS = ("_", "-", "x", "1")
MOST_SAMPLES = 600  # names made from one glob


def patterns(config: Config) -> Iterator[Finding]:
    """Yield what is odd about the patterns, or one finding that nothing is."""
    routes, drop = build_routes(config), build_drop(config)
    stars = _fillers(config.routes)
    made = [{glob: samples(glob, stars) for glob in settings.match} for settings in config.routes]
    found = list(_slashes(config))
    try:
        found += [
            finding
            for index in range(len(routes))
            for glob in made[index]
            if (finding := _odd(glob, index, made, routes, drop)) is not None
        ]
    except TooSlow as slow:
        words = f"its expression takes too long on sample names: {slow.expression}"
        found.append(Finding("warn", f"route {slow.route}", words, "make it simpler: such files would wait"))
    yield from found
    if not found:
        words = f"sample names of {counted(len(routes), 'route')} all reach their route"
        yield Finding("ok", "patterns", words)


def _slashes(config: Config) -> Iterator[Finding]:
    """Yield the patterns that ask for a slash: a file's name has none."""
    slash, words = ("[/\\\\]" if os.name == "nt" else "/"), "can match nothing, for a name has no slash"
    for settings in config.routes:
        fix = "give the name alone: files in folders below the drop folder are not looked at"
        for glob in settings.match:
            if re.search(slash, re.sub(r"\[!?\]?[^]]*\]", "", glob)):
                yield Finding("fault", f"route {settings.name}", f"{glob} {words}", fix)
        if settings.regex and "/" in re.sub(r"\[\^\]?[^]]*\]", "", settings.regex):
            yield Finding(
                "warn",
                f"route {settings.name}",
                f"{settings.regex} seems to want a slash; no name has one",
                fix,
            )
    for glob in config.settle.ignore:
        if re.search(slash, re.sub(r"\[!?\]?[^]]*\]", "", glob)):
            yield Finding("warn", "settle.ignore", f"{glob} {words}", "give the name alone, or remove it")


def samples(glob: str, stars: Sequence[str]) -> list[str]:
    """Return names that match `glob`, with each of `stars` in the place of every `*`, or as many as fit.

    >>> samples("a*.csv", ["", "1"])
    ['a.csv', 'a1.csv']
    """
    parts = re.findall(r"\*+|\?|\[!?\]?[^]]*\]|[^*?\[]+|\[", glob)
    number = sum(part.startswith("*") for part in parts)
    fit = max(2, int(MOST_SAMPLES ** (1 / max(1, number))))
    choices: list[Sequence[str]] = []
    for part in parts:
        if part.startswith("*"):
            choices.append(stars[:fit])
        elif part == "?":
            choices.append(_QUESTION_MARKS if number < 2 else _QUESTION_MARKS[:1])
        elif len(part) > 1 and part.startswith("["):
            choices.append((_member(part),))
        else:
            choices.append((part,))
    names = ("".join(each) for each in product(*choices))
    return [name for _, name in zip(range(MOST_SAMPLES), names, strict=False)]


def _member(group: str) -> str:
    """Return a character that a group such as `[a-c]` or `[!0-9]` takes."""
    taken = compiled_glob(group)
    return next((char for char in "z0x1_-a" if taken.fullmatch(char)), group[1])


def _fillers(routes: Sequence[RouteSettings]) -> list[str]:
    """Return what a `*` may stand for, so that `*_genesis.csv` and `agent*.csv` are seen to meet."""
    pieces = {
        piece
        for settings in routes
        for glob in settings.match
        for piece in re.split(r"[*?]|\[[^]]*\]", glob.rpartition(".")[0])
    }
    return [*_STARS[:2], *sorted(pieces - {""})[:16], *_STARS[2:]]


def _odd(
    glob: str, index: int, made: Sequence[dict[str, list[str]]], routes: Sequence[Route], drop: Drop
) -> Finding | None:
    """Say whether files of this glob go elsewhere: to earlier routes, or nowhere."""
    mine, what = routes[index], f"route {routes[index].name}"
    names = [name for name in made[index][glob] if matching_route(name, [mine]) is not None]
    if not names:
        return None
    if all(map(drop.ignored, names)):
        return Finding(
            "warn",
            what,
            f"{glob} seems to match nothing: names such as {names[0]} are on settle.ignore",
            "change settle.ignore, or the pattern",
        )
    taken = {name: earlier for name in names if (earlier := matching_route(name, routes[:index])) is not None}
    if len(taken) == len(names):
        takers = ", ".join(dict.fromkeys(earlier.name for earlier in taken.values()))
        return Finding(
            "warn",
            what,
            f"{glob} seems to match nothing: names such as {names[0]} go to {takers}, which comes first",
            f"put {mine.name} before {takers}, or make that pattern narrower",
        )
    for name, earlier in taken.items():
        # An earlier route that is a special case of this one is the usual way to write it.
        theirs = made[[one.name for one in routes].index(earlier.name)]
        taking = [some for other, some in theirs.items() if compiled_glob(other).fullmatch(folded(name))]
        if any(matching_route(sample, [mine]) is None for some in taking for sample in some):
            return Finding(
                "warn",
                what,
                f"{glob} and {earlier.name} overlap: {name} goes to {earlier.name}, which comes first",
                "if that is not meant, change the order of the routes or one of the patterns",
            )
    return None
