"""`lines`: titles above the header, what is below the records, and comments are no records."""

import io
import re

import pytest

from tests.content.shaping import aside, content, refusal, route, sent
from watcher.content.cut_off import doubt_of
from watcher.content.rows import GROUP_CHARS
from watcher.core.errors import Outside
from watcher.core.expressions import line_expression

REPORT = (
    'Agent Report\nFrom "here, to there\n\nAgent,n\nanna,1\n# bob was away\nbob,2\nTotal,3\nprinted at noon\n'
)
LINES = 'lines: {header: "^Agent,", footer: "^Total", comment: "#"}'


def test_titles_totals_and_comments_are_no_records() -> None:
    found = content(REPORT, route(LINES))

    assert sent(REPORT, route(LINES)) == "anna,1\nbob,2\n"
    assert found.records == 2
    assert found.changes.left_out == "2 lines above the header, 2 lines from the footer on, 1 comment"


def test_the_header_goes_out_where_the_route_says_so() -> None:
    assert sent(REPORT, route(LINES + "\nheader: first")) == "Agent,n\nanna,1\nbob,2\n"


def test_lines_are_told_as_they_are_in_the_file_that_was_dropped() -> None:
    found = content(REPORT, route(LINES + "\nheader: first"))

    assert [found.line_in_source(line) for line in (1, 2, 3)] == [4, 5, 7]
    bad = refusal(
        REPORT.replace("bob,2", "bob,x"), route(LINES + "\ncolumns: [Agent, {name: n, is: integer}]")
    )
    assert bad.reason == "line 7, column 2 (n): 'x': is no whole number"
    assert refusal(REPORT.replace("bob,2", 'bob,"2'), route(LINES)).lines == "7"


def test_without_columns_a_route_sends_the_records_byte_for_byte() -> None:
    text = REPORT.replace("\n", "\r\n").replace("anna", 'x "" y').replace('x "" y', '"x "" y"')

    assert sent(text, route(LINES)) == '"x "" y",1\r\nbob,2\r\n'


def test_a_file_without_its_footer_was_not_written_to_its_end() -> None:
    fault = refusal(REPORT.partition("Total")[0], route(LINES))

    assert fault.reason == (
        "the file ends on line 7 without the line that ends each export: none matches ^Total;"
        " it was not written to its end"
    )
    assert "export or copy it again" in fault.what_to_do


def test_a_file_without_its_header_is_refused_with_its_first_line() -> None:
    fault = refusal("\n" + REPORT.replace("Agent,n", "Agents"), route(LINES))

    assert fault.reason == "there is no header: no line matches ^Agent,; the file begins with: Agent Report"


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_with_nothing_in_it_is_empty_and_lacks_nothing(text: str) -> None:
    assert content(text, route(LINES)).empty


def test_a_header_with_no_record_is_empty() -> None:
    assert content("Agent,n\nTotal,0\n", route(LINES)).empty


@pytest.mark.parametrize(
    "more", ["", "\nheader: first", "\ncolumns: [Agent, n]", "\ncolumns: [{name: a, from: 1}, n]"]
)
def test_what_stands_in_quotes_is_neither_footer_nor_comment(more: str) -> None:
    text = 'Agent,n\nanna,"1\nTotal\n# no comment\n"\nTotal\n'

    assert sent(text, route(LINES + more)).removeprefix("Agent,n\n") == 'anna,"1\nTotal\n# no comment\n"\n'


def test_without_quotes_a_quote_hides_nothing() -> None:
    by = LINES.replace("^Agent,", "^Agent;") + '\nquotes: none\ndelimiter: ";"'

    assert sent('Agent;n\n5" pipe;1\n# comment\nTotal\n', route(by)) == '"5"" pipe",1\n'


def test_an_escaped_quote_opens_nothing() -> None:
    text = 'Agent,n\n"a \\" b",1\nTotal\n'

    assert sent(text, route(LINES + '\nescape: "\\\\"')) == '"a "" b",1\n'


def test_a_header_of_two_records_is_one_whose_names_are_joined() -> None:
    text = 'Report\nAgent,,Time\nID,Name,"in, out"\n7,anna,x\n'
    by = "lines: {header: ^Agent, header_lines: 2}\nheader: first"

    assert sent(text, route(by)) == 'Agent ID,Name,"Time in, out"\n7,anna,x\n'
    assert content(text, route(by)).line_in_source(2) == 4
    assert sent(text, route(by + '\nothers: drop\ncolumns: [{name: id, from: "Agent ID"}]')) == "id\n7\n"
    assert "within its header" in refusal("Agent,\n", route(by)).reason


def test_a_header_needs_no_pattern_where_it_only_has_two_records() -> None:
    text = "\n# made today\nAgent\nID\n7\n"

    assert sent(text, route('lines: {header_lines: 2, comment: "#"}\nheader: first')) == "Agent ID\n7\n"


def test_header_and_footer_may_begin_as_comments_do() -> None:
    text = "#Version: 1\n#Fields,n\n# by hand\nanna,1\n"
    found = content(text, route('lines: {header: "^#Fields", comment: "#"}\nheader: first'))

    assert (
        sent(text, route('lines: {header: "^#Fields", comment: "#"}\nheader: first')) == "#Fields,n\nanna,1\n"
    )
    assert found.changes.comments == 2


def test_a_pattern_is_searched_in_the_line_without_its_end() -> None:
    text = "Name of the Agent,n\r\nanna,1\r\nin all: 1\r\n"

    assert sent(text, route("lines: {header: Agent, footer: '1$|all: \\d$'}")) == ""
    assert sent(text, route("lines: {header: 'Agent,n$', footer: 'all: \\d$'}")) == "anna,1\r\n"
    assert sent(text, route("lines: {header: Agent, footer: '^x|all:'}")) == "anna,1\r\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_however_lines_end_and_the_file_begins(end: str, mark: str) -> None:
    text = mark + REPORT.replace('"', "").replace("\n", end)

    assert sent(text, route(LINES)).replace("\r\n", "\n") == "anna,1\nbob,2\n"


def test_the_sep_line_of_excel_is_believed_above_the_titles() -> None:
    assert sent("sep=;\nReport\nAgent;n\nanna;1\n", route("lines: {header: ^Agent}")) == "anna,1\n"


def test_what_is_set_aside_can_be_mended_and_dropped_again() -> None:
    by = route(LINES + "\nbad_records: set_aside\ncolumns: [Agent, {name: n, is: integer}]")
    found = content(REPORT.replace("bob,2", "bob,x"), by)

    assert aside(found) == 'Agent Report\nFrom "here, to there\n\nAgent,n\nbob,x\nTotal,3\n'
    assert sent(aside(found).replace("bob,x", "bob,2"), by) == "bob,2\n"


def test_a_large_file_is_the_same_whatever_its_groups_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    records = "".join(
        f'agent {at},"{at}\nx"\n' if at % 7 == 0 else f"agent {at},{at}\n" for at in range(20_000)
    )
    text = f"title\nAgent,n\n{records}# comment\n{records}Total\n"
    assert len(text) > 4 * GROUP_CHARS

    found = content(text, route(LINES))
    found.file.seek(found.opening.start)
    assert found.file.read().decode() == records * 2
    assert found.line_in_source(2 + records.count("\n")) == text[: text.index("# comment")].count("\n") + 2


def test_only_where_lines_are_set_is_anything_taken_out() -> None:
    found = content(REPORT.replace('"', ""), route("header: none"))

    assert isinstance(found.file, io.BytesIO)
    assert found.file.getvalue() == REPORT.replace('"', "").encode()


def test_a_file_whose_footer_is_not_there_yet_is_in_doubt_and_gets_more_time() -> None:
    by = route(LINES)

    assert doubt_of(io.BytesIO(REPORT.encode()), "a.csv", by) is None
    assert doubt_of(io.BytesIO(REPORT[:-1].encode()), "a.csv", by) is None
    cut = REPORT.partition("Total")[0].encode()
    assert doubt_of(io.BytesIO(cut), "a.csv", by) == "no line at its end matches ^Total"


def test_half_a_record_at_the_end_is_none_though_what_is_missing_is_optional() -> None:
    optional = "{name: b, from: B, optional: true}, {name: c, from: C, optional: true}"
    by = route("header: drop\ncolumns: [{name: a, from: A}, " + optional + "]")

    assert sent("A,B,C\n1,2,3\n1\n", by) == "1,2,3\n1,,\n"
    assert "it was not written to its end" in refusal("A,B,C\n1,2,3\n1", by).reason


@pytest.mark.parametrize(
    "pattern",
    [
        "^Total",
        "Total$",
        "^a|b",
        "(^a)",
        "^(a|b)$",
        "(?i)^TOTAL",
        r"^\(x\)|\|",
        "[|]",
        "^$",
        "a|^b",
        "^(?=x)",
    ],
)
@pytest.mark.parametrize("line", ["", "Total", "x Total", "ab", "ba", "x", "|", "(x)", "total,1", "b"])
def test_an_expression_of_lines_finds_what_a_search_finds(pattern: str, line: str) -> None:
    found = line_expression(pattern)

    assert (found.fullmatch(line) is not None) is bool(re.search(pattern, line))
    assert found.any_fullmatches(["~", line]) is bool(re.search(pattern, line) or re.search(pattern, "~"))


def test_an_expression_that_finds_no_end_on_a_line_holds_the_file_and_says_nothing_of_it() -> None:
    by = route("lines: {footer: ^(a|aa)+b}")

    with pytest.raises(Outside, match=r"takes too long on a value in it"):
        content("a,1\n" + "a" * 90 + "\nTotal\n", by)
    assert doubt_of(io.BytesIO(b"a,1\n" + b"a" * 90), "a.csv", by) is None


def test_line_ends_in_a_long_field_stay_as_they_are() -> None:
    note = "one line of a long note\r\n" * (3 * GROUP_CHARS // 25)
    text = f'a,b\r\n4711,"{note}"\r\n4712,short\r\n'
    shaped = route(
        'header: drop\nlines: {comment: "#"}\ncolumns: [{name: agent, from: a}, {name: note, from: b}]'
    )

    assert sent(text, shaped) == f'"4711","{note}"\n"4712","short"\n'
