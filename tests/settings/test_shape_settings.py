"""What a route says of exports in another shape: the values, and the words for those that make no sense."""

from pathlib import Path

import pytest

from tests.settings.test_route_settings import built, problem
from watcher.core.shape import Lines, Shape
from watcher.settings.column_settings import ColumnSettings, LinesSettings

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def test_columns_say_where_they_come_from(tmp_path: Path) -> None:
    found = built(
        tmp_path,
        "header: drop",
        "others: drop",
        "columns:",
        "  - agent",
        '  - {name: start, from: [Date, 3], time: "%d.%m.%y %H:%M", timezone: Europe/Rome, ambiguous: later}',
        "  - {name: acd, value: genesis}",
        '  - {name: event, map: {Ready: READY, "*": OTHER}, default: NONE, optional: true}',
        "  - {name: talk, duration: [H:MM:SS, 'MM:SS']}",
        "  - {name: load, decimal: ','}",
    )

    assert [column.shape for column in found.columns] == [
        Shape(),
        Shape(("Date", 3), times=("%d.%m.%y %H:%M",), timezone="Europe/Rome", ambiguous="later"),
        Shape(value="genesis"),
        Shape(mapped=(("Ready", "READY"), ("*", "OTHER")), default="NONE", optional=True),
        Shape(durations=("H:MM:SS", "MM:SS")),
        Shape(decimal=","),
    ]
    assert found.is_shaped


def test_columns_with_rules_alone_change_nothing(tmp_path: Path) -> None:
    assert not built(tmp_path, "columns: [agent, {name: at, is: utc_time, required: true}]").is_shaped


def test_lines_that_name_a_header_make_it_no_record(tmp_path: Path) -> None:
    found = built(tmp_path, "lines: {header: ^Agent, footer: ^Total, comment: '#'}")

    assert (found.lines, found.header) == (Lines("^Agent", "^Total", "#"), "drop")
    assert built(tmp_path, "lines: {header_lines: 2}", "header: first").header == "first"
    assert built(tmp_path, "lines: {comment: '#'}").header == "none"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["columns: [{name: a, frm: B}]"], "13: routes[0].columns[0].frm: unknown key; did you mean from?"),
        (["columns: [{name: a, from: 0}]"], "13: routes[0].columns[0].from[0]: must be the name of a column"),
        (["columns: [{name: a, from: true}]"], "13: routes[0].columns[0].from"),
        (["columns:", "  - {name: a, map: {x: 1}}"], "14: routes[0].columns[0].map.x: must be text; put"),
        (["columns: [{name: a, value: 7}]"], "13: routes[0].columns[0].value: must be text; put it"),
        (["columns: [{name: a, time: yyyy-mm-dd}]"],
         '13: routes[0].columns[0].time[0]: must be a format such as "%d/%m/%Y %H:%M:%S", or one of epoch,'),
        (["columns: [{name: a, time: '%d.%m. %H:%M'}]"],
         "13: routes[0].columns[0].time[0]: names no whole date; it needs day, month and year"),
        (["columns: [{name: a, time: '%d.%m.%Y %I:%M'}]"],
         "13: routes[0].columns[0].time[0]: has hours from 1 to 12 (%I); it needs %p as well"),
        (["columns: [{name: a, time: '%d.%m.%Y %H:%M %Z'}]"],
         "13: routes[0].columns[0].time[0]: names of time zones (%Z) are not clear"),
        (["columns: [{name: a, time: '%d.%m.%Y %Q'}]"],
         "13: routes[0].columns[0].time[0]: is no format of a time: 'Q' is a bad directive"),
        (["columns: [{name: a, time: '%d.%m.%Y'}]"],
         "13: routes[0].columns[0]: time needs timezone: Europe/Prague"),
        (["columns: [{name: a, time: '%d.%m.%Y', timezone: Prague}]"],
         "13: routes[0].columns[0].timezone: is no time zone that this machine knows"),
        (["columns: [{name: a, timezone: UTC}]"], "13: routes[0].columns[0]: timezone needs time:"),
        (["columns: [{name: a, ambiguous: later}]"], "13: routes[0].columns[0]: ambiguous needs time:"),
        (["columns: [{name: a, duration: H:M}]"],
         "13: routes[0].columns[0].duration[0]: must be 'H:MM:SS' or 'MM:SS'"),
        (["columns: [{name: a, decimal: ';'}]"], "13: routes[0].columns[0].decimal: must be ',' or '.'"),
        (["columns: [{name: a, time: epoch, map: {x: y}}]"],
         "13: routes[0].columns[0]: map and time: of a field one thing is made"),
        (["columns: [{name: a, value: x, from: B}]"],
         "13: routes[0].columns[0]: value is the same for all records, and from is of no use then"),
        (["columns: [{name: a, map: {'': x}}]"], "13: routes[0].columns[0]: map names an empty field; what"),
        (["columns: [{name: a, optional: maybe}]"], "13: routes[0].columns[0].optional: must be true or"),
        (["others: drop"], "13: routes[0].others: needs columns"),
        (["others: skip", "columns: [a]"], "13: routes[0].others: must be 'fail' or 'drop'"),
        (["columns:", "  - a", "  - {name: b, from: B}"],
         "15: routes[0].columns[1].from: the route has no header that could name B; give its number"),
        (["columns:", "  - a", "  - {name: b, from: 2}"],
         "14: routes[0].columns[0]: needs from: the number of its field"),
        (["columns: [{name: b, from: 3}]"], 
         "13: routes[0].columns: none is from field 1; add one that is, or set `others: drop`"),
        (["lines: {header: '('}"], "13: routes[0].lines.header: is no regular expression"),
        (["lines: {footer: ''}"], "13: routes[0].lines.footer: matches every line; fill it in"),
        (["lines: {header_lines: 0}"], "13: routes[0].lines.header_lines: must be at least 1"),
        (["lines: {titles: 3}"], "13: routes[0].lines.titles: unknown key; the keys here are header, footer"),
        (["lines: {comment: '#'}", "path: /x", "content_type: application/json"],
         "13: routes[0].lines: is for CSV routes"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_with_its_line_and_key(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    assert problem(tmp_path, *lines).startswith(words)


@pytest.mark.parametrize("model", [ColumnSettings, LinesSettings])
def test_the_example_shows_every_key(model: type[ColumnSettings] | type[LinesSettings]) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    keys = [field.alias or name for name, field in model.model_fields.items()]

    assert [key for key in keys if f"{key}:" not in text and f"`{key}`" not in text] == []
