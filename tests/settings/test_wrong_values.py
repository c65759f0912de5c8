"""Sixty kinds of wrong settings and more: each is told in our words, with its line and its key."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from watcher.core.errors import ConfigError
from watcher.settings.config import load

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
WRONG: tuple[Any, ...] = (None, "", -1, True, 1e30, [], {}, [None], {"a": 1}, "a word")
# How pydantic speaks; none of it means a thing to who writes settings.
_ITS_VOICE = re.compile(
    r"input should|value error|extra_forbidden|validation|pydantic|tuple|\bdict|NoneType|unable to parse|"
    r"valid (integer|number|string|boolean)|at least \d+ (item|char)",
    re.IGNORECASE,
)


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key and every item of settings."""
    if at:
        yield at
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*at, key))


def example() -> dict[str, Any]:
    text = re.sub(r"\$\{\w+\}", "x", EXAMPLE.read_text(encoding="utf-8"))
    settings: dict[str, Any] = yaml.safe_load(text)
    return settings


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_no_wrong_value_anywhere_is_told_in_the_words_of_the_library(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    good = example()
    told = 0
    for at in places(good):
        settings = copy.deepcopy(good)
        node: Any = settings
        for key in at[:-1]:
            node = node[key]
        node[at[-1]] = value
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        try:
            load(path, {})
        except ConfigError as error:
            told += len(error.problems)
            for problem in error.problems:
                words = problem.removeprefix(str(tmp_path))
                assert re.match(r"/config\.yaml:\d+: [\w\[\].]+: \S", words), problem
                assert not _ITS_VOICE.search(words), problem

    assert told >= 6
