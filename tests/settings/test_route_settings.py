"""What a route's settings say of its files: the values, and the words for those that make no sense."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from watcher.core.errors import ConfigError
from watcher.core.model import Route
from watcher.core.route import compiled_glob
from watcher.settings.config import load
from watcher.settings.presets import build_routes
from watcher.settings.settings import Settle

TEXT = """\
folders: {drop: ./drop, done: ./done, failed: ./failed, state: ./state}
wfm:
  tenant: acme
  api_url: https://{tenant}.example.com
  token_url: https://sso.example.com/{tenant}/token
  client_id: importer
  client_secret: ${SECRET}
routes:
  - name: events
    match: "*.csv"
    endpoint: agent-events
    acd_type: genesis
"""
ENVIRON: Mapping[str, str] = {"SECRET": "x"}


def built(folder: Path, *lines: str) -> Route:
    """The route, with these lines added to its settings."""
    path = folder / "config.yaml"
    path.write_text(TEXT + "".join(f"    {line}\n" for line in lines), encoding="utf-8")
    path.chmod(0o600)
    return build_routes(load(path, ENVIRON)[0])[0]


def problem(folder: Path, *lines: str) -> str:
    """What is wrong with the route when these lines are added; one thing only."""
    with pytest.raises(ConfigError) as caught:
        built(folder, *lines)
    [words] = caught.value.problems
    return words.removeprefix(f"{folder}/config.yaml:")


def test_a_route_says_how_its_files_quote(tmp_path: Path) -> None:
    found = built(tmp_path, 'escape: "\\\\"')

    assert (found.quotes, found.escape) == ("double", "\\")
    assert built(tmp_path, "quotes: none").quotes == "none"


def test_a_route_says_what_becomes_of_rows_and_delimiters_that_hold_nothing(tmp_path: Path) -> None:
    found = built(tmp_path, "empty_rows: drop", "trailing_delimiter: true")

    assert (found.empty_rows, found.trailing_delimiter) == ("drop", True)
    assert built(tmp_path).empty_rows == "fail"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["escape: '\"'"], "13: routes[0].escape: must be one character"),
        (["empty_rows: skip"], "13: routes[0].empty_rows: must be 'fail', 'drop' or 'send'"),
        (["escape: no"], "13: routes[0].escape: must be"),
        (["quotes: single"], "13: routes[0].quotes: must be 'double' or 'none'"),
        (["escape: '!'", "delimiter: '!'"], "13: routes[0].escape: is the delimiter as well"),
        (
            ["quotes: none", "path: /x", "content_type: application/json"],
            "13: routes[0].quotes: is for CSV routes",
        ),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line_and_key(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    assert problem(tmp_path, *lines).startswith(words)


def test_a_format_that_nothing_is_checked_for_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "types.schema.json").write_text('{"items": {"format": "int32"}}')
    path = tmp_path / "config.yaml"
    lines = ("content_type: application/json", "path: /types", "schema: types.schema.json")
    path.write_text(TEXT + "".join(f"    {line}\n" for line in lines), encoding="utf-8")

    assert "routes[0].schema: nothing is checked for format: int32" in load(path, ENVIRON)[1]


def test_an_unknown_endpoint_is_told_with_the_value_found(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("agent-events", "agent-evnts"), encoding="utf-8")

    with pytest.raises(ConfigError, match=r'must be one of event-types, .* \(found: "agent-evnts"\)'):
        load(path, ENVIRON)


@pytest.mark.parametrize(
    "name",
    ["a.csv~", "#a.csv#", "a.csv.bak", ".a.csv.swp", "a.csv:Zone.Identifier", "a.csv.download",
     "a.csv.opdownload", "a.csv.!sync", "a.csv.aria2", "ehthumbs.db"],
)  # fmt: skip
def test_what_programs_leave_beside_a_file_is_ignored(name: str) -> None:
    assert any(compiled_glob(pattern).fullmatch(name) for pattern in Settle().ignore)
    assert not any(compiled_glob(pattern).fullmatch("agent_events.csv") for pattern in Settle().ignore)


def test_a_schema_that_is_no_json_is_told_with_its_line_in_words_of_people(tmp_path: Path) -> None:
    (tmp_path / "types.schema.json").write_text('{"items":\n{a: 1}}')
    lines = ["content_type: application/json", "path: /types", "schema: types.schema.json"]

    assert "is no JSON Schema: line 2: there is no name in double quotes" in problem(tmp_path, *lines)
