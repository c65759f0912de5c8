"""All that can be checked is checked at once, and nothing is told that follows from something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.test_config import GOOD
from tests.settings.test_empty_values import problems

JSON = "  - name: types\n    match: t*\n    endpoint: event-types\n"
SLIP = GOOD.replace("client_id:", "client_idd:")  # two problems of its own
OF_SLIP = ["wfm.client_id", "wfm.client_idd"]


def keys(folder: Path, text: str) -> list[str]:
    """The keys that something is wrong with, in the order in which they are told."""
    return [problem.split(": ")[1] for problem in problems(folder, text)]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("./done", "./drop", "folders.done"),
        ("./drop", ".", "folders.drop"),
        ("genesis\n", f"genesis\n{JSON}    schema: none.json\n", "routes[1].schema"),
        ("genesis\n", "genesis\n    others: drop\n", "routes[0].others"),
        ("genesis\n", "genesis\n    after: [events]\n", "routes[0].after"),
        ("  tenant:", "  client_cert: a.pem\n  tenant:", "wfm.client_cert"),
        ("genesis\n", "genesis\nstatus: {listen: '0.0.0.0:1', upload_limit: x}\n", "status"),
        ("genesis\n", "genesis\nretention: {done: 9d, failed: x, history: 1d}\n", "retention"),
        (
            "genesis\n",
            "genesis\n    columns: [{name: a, optional: x, time: '%d.%m.%Y'}]\n",
            "routes[0].columns[0]",
        ),
        ("genesis\n", "genesis\n    columns: [{name: 7}]\n    expect: {}\n", "routes[0].expect"),
    ],
)
def test_checks_across_keys_are_made_beside_a_misspelt_one(
    old: str, new: str, key: str, tmp_path: Path
) -> None:
    found = keys(tmp_path, SLIP.replace(old, new, 1))

    assert key in found
    assert set(OF_SLIP) < set(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # What the page needs is there, and wrong.
        ("status: {listen: '0.0.0.0:1', password: 7}\n", ["status.password"]),
        ("status: {listen: here, actions: [retry]}\n", ["status", "status.listen"]),
        ("    expect: {by: 6, timezone: UTC}\n", ["routes[0].expect.by"]),
        ("    expect: {every: x}\n", ["routes[0].expect.every"]),
        ("    columns: [{name: a, time: excel, timezone: Nowhere}]\n", ["routes[0].columns[0].timezone"]),
        ("    columns: [{name: a, is: {one_of: 7}}]\n", ["routes[0].columns[0].one_of"]),
        ("    columns: 7\n    others: drop\n", ["routes[0].columns"]),
        ("    others: drop\n    columns: [{name: 7}]\n    header: fist\n",
         ["routes[0].columns[0].name", "routes[0].header"]),
        ("    schema: 7\n    split: x\n", ["routes[0].schema", "routes[0].split"]),
        ("  - {name: b, endpoint: event-typs, match: x, split: 9}\n", ["routes[1].endpoint"]),
        ("  - {name: b, endpoint: agent-events, regex: '('}\n", ["routes[1].regex"]),
        ("  - {name: b, endpoint: agent-events, regex: '${NO}'}\n", ["routes[1].regex"]),
        ("  - {name: b, endpoint: agent-events, match: {regex: 7}, acd_type: x}\n", ["routes[1].regex"]),
        ("  - {name: 7, endpoint: event-types, match: x}\n  - {name: c, endpoint: reason-codes, match: x,"
         " after: ['7']}\n", ["routes[1].name"]),
        ("notify: {urls: [7, x]}\n", ["notify.urls[0]"]),
        ("settle: {ignore: [7]}\nlog: {file: drop/x}\n", ["settle.ignore[0]"]),
    ],
)  # fmt: skip
def test_nothing_is_told_that_follows_from_another_problem(
    text: str, found: list[str], tmp_path: Path
) -> None:
    assert keys(tmp_path, GOOD + text) == found


def test_folders_that_are_sound_are_compared_beside_one_that_is_not(tmp_path: Path) -> None:
    text = SLIP.replace("./failed", "~/failed").replace("./done", "./drop")

    assert keys(tmp_path, text) == ["folders.done", "folders.failed", *OF_SLIP]
    assert keys(tmp_path, SLIP.replace("drop: ./drop", "drop: 7").replace("./state", "./done")) == [
        "folders.drop",
        "folders.state",
        *OF_SLIP,
    ]


def test_all_of_a_section_that_is_there_twice_is_checked(tmp_path: Path) -> None:
    text = GOOD + "settle: {quiet: x}\nupload:\n  attempts: 0\nsettle: {patience: y}\nupload: {retry: 1s}\n"

    assert [problem[: problem.index(": ", 4)] for problem in problems(tmp_path, text)] == [
        "17: settle.quiet",
        "19: upload.attempts",
        "20: settle",
        "20: settle.patience",
        "21: upload",
        "21: upload.retry",
    ]


def test_halves_of_one_section_do_not_lack_each_others_keys(tmp_path: Path) -> None:
    text = GOOD.replace("  client_id: importer\n", "wfm:\n  client_id: 7\n")

    assert [problem.partition(": must")[0] for problem in problems(tmp_path, text)] == [
        "10: wfm: is there twice, first on line 6; remove one",
        "11: wfm.client_id",
    ]
    assert len(problems(tmp_path, text.replace("acme", "7"))) == 3


def test_a_key_that_is_there_three_times_is_told_once_and_each_of_its_values_checked(tmp_path: Path) -> None:
    text = GOOD.replace("genesis\n", "genesis\n    quotes: a\n    quotes: b\n    quotes: none\n")

    assert problems(tmp_path, text) == [
        "17: routes[0].quotes: must be 'double' or 'none' (found: \"a\")",
        "18: routes[0].quotes: must be 'double' or 'none' (found: \"b\")",
        "19: routes[0].quotes: is there twice, first on line 17; remove one",
    ]


def test_routes_that_are_there_twice_are_all_checked(tmp_path: Path) -> None:
    text = GOOD + "routes:\n  - {name: b, match: b, endpoint: b}\n"
    text = text.replace("genesis", "genesis\n    quotes: ${NO}")

    assert [problem.partition(": ")[0] for problem in problems(tmp_path, text)] == ["17", "18", "19"]
