"""A file that is not read as it is written is refused: another delimiter, a header that nobody declared."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.content.content import Content
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROW = "4711{0}READY{0}2026-11-23T08:00:00Z{0}{1}\n"


def prepared(data: str, **changes: Any) -> Content:
    """The preflight of `data` as a CSV file."""
    route = Route("r", (), "http://x", "text/csv", "csv", **changes)
    return prepare(io.BytesIO(data.encode()), "a.csv", route, scratch=io.BytesIO, now=NOW)


def refused(data: str, **changes: Any) -> Unfit:
    """The reason why `data` is not sent."""
    with pytest.raises(Unfit) as caught:
        prepared(data, **changes)
    return caught.value


@pytest.mark.parametrize(
    ("text", "ours", "setting"),
    [
        ("a;b\n1;2\n", ",", '";"'),
        ('"a";"b"\n"1";"2"\n', ",", '";"'),
        ("a\tb\tc\n1\t2\t3\n", ",", '"\\t"'),
        ("a|b\n1|2\n", ";", '"|"'),
        ("a,b,c\n1,2,3\n4,5;6,7\n", ";", '","'),  # one ; in a note
        ("agent;note\n4711;hello, world\n4712;x\n4713;y\n", ",", '";"'),
        ("agent;seconds\n4711;1,5\n4712;2,5\n", ",", '";"'),
        ("Daily report\n\na;b;c\n1;2;3\n4;5;6\n", ",", '";"'),
        ("".join(ROW.format(";", "x, y" if at % 9 == 0 else "z") for at in range(5_000)), ",", '";"'),
    ],
)
def test_a_file_with_another_delimiter_is_refused_with_the_setting(
    text: str, ours: str, setting: str
) -> None:
    fault = refused(text, delimiter=ours)

    assert f"set `delimiter: {setting}`" in fault.what_to_do
    assert fault.reason.startswith("line ")
    assert fault.lines is not None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a,b;c\nd,e;f\n", {}),
        ("one\ntwo\n", {}),
        ("a;b\nc;d\n", {"columns": (Column("all"),)}),
        ("a,1;2;3\nb\nc,4\n", {}),
        ("x,1\ny,2;3\n", {}),
        ("note\n", {}),
        ("", {}),
    ],
)
def test_other_separators_in_the_text_are_text(text: str, keys: dict[str, Any]) -> None:
    assert prepared(text, **keys)


@pytest.mark.parametrize(
    "value", ["2026-11-23T08:00:00Z", "23.11.2026 08:00", "11/23/2026 8:00 AM", "08:00:05", "1763884800"]
)
def test_a_first_line_of_names_above_times_is_taken_for_a_header_that_nobody_declared(value: str) -> None:
    text = f"\nagent,event,start\n4711,READY,{value}\n4712,,{value}\n"

    fault = refused(text)

    assert fault.reason == "line 2 is text where all others have a time (start): a header?"
    assert "header: drop" in fault.what_to_do
    assert refused(text, columns=tuple(map(Column, ("agent", "event", "start")))).reason == fault.reason
    for header in ("drop", "first", "every"):
        assert prepared(text.lstrip(), header=header).records == 2


@pytest.mark.parametrize(
    "text",
    [
        "4711,READY,open\n4712,READY,2026-11-23T08:00:00Z\n",
        "agent,event,start\n",
        "agent,event,start\n4711,READY,2026-11-23T08:00:00Z\n4712,READY,open\n",
        "4711,READY,2026-11-23T08:00:00Z\n4712,READY,2026-11-23T08:00:00Z\n",
    ],
)
def test_a_first_record_that_may_be_one_is_no_header(text: str) -> None:
    assert prepared(text).records == text.count("\n")
