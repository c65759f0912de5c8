"""`columns` say what goes out of an export: each key by itself, quick or not, quoted or not."""

from __future__ import annotations

import csv
import io
import tempfile
import tracemalloc
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.content.shaping import NOW, aside, content, refusal, route, sent
from watcher.content.by_column import by_quoted_column
from watcher.content.inspect import prepare

HEADER = "header: drop\n"


@pytest.mark.parametrize(
    ("column", "text", "becomes"),
    [
        ("from: B", "A,B\n1,2\n", "2"),
        ("from: 2", "A,B\n1,2\n", "2"),
        ("from: [B, A]", "A,B\n1,2\n", "2 1"),
        ("from: [B, A]", "A,B\n1,\n", "1"),
        ("value: genesis", "A,B\n1,2\n", "genesis"),
        ("from: B, map: {Not Ready: AWAY}", "A,B\n1,Not Ready\n", "AWAY"),
        ('from: B, map: {Ready: READY, "*": OTHER}', "A,B\n1,x\n", "OTHER"),
        ('from: B, map: {Ready: READY, "*": "*"}', "A,B\n1,x y\n", "x y"),
        ("from: B, map: {Ready: READY}", "A,B\n1, Ready \n", "READY"),
        ("from: [A, B], time: '%d.%m.%Y %H:%M', timezone: Europe/Prague", "A,B\n1.2.2026,10:30\n",
         "2026-02-01T09:30:00Z"),
        ('from: B, duration: "H:MM:SS"', "A,B\n1,1:02:03\n", "3723"),
        ('from: B, duration: "H:MM:SS"', "A,B\n1,125:02:03.999\n", "450123"),
        ('from: B, duration: "MM:SS"', "A,B\n1,90:05\n", "5405"),
        ('from: B, duration: ["H:MM:SS", "MM:SS"]', "A,B\n1,02:03\n", "123"),
        ('from: B, decimal: ","', 'A,B\n1,"-1.234.567,50"\n', "-1234567.50"),
        ('from: B, decimal: ","', "A,B\n1,1 234\n", "1234"),
        ('from: B, decimal: "."', 'A,B\n1,"1,234.5"\n', "1234.5"),
        ("from: B, default: none", "A,B\n1,\n", "none"),
        ("from: B, default: none, map: {x: y}", "A,B\n1, \n", "none"),
        ("from: B, map: {x: y}", "A,B\n1,\n", ""),
        ("from: C, optional: true", "A,B\n1,2\n", ""),
        ("from: C, optional: true, default: x", "A,B\n1,2\n", "x"),
        ("from: B", 'A,B\n1,"a ""b"", c"\n', '"a ""b"", c"'),
    ],
)  # fmt: skip
def test_a_field_becomes_what_its_column_says(column: str, text: str, becomes: str) -> None:
    by = route(HEADER + f"others: drop\ncolumns: [{{name: x, {column}}}, {{name: y, value: z}}]")

    assert sent(text, by) == f"{becomes},z\n"
    assert sent(text.replace("\n", "\r\n"), by) == f"{becomes},z\n"
    assert sent(text + text.partition("\n")[2] * 50, by) == f"{becomes},z\n" * 51


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("from: B, map: {Ready: READY}", "Gone", "is none of those in `map`: Ready"),
        ('from: B, duration: "H:MM:SS"', "02:03", "is no duration such as H:MM:SS"),
        ('from: B, duration: "H:MM:SS"', "1:60:00", "is no duration such as H:MM:SS"),
        ('from: B, decimal: ","', "1.5", "is no number with ',' as its decimal mark"),
        ('from: B, decimal: ","', "1.23.456", "is no number with ',' as its decimal mark"),
        ("from: B, time: epoch", "soon", "is no time such as epoch"),
        ("from: B, required: true", "", "is empty"),
    ],
)
def test_a_field_of_which_nothing_can_be_made_is_a_bad_record(column: str, value: str, words: str) -> None:
    by = HEADER + f"columns: [A, {{name: x, {column}}}]"
    text = f"A,B\nanna,{value}\n"
    good = {"map": "Ready", "dura": "1:00:00", "deci": "1", "time": "1547849707", "requ": "x"}[
        column.removeprefix("from: B, ")[:4].replace("map:", "map")
    ]

    assert refusal(text, route(by)).reason == f"line 2, column 2 (B) as x: '{value}': {words}"
    found = content(f"{text}bob,{good}\n", route(by + "\nbad_records: set_aside"))
    assert (found.records, found.bad, aside(found)) == (1, 1, text)


def test_what_goes_out_is_what_is_checked() -> None:
    by = route(HEADER + "columns: [{name: at, from: T, time: epoch, is: utc_time, not_future: 0s}]")

    assert sent("T\n1547849707\n", by) == "2019-01-18T22:15:07Z\n"
    assert refusal("T\n4000000000\n", by).reason == (
        "line 2, column 1 (T) as at: '2096-10-02T07:06:40Z': lies in the future"
    )


def test_columns_are_found_by_name_in_whatever_order_and_the_others_by_their_own() -> None:
    by = route("header: first\ncolumns: [agent, {name: event, from: State}]")

    assert sent("State, Agent\nREADY,anna\n", by) == "agent,event\nanna,READY\n"


def test_a_missing_column_is_told_with_those_that_are_there() -> None:
    by = route(
        HEADER + "columns: [{name: x, from: [Date, Time]}, {name: y, from: state}, {name: z, from: 9}]"
    )

    fault = refusal("Date,State\n1,2\n", by)
    assert fault.reason == "line 1: the header has no column Time, state, 9; it has Date, State"


def test_columns_that_nobody_named_fail_the_file_or_are_left_out() -> None:
    by = HEADER + "columns: [{name: x, from: B}]"

    assert refusal("A,B,\n1,2,3\n", route(by)).reason == (
        "line 1: the route does not name: A, column 3, which has no name"
    )
    found = content("A,B,\n1,2,3\n", route(by + "\nothers: drop"))
    assert found.changes.words == "left out: columns A, column 3, which has no name; 1 column made anew"


def test_a_name_that_stands_in_the_header_twice_needs_a_number() -> None:
    by = HEADER + "others: drop\ncolumns: [{name: x, from: %s}]"

    assert refusal("A,A\n1,2\n", route(by % "A")).reason == "line 1: the header has more than one column A"
    assert sent("A,A\n1,2\n", route(by % "2")) == "2\n"


def test_short_records_are_filled_up_where_what_is_missing_is_optional() -> None:
    by = HEADER + "columns: [{name: x, from: A}, {name: y, from: B}, {name: z, from: C, optional: true%s}]"
    text = "A,B,C\n1,2,3\n1,2\n"

    found = content(text, route(by % ", default: n"))
    assert (sent(text, route(by % ", default: n")), found.changes.padded) == ("1,2,3\n1,2,n\n", 1)
    assert refusal(text + "1\n", route(by % "")).reason == (
        "line 4: 1 fields where there are 3 columns, and y is not `optional: true`"
    )
    assert refusal(text + "1,2,3,4\n", route(by % "")).reason == "line 4: 4 fields where there are 3 columns"


def test_without_a_header_columns_are_numbers_or_stand_in_order() -> None:
    assert sent("1,2\n", route("columns: [{name: v, value: g}, x, {name: y, decimal: ','}]")) == "g,1,2\n"
    assert sent("1,2\n", route("columns: [{name: x, from: 2}, {name: y, from: 1}]")) == "2,1\n"
    by = route("columns: [{name: x, from: 2}, {name: y, from: 1}]")
    assert refusal("1,2,3\n", by).reason == "line 1: 3 fields where there are 2 columns"


def test_without_a_header_other_fields_can_be_left_out_however_many_there_are() -> None:
    by = route("others: drop\ncolumns: [{name: x, from: 1}, {name: y, from: 3, optional: true}]")

    assert sent("1,2,3,4,5\n1\n1,2,3\n", by) == "1,3\n1,\n1,3\n"


def test_blank_lines_are_no_records_and_rows_of_delimiters_are_as_the_route_says() -> None:
    by = "others: drop\ncolumns: [{name: x, from: 2, optional: true}, {name: y, value: v}]"
    text = "1,2\n\n  \n,\n3,4\n"

    assert "nothing but delimiters" in refusal(text, route(by)).reason
    found = content(text, route(by + "\nempty_rows: drop"))
    assert sent(text, route(by + "\nempty_rows: drop")) == "2,v\n4,v\n"
    assert [found.line_in_source(line) for line in (1, 2)] == [1, 5]


def test_delimiters_encodings_and_trailing_delimiters_go_together_with_it() -> None:
    by = (
        HEADER
        + "delimiter: ';'\nencoding: cp1252\ntrailing_delimiter: true\ncolumns: [{name: x, from: Ä}, B]"
    )
    text = 'B;Ä;\r\n"1,5";ü;\r\n2;é;\r\n'.encode("cp1252")

    assert sent(text, route(by)) == 'ü,"1,5"\né,2\n'


def test_lines_are_told_as_they_are_in_the_file_though_fields_had_line_breaks() -> None:
    by = route(HEADER + "others: drop\ncolumns: [{name: x, from: A}, {name: y, value: v}]")
    text = 'A,"B\nb"\n1,"x\ny\nz"\n"2\n3",b\n4,b\n'
    found = content(text, by)

    assert sent(text, by) == '1,v\n"2\n3",v\n4,v\n'
    assert [found.line_in_source(line) for line in (2, 3, 4, 5)] == [5, 6, 7, 8]


def test_the_same_file_is_the_same_bytes_quick_or_not() -> None:
    records = [f"agent {at},18/01/2019 10:{at % 60:02d}:07,{at % 9}:0{at % 7}:00,note" for at in range(3_000)]
    by = route(
        """
        others: drop
        columns:
          - {name: at, from: 2, time: "%d/%m/%Y %H:%M:%S", timezone: Asia/Kolkata}
          - {name: agent, from: 1}
          - {name: talk, from: 3, duration: "H:MM:SS"}
        """
    )
    plain = "\n".join(records) + "\n"
    quoted = "".join('"' + '","'.join(each.split(",")) + '"\n' for each in records)
    mixed = plain.replace("agent 7,", '"agent 7",').replace("agent 2999,", '"agent 2999",')
    wanted = sent(plain, by)

    assert wanted.startswith("2019-01-18T04:30:07Z,agent 0,0\n2019-01-18T04:31:07Z,agent 1,3660\n")
    for other in (quoted, mixed, plain.replace("\n", "\r\n"), quoted.replace("\n", "\r\n"), plain + "\n\n"):
        assert sent(other, by) == wanted


def test_among_many_records_each_bad_one_is_told_and_set_aside_with_its_lines() -> None:
    by = route(
        "bad_records: set_aside\nothers: drop\ncolumns: [{name: t, from: 2, time: epoch}, {name: n, from: 1}]"
    )
    kinds = [
        "a{},1547849707\n",
        '"b\n{}",1547849707\n',
        "c{},x\n",
        '"d\n\n{}",y\n',
        "\n",
        '"e{}",1547849707,"1\n2"\n',
    ]
    chosen = [kinds[at * at % 89 % 6 if at % 3 == 0 else 0] for at in range(4_000)]
    texts = [kind.format(at) for at, kind in enumerate(chosen)]
    begin, bad, good = 1, [], []
    for text in texts:
        height = text.count("\n")
        if ",x" in text or ",y" in text:
            bad.append((begin, begin + height - 1))
        elif text.strip():
            good.append(begin + height - 1)  # where a record stands on fewer lines, its last ones are its own
        begin += height

    found = content("".join(texts), by)
    assert (found.bad, found.records) == (len(bad), len(good))
    assert list(found.bad_lines) == bad
    assert aside(found) == "".join(text for text in texts if ",x" in text or ",y" in text)
    found.file.seek(0)
    ends = [
        at for at, line in enumerate(found.file.read().decode().splitlines(), 1) if not line.endswith('"b')
    ]
    assert [found.line_in_source(end) for end in ends] == good


FIELDS = st.text(st.sampled_from('ab,"\n\r ;'), max_size=4)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_read_by_column_is_what_the_csv_module_reads(rows: list[list[str]], end: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    found = by_quoted_column(out.getvalue(), 2, ",")

    if found and len(found[0]) == out.getvalue().count("\n"):
        assert [list(row) for row in zip(*found, strict=True)] == rows
    plain = not any(char in "".join(map("".join, rows)) for char in '"\n\r')
    assert bool(found) or not plain


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.lists(FIELDS, min_size=3, max_size=3).filter(lambda row: "".join(row).strip()), max_size=12)
)
def test_whatever_stands_in_a_field_goes_out_as_it_is(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["A", "B", "C"], *rows])
    by = route("header: first\nothers: drop\nempty: done\ncolumns: [{name: x, from: C}, {name: y, from: A}]")

    found = list(csv.reader(io.StringIO(sent(text.getvalue(), by), newline="")))
    assert found == [["x", "y"], *([row[2], row[0]] for row in rows)]


def test_memory_stays_flat_where_every_record_is_another_time() -> None:
    by = route('columns: [{name: x, time: "%Y-%m-%d %H:%M:%S", timezone: UTC}, {name: y, map: {"*": "*"}}]')
    times = (datetime(2000, 1, 1) + timedelta(hours=at) for at in range(25_000))  # noqa: DTZ001
    file = io.BytesIO("".join(f"{at},{number}\n" for number, at in enumerate(times)).encode())
    with ExitStack() as stack:
        tracemalloc.start()
        stack.callback(tracemalloc.stop)

        def scratch() -> BinaryIO:
            return cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))

        assert prepare(file, "a.csv", by, scratch=scratch, now=NOW).records == 25_000
        assert tracemalloc.get_traced_memory()[1] < 7_000_000
