"""The report of a failed file opens in Notepad, is YAML, and has the contract's keys, whatever is in it."""

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.made import made_row
from watcher.core.model import FileState, Row
from watcher.disk.filing import report_text

TOKEN = "2f1c7f3e"
KEYS = [
    "file", "failed_at", "reason", "what_to_do", "route",
    "push_token", "chunks_delivered", "lines", "status", "server_said",
]  # fmt: skip


def failed(**changes: Any) -> Row:
    """The row of a failed file."""
    facts = {
        "push_token": TOKEN,
        "finished_at": "2026-11-23T19:24:39.000Z",
        "reason": "HTTP 400: the server refused the data",
        "what_to_do": "mend it",
    }
    return made_row(FileState.REJECTED, **(facts | changes))


def test_a_report_is_yaml_with_the_contracts_keys_and_line_ends_for_notepad() -> None:
    entry = failed(
        chunks=2,
        lines="120-188",
        status=400,
        server_said="row\n5: bad",
    )
    text = report_text(entry)

    assert [line.split(":")[0] for line in text.splitlines()] == KEYS
    assert text.count("\n") == text.count("\r\n") == len(KEYS)
    assert yaml.safe_load(text) == {
        "file": "a.csv",
        "failed_at": "2026-11-23T19:24:39.000Z",
        "reason": "HTTP 400: the server refused the data",
        "what_to_do": "mend it",
        "route": "events",
        "push_token": TOKEN,
        "chunks_delivered": 2,
        "lines": "120-188",
        "status": 400,
        "server_said": "row\n5: bad",
    }


def test_what_is_not_known_is_empty_in_the_report() -> None:
    text = report_text(failed(route=None))

    assert {key for key, value in yaml.safe_load(text).items() if value is None} == {
        "route", "lines", "status", "server_said",
    }  # fmt: skip


def test_of_a_long_answer_the_report_has_the_beginning() -> None:
    found = yaml.safe_load(report_text(failed(server_said="abcde" * 1000)))

    assert found["server_said"] == "abcde" * 400


@settings(derandomize=True, deadline=None)
@given(said=st.text(min_size=1, max_size=300), copies=st.integers(1, 20))
def test_a_report_stays_yaml_whatever_the_server_said(said: str, copies: int) -> None:
    entry = failed(name="caf\udce9\n.csv", reason="a: b # c", server_said=said * copies)
    text = report_text(entry)
    found = yaml.safe_load(text)

    assert text.count("\n") == len(KEYS)
    assert found["server_said"] == (said * copies)[:2000]
    assert (found["reason"], found["file"]) == ("a: b # c", r"caf\xe9\n.csv")
    assert text.encode()
