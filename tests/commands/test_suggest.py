"""`watcher explain --suggest FILE`: what it prints loads, and reads the file that it was made of."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forked import run
from tests.manual.test_recipes import VENDORS, recipes
from watcher.commands.explain_suggest import suggest
from watcher.content.inspect import prepare
from watcher.core.route import matching_route
from watcher.settings.config import load
from watcher.settings.presets import build_routes

AROUND = """\
folders: {drop: drop, done: done, failed: failed, state: state}
wfm: {tenant: a, api_url: "https://a.example", token_url: "https://a.example", client_id: a, client_secret: a}
routes:
"""
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def printed(path: Path) -> str:
    """What is suggested for a file; there is something."""
    said: list[str] = []
    assert suggest([path], said.append) == 0, said
    return "\n".join(said) + "\n"


def suggestion(folder: Path, name: str, content: str | bytes) -> tuple[str, dict[str, Any]]:
    """What is suggested for a file with this content: as text, and as YAML has it."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    text = printed(path)
    (route,) = yaml.safe_load(text)
    return text, route


def sent(folder: Path, name: str, text: str) -> bytes:
    """What goes out of the file by the settings that were suggested for it, which no record of it breaks."""
    config = folder / "config.yaml"
    config.write_text(AROUND + "".join(f"  {line}\n" for line in text.splitlines()), encoding="utf-8")
    config.chmod(0o600)
    found, warnings = load(config, {})
    assert warnings == []
    (route,) = build_routes(found)
    assert matching_route(name, [route]) is route
    with (folder / name).open("rb") as file:
        content = prepare(file, name, route, scratch=io.BytesIO, now=NOW)
        content.file.seek(content.opening.start)
        return content.file.read()


def column(route: Mapping[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in route["columns"] if each["name"] == name)
    return dict(found)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_what_is_suggested_for_the_export_of_a_vendor_reads_it(vendor: str, tmp_path: Path) -> None:
    recipe = recipes()[vendor]
    sample, _ = re.findall(r"```text\n(.*?)```", recipe, re.DOTALL)
    (name,) = re.findall(r"Dropped as `(.+?)`:", recipe)

    text, route = suggestion(tmp_path, name, sample)

    assert sent(tmp_path, name, text)
    assert "NOT YET RIGHT" not in text
    # The times that the manual's recipe makes of the sample are seen to be some.
    (known,) = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", recipe, re.DOTALL)[0])
    made = [each for each in known.get("columns", []) if isinstance(each, dict) and "time" in each]
    for wanted in made:
        sources = wanted["from"] if isinstance(wanted["from"], list) else [wanted["from"]]
        (found,) = (
            each for each in route["columns"]
            if (each["from"] if isinstance(each["from"], list) else [each["from"]]) == sources
        )  # fmt: skip
        assert set(several(found["time"])) <= set(several(wanted["time"]))


def several(value: object) -> list[str]:
    """One, or several, as several."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


TITLES = (
    "Agent Report\nFrom;To\n\nAgent;State;Since;Share\n"
    "Anna;Ready;18.01.2019 08:00;92,5\nBob;Away;31.01.2019 09:10;1.091,0\nTotal;;;91,8\n"
)


def test_titles_totals_local_times_and_decimal_commas_are_seen(tmp_path: Path) -> None:
    text, route = suggestion(tmp_path, "report_2019-01.csv", TITLES)

    assert route["match"] == "report_*.csv"
    assert route["delimiter"] == ";"
    assert route["lines"] == {"header": "^Agent;State", "footer": "^Total"} or route["lines"] == {
        "header": "^Agent;", "footer": "^Total"
    }  # fmt: skip
    assert column(route, "since") == {
        "name": "since", "from": "Since", "time": "%d.%m.%Y %H:%M", "timezone": "UTC"
    }  # fmt: skip
    assert column(route, "share") == {"name": "share", "from": "Share", "decimal": ",", "is": "number"}
    assert "# 2 values: Ready | Away" in text
    assert "CORRECT timezone" in text
    assert sent(tmp_path, "report_2019-01.csv", text) == (
        b"Anna,Ready,2019-01-18T08:00:00Z,92.5\nBob,Away,2019-01-31T09:10:00Z,1091.0\n"
    )


def test_a_footer_is_suggested_only_where_the_file_ends_with_one(tmp_path: Path) -> None:
    _, route = suggestion(tmp_path, "a.csv", TITLES.replace("Total;;;91,8\n", ""))

    assert "footer" not in route["lines"]


@pytest.mark.parametrize(
    "content",
    [
        "desk,n,day\na,1,x\nRecords Desk,5,y\n",
        "name,n,day\na,1,x\nTotal Wine,5,y\nEnd User,6,z\n",
        "id,n,day\n#1,1,x\n#2,2\n#3,3,z\n7,7,y\n",
    ],
)
def test_what_may_be_a_record_is_neither_footer_nor_comment(content: str, tmp_path: Path) -> None:
    _, route = suggestion(tmp_path, "a.csv", content)

    assert "lines" not in route


def test_the_doubt_about_day_and_month_is_told_and_the_order_of_the_records_is_evidence(
    tmp_path: Path,
) -> None:
    rising = "Since,Agent\n01/02/2019 10:00,a\n02/01/2019 10:00,b\n"
    text, route = suggestion(tmp_path, "a.csv", rising)
    assert column(route, "since")["time"] == "%m/%d/%Y %H:%M"
    assert "DAY OR MONTH FIRST? %d/%m/%Y %H:%M would do as well" in text
    assert "01/02/2019 10:00 is read as 02 January 2019, else as 01 February 2019" in text

    text, route = suggestion(tmp_path, "b.csv", rising + "13/02/2019 10:00,c\n")
    assert column(route, "since")["time"] == "%d/%m/%Y %H:%M"
    assert "DAY OR MONTH" not in text


def test_the_doubt_is_told_of_each_of_several_formats_and_days_alone_are_named(tmp_path: Path) -> None:
    text, route = suggestion(
        tmp_path, "a.csv", "Since,Day\n01/02/2019 10:00,1/2/2019\n02/01/2019 10:00:05,3/2/2019\n"
    )

    assert len(column(route, "since")["time"]) == 2
    assert text.count("DAY OR MONTH FIRST?") == 2
    assert "days without a time" in text


@pytest.mark.parametrize(
    ("value", "form", "means"),
    [
        ("1547849707", "epoch", "2019-01-18T22:15:07Z"),
        ("1547849707123", "epoch_ms", "2019-01-18T22:15:07Z"),
        ("43483.5", "excel", "2019-01-18 12:00"),
    ],
)
def test_seconds_and_serial_numbers_are_told_with_the_day_that_they_would_mean(
    value: str, form: str, means: str, tmp_path: Path
) -> None:
    text, route = suggestion(tmp_path, "a.csv", f"start time,n\n{value},1\n")

    assert column(route, "start_time")["time"] == form
    assert f"{value} would be {means}" in text
    _, route = suggestion(tmp_path, "b.csv", f"phone,n\n{value},1\n{int(float(value)) - 7},1\n")
    assert "time" not in column(route, "phone")


@pytest.mark.parametrize(
    ("content", "key", "value"),
    [
        ("name;n\nMüller;1\n".encode("cp1252"), "encoding", "cp1252"),
        ("name,n\nanna,1\n".encode("utf-16-le"), "encoding", "utf-16-le"),
        ("name\tn\nanna\t1\n".encode("utf-16"), "delimiter", "\t"),
        (b'name,n\n5" pipe,1\n', "quotes", "none"),
        (b'name,n\n"say \\"hi\\" now",1\n', "escape", "\\"),
        (b"name;n;\nanna;1;\nbob;2;\n", "trailing_delimiter", True),
        (b"name,n\nanna,1\n,\n", "empty_rows", "drop"),
        (b"# by x\nname,n\nanna,1\nbob,2\n", "lines", {"comment": "#"}),
        (b"Agent,Call\nName,n\nanna,1\nbob,2\n", "lines", {"header_lines": 2}),
        (b"name,n\ranna,1\r", "header", "drop"),
        (b"sep=;\nname;n\nanna;1\n", "delimiter", ";"),
    ],
)
def test_how_it_is_written_is_seen_and_reads_it(
    content: bytes, key: str, value: object, tmp_path: Path
) -> None:
    text, route = suggestion(tmp_path, "a.csv", content)

    assert route[key] == value
    assert len(sent(tmp_path, "a.csv", text).splitlines()) == len(content.splitlines()) - (
        content.count(b"\n,\n") + content.count(b"#") + content.count(b"Agent,Call") + content.count(b"sep=")
    ) - 1 or b"\0" in content or b"\r" in content  # fmt: skip


def test_names_that_yaml_would_take_for_something_else_come_through(tmp_path: Path) -> None:
    names = [
        "yes",
        "null",
        "a: b",
        "# no",
        "it's",
        'say "hi"',
        "${HOME}",
        "line\nbreak",
        "ná\u0301me",
        "a,b",
        "",
        "yes",
    ]
    made = io.StringIO(newline="")
    csv.writer(made).writerows([names, [str(at) for at in range(len(names))]])

    text, route = suggestion(tmp_path, "odd [1]*?.csv", made.getvalue())

    assert sent(tmp_path, "odd [1]*?.csv", text).decode().strip() == ",".join(map(str, range(len(names))))
    assert len({each["name"] for each in route["columns"]}) == len(names)


WORDS = st.text(st.sampled_from("abcXYZ _é:#'\"$"), min_size=1, max_size=8).filter(
    lambda word: any(map(str.isalpha, word)) and word == word.strip()
)


@settings(max_examples=40)
@given(
    st.lists(WORDS, min_size=5, max_size=5, unique=True),
    st.lists(
        st.tuples(
            st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
            st.integers(-1000, 1000),
            st.sampled_from(["Ready", "Not Ready", "", "a,b", 'x"y']),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p"]),
)
def test_every_export_with_names_and_times_is_read_by_what_is_suggested_for_it(
    names: list[str], records: list[tuple[datetime, int, str]], delimiter: str, form: str
) -> None:
    made = io.StringIO(newline="")
    writer = csv.writer(made, delimiter=delimiter)
    writer.writerow(names)
    for at, number, word in records:
        writer.writerow([f"{at:{form}}", str(number), word, "x", str(number + 1)])
    with TemporaryDirectory() as folder:
        text, route = suggestion(Path(folder), "a_1.csv", made.getvalue())

        assert "NOT YET RIGHT" not in text
        assert len(route["columns"]) == len(names)
        arrived = list(csv.reader(io.StringIO(sent(Path(folder), "a_1.csv", text).decode())))
        assert [row[1:] for row in arrived] == [
            [str(number), word, "x", str(number + 1)] for _, number, word in records
        ]


def test_json_says_how_its_array_goes_out(tmp_path: Path) -> None:
    _, route = suggestion(tmp_path, "conversations.json", '{"a": {"items": [{"id": 1}, {"id": 2}]}}')
    assert route["split_at"] == "a.items"
    _, route = suggestion(tmp_path, "stream", '{"id": 1}{"id": 2}')
    assert route["format"] == "jsonl"
    text, _ = suggestion(tmp_path, "reason_codes.json", '[{"id": 1}]')
    assert "endpoint: reason-codes" in text


def test_a_large_file_is_looked_at_by_its_beginning_and_its_end(tmp_path: Path) -> None:
    begin = datetime(2019, 1, 18, tzinfo=UTC)
    rows = "".join(
        f"{begin + timedelta(seconds=at):%Y-%m-%d %H:%M:%S},agent {at % 40}\n" for at in range(150_000)
    )

    text, route = suggestion(tmp_path, "big.csv", f"since,agent\n{rows}Total,\n")

    assert "in the first 4,194,304 of" in text
    assert route["lines"] == {"footer": "^Total"}
    assert sent(tmp_path, "big.csv", text).count(b"\n") == 150_000


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "there is nothing in it"),
        ("a.csv", b"a,1\n\0\0", "there is a NUL byte"),
        ("a.csv", b"<html><body>login", "it is a web page (HTML), neither CSV nor JSON"),
        ("a.xlsx", b"PK\x03\x04" + bytes(22) + b"[Content_Types].xml xl/w _rels/", "it is an Excel workbook"),
    ],
)
def test_what_is_neither_csv_nor_json_is_told_as_what_it_is(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    said: list[str] = []

    assert suggest([tmp_path / name], said.append) == 1
    (line,) = said
    assert f"{name}: nothing to suggest: " in line
    assert words in line


def test_a_file_with_very_many_columns_has_the_first_ones_listed(tmp_path: Path) -> None:
    names = ",".join(f"column {at}" for at in range(10_000))
    values = ",".join(map(str, range(10_000)))

    text, route = suggestion(tmp_path, "a.csv", f"{names}\n{values}\n")

    assert "the first 200 of 10,000 columns are listed" in text
    assert len(route["columns"]) == 200
    assert sent(tmp_path, "a.csv", text).startswith(b"0,1,2,")


def test_json_that_no_reader_takes_is_no_fault_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + "1" * 5_000 + "]")

    assert "endpoint: event-types" in printed(path)


def test_what_would_not_be_read_is_said_above(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,2,3\n4,5,6\n7,8")

    assert "NOT YET RIGHT: with these settings it would fail: line 4: the file ends here" in printed(path)


def test_the_command_needs_no_settings_and_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"agent,since\nanna,2019-01-18T08:00:00Z\n"))

    found = run("explain", "--suggest", "a.csv.gz", cwd=tmp_path)
    gone = run("explain", "--suggest", "b.csv", cwd=tmp_path)

    assert (found.returncode, found.stderr) == (0, "")
    (route,) = yaml.safe_load(found.stdout)
    assert column(route, "since") == {"name": "since", "from": "since", "is": "utc_time"}
    assert gone.returncode == 1
    assert "there is no such file" in gone.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv.gz"]
