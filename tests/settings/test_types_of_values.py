"""A value has the type that its key wants; a variable of the environment may stand for any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.settings.test_route_settings import ENVIRON, TEXT
from watcher.core.errors import ConfigError
from watcher.settings.config import load
from watcher.settings.settings import Config


def loaded(folder: Path, more: str, environ: Mapping[str, str] = {}) -> Config:
    """The settings with these lines added."""
    path = folder / "config.yaml"
    path.write_text(TEXT + more, encoding="utf-8")
    return load(path, {**ENVIRON, **environ})[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('    parallel: "2"', "routes[0].parallel: must be a whole number; take the quotes away"),
        ("    parallel: 2.0", "routes[0].parallel: must be a whole number"),
        ("    parallel: yes", "routes[0].parallel: must be a whole number"),
        ('    parallel: "${N}0"', "routes[0].parallel: must be a whole number"),
        ('    trailing_delimiter: "true"', "routes[0].trailing_delimiter: must be true or false; take the"),
        ("    trailing_delimiter: y", "routes[0].trailing_delimiter: must be true or false"),
        ("    trailing_delimiter: 0", "routes[0].trailing_delimiter: must be true or false"),
        ("    columns: [{name: a, required: 1}]", "routes[0].columns[0].required: must be true or false"),
        ("    columns: [{name: a, optional: 'no'}]", "routes[0].columns[0].optional: must be true or false"),
        ('    lines: {header_lines: "2"}', "routes[0].lines.header_lines: must be a whole number"),
        ('upload: {attempts: "2"}', "upload.attempts: must be a whole number"),
        (
            'upload: {max_ratio: "200"}',
            "upload.max_ratio: must be a number such as 200; take the quotes away",
        ),
        ("upload: {max_ratio: true}", "upload.max_ratio: must be a number such as 200"),
        ("notify: {urls: [x], failed: 1}", "notify.failed: must be true or false"),
        ("    parallel: ${WORD}", "routes[0].parallel: must be a whole number"),
        ("    trailing_delimiter: ${WORD}", "routes[0].trailing_delimiter: must be true or false"),
        ("upload: {max_ratio: '${WORD}'}", "upload.max_ratio: must be a number such as 200"),
    ],
)
def test_a_value_of_another_type_is_told(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, line + "\n", {"N": "1", "WORD": "many"})
    [found] = caught.value.problems

    assert found.startswith(f"{tmp_path}/config.yaml:13: {words}")


@pytest.mark.parametrize(("word", "truth"), [("true", True), ("No", False), ("on", True), ("0", False)])
def test_a_variable_may_be_a_number_and_a_yes_or_no(word: str, truth: bool, tmp_path: Path) -> None:
    more = (
        '    parallel: ${N}\n    trailing_delimiter: "${WORD}"\n'
        'upload: {max_ratio: "${R}", attempts: "${N}"}\nnotify: {urls: [x], failed: "${WORD}"}\n'
    )
    config = loaded(tmp_path, more, {"N": "3", "R": "2.5", "WORD": word})

    assert (config.routes[0].parallel, config.upload.attempts, config.upload.max_ratio) == (3, 3, 2.5)
    assert (config.routes[0].trailing_delimiter, config.notify and config.notify.failed) == (truth, truth)


@pytest.mark.parametrize(("word", "truth"), [("yes", True), ("off", False), ("True", True)])
def test_yes_and_no_are_what_yaml_takes_them_for(word: str, truth: bool, tmp_path: Path) -> None:
    assert loaded(tmp_path, f"    trailing_delimiter: {word}\n").routes[0].trailing_delimiter is truth
