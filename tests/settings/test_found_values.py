"""A problem tells the value that was found, and never that of a secret, nor what could be one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.settings.test_config import GOOD
from tests.settings.test_empty_values import problems


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("acme", "42", "(found: 42)"),
        ("acme", "no", "(found: no)"),
        ("acme", "~", "(found: ~)"),
        ("acme", "[a]", "(found: a list)"),
        ("acme", "{a: b}", "(found: `key: value` lines)"),
        ("acme", '"a\\tb"', '(found: "a\\tb")'),
        ("https://{tenant}", "${X}", '(found: "2x.example.com", from ${X})'),
        ("acme", "${1}", '(found: "${1}")'),
        ("genesis", "genesis\n    parallel: 99", "must be at most 64 (found: 99)"),
        ("genesis", "genesis\nobserve: weird", "'polling' (found: \"weird\")"),
        ("genesis", "genesis\nrescan: 2x", '(found: "2x")'),
        ("genesis", "genesis\nrescan: ${X}", '(found: "2x", from ${X})'),
        ("genesis", f"genesis\nobserve: {'w' * 500}", f'(found: "{"w" * 60}…")'),
        ("genesis", "genesis\n    quotes: none\n    content_type: application/json", '(found: "none")'),
        ("genesis", "genesis\n    after: events", '(found: "events")'),
        ("./done", "./drop", '(found: "./drop")'),
        ("https://{tenant}", "ftp://me:hunter2@host/a?key=hunter2", '(found: "ftp://…@host/a?…")'),
    ],
)  # fmt: skip
def test_a_problem_tells_the_value_that_was_found(old: str, new: str, found: str, tmp_path: Path) -> None:
    told = problems(tmp_path, GOOD.replace(old, new, 1), X="2x")

    assert any(problem.endswith(found) for problem in told), told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secrett: hunter2"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secrett: hunter2${"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secrett: {a: 'hunter2${'}"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secret: {hunter2: hunter2}"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secret: [hunter2]"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secret: ${X}\n  proxy: hunter2"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secret: ${X}\n  timeout: ${X}"),
        ("client_secret: ${WFM_CLIENT_SECRET}", "client_secret_file: [hunter2]"),
        ("wfm:\n", "status: hunter2\nwfm:\n"),
        ("wfm:\n", "status: {password: [hunter2], token: {hunter2: 1}}\nwfm:\n"),
        ("wfm:\n", "status: {listen: '0.0.0.0:1', passwort: hunter2}\nwfm:\n"),
        ("wfm:\n", "notify: mailto://hunter2\nwfm:\n"),
        ("wfm:\n", "notify: {urls: mailto://hunter2}\nwfm:\n"),
        ("wfm:\n", "notify: {urls: [[mailto://hunter2]], failed: x}\nwfm:\n"),
        ("wfm:\n", "journal: mysql://me:hunter2@host\nwfm:\n"),
        ("wfm:\n", "journal: {url: hunter2}\nwfm:\n"),
        ("https://{tenant}.", "https://me:hunter2@"),
        ("https://{tenant}.", "https://me:hun/hunter2@"),
        (GOOD[GOOD.index("wfm") : GOOD.index("routes")], "wfm: hunter2\n"),
    ],
)
def test_a_secret_is_never_told(old: str, new: str, tmp_path: Path) -> None:
    assert old in GOOD
    told = problems(tmp_path, GOOD.replace(old, new, 1), X="hunter2")

    assert told
    assert "hunter2" not in "\n".join(told)
    assert all(re.match(r"\d+: [\w\[\].]+: \S", problem) for problem in told)
