"""File name to route: globs, lists, regular expressions, case, Unicode, markers."""

import re
import unicodedata

import pytest

from watcher.core.model import Route
from watcher.core.route import (
    compiled_glob,
    compiled_regex,
    is_marker,
    marker_for,
    marker_of,
    markers_by_name,
    matching_route,
)


def made(
    name: str, *patterns: re.Pattern[str], acd_type: str | None = None, marker: str | None = None
) -> Route:
    """A route of which only the matching counts."""
    return Route(name, patterns, "http://wfm/x", "text/csv", "csv", acd_type=acd_type, marker=marker)


def matches(glob: str, name: str) -> bool:
    """Say whether the glob takes the name."""
    return matching_route(name, [made("r", compiled_glob(glob))]) is not None


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("*.csv", "a.csv"),
        ("event?types*.json", "event_types.json"),
        ("event?types*.json", "event-types (2).json"),
        ("events_[0-9].csv", "events_7.csv"),
        ("agent*.csv", "AGENT_EVENTS.CSV"),
        ("AGENT*.CSV", "agent_events.csv"),
        ("*.csv", "two\nlines.csv"),
        ("*.csv", "caf\udce9.csv"),
        ("straße*.csv", "STRASSE 1.csv"),
        ("stra?e.csv", "straße.csv"),
    ],
)
def test_a_glob_takes_whole_names_whatever_their_case(glob: str, name: str) -> None:
    assert matches(glob, name)


@pytest.mark.parametrize(
    ("glob", "name"),
    [("*.csv", "a.csv.bak"), ("a*.csv", "ba.csv"), ("a.csv", "aXcsv"), ("events_[0-9].csv", "events_77.csv")],
)
def test_a_glob_does_not_take_parts_of_names(glob: str, name: str) -> None:
    assert not matches(glob, name)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("pattern_form", ["NFC", "NFD"])
def test_a_glob_takes_names_composed_either_way(form: str, pattern_form: str) -> None:
    """macOS writes `ü` as two characters, Windows and Linux as one."""
    glob = unicodedata.normalize(pattern_form, "Übersicht_?rger.csv")

    assert matches(glob, unicodedata.normalize(form, "übersicht_ärger.csv"))


def test_the_first_route_that_matches_wins() -> None:
    routes = [made("one", compiled_glob("a*.csv")), made("two", compiled_glob("*.csv"))]

    assert [
        getattr(matching_route(name, routes), "name", None) for name in ("a1.csv", "b1.csv", "b1.txt")
    ] == [
        "one",
        "two",
        None,
    ]


def test_a_list_of_patterns_matches_if_one_of_them_does() -> None:
    either = made("either", compiled_glob("agent*.csv"), compiled_glob("adherence*.csv"))

    assert matching_route("adherence_1.csv", [either]) == either
    assert matching_route("other.csv", [either]) is None


def test_a_regex_must_match_the_whole_name_and_ignores_case() -> None:
    events = made("r", compiled_regex(r"events_\d+\.csv"))

    assert matching_route("EVENTS_12.CSV", [events]) == events
    assert matching_route("events_12.csv.old", [events]) is None
    assert matching_route("my_events_12.csv", [events]) is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_group_acd_type_of_a_regex_is_taken_from_the_name_as_it_is_written(form: str) -> None:
    """The API compares it with the event types: its case must survive."""
    events = made("r", compiled_regex(r"(?P<acd_type>\w+)_für_WFM\.csv"))
    found = matching_route(unicodedata.normalize(form, "Genesis_für_WFM.csv"), [events])

    assert found is not None
    assert found.acd_type == "Genesis"


def test_the_group_acd_type_goes_before_the_one_of_the_settings_unless_it_took_nothing() -> None:
    events = made("r", compiled_regex(r"(?:(?P<acd_type>[a-z]+)_)?events\.csv"), acd_type="genesis")

    assert [
        getattr(matching_route(name, [events]), "acd_type", None)
        for name in ("avaya_events.csv", "events.csv")
    ] == [
        "avaya",
        "genesis",
    ]


@pytest.mark.parametrize(
    ("marker", "name", "expected"),
    [
        (None, "a.csv", None),
        ("{name}.ok", "a.csv", "a.csv.ok"),
        ("{stem}.done", "a.b.csv", "a.b.done"),
        ("done_{name}", "a.csv", "done_a.csv"),
        ("{stem}.ok", "bare", "bare.ok"),
        ("{name}.ok", "a{stem}.csv", "a{stem}.csv.ok"),
    ],
)
def test_a_marker_is_named_after_its_file(marker: str | None, name: str, expected: str | None) -> None:
    assert marker_of(name, made("r", compiled_glob("*"), marker=marker)) == expected


@pytest.mark.parametrize(
    ("marker", "name", "expected"),
    [
        ("{name}.ok", "a.csv.ok", True),
        ("{name}.ok", "a.csv", False),
        ("{name}.ok", "notes.ok", False),
        ("{name}.ok", ".ok", False),
        ("{stem}.done", "a.done", True),
        ("{stem}.done", "a.csv", False),
        ("{stem}.csv", "a.csv", False),
        (None, "a.csv.ok", False),
        ("{name}.ok", "A.CSV.OK", True),
        ("Done_{name}", "done_a.csv", True),
        ("{stem}.done", "A.DONE", True),
        ("{name}.ok", "a.20261123T192439Z.csv.ok", True),
    ],
)
def test_a_marker_is_told_from_data(marker: str | None, name: str, expected: bool) -> None:
    routes = [made("other", compiled_glob("*.json")), made("r", compiled_glob("*.csv"), marker=marker)]

    assert is_marker(name, routes) is expected


@pytest.mark.parametrize(
    ("name", "lying", "expected"),
    [
        ("a.csv", ["a.csv", "a.csv.ok"], "a.csv.ok"),
        ("A.CSV", ["A.CSV", "a.csv.OK"], "a.csv.OK"),
        ("u\u0308.csv", ["u\u0308.csv", "\u00fc.csv.ok"], "\u00fc.csv.ok"),
        ("A.csv", ["A.csv", "a.csv", "a.csv.ok"], None),
        ("a.csv", ["A.csv", "a.csv", "a.csv.ok"], "a.csv.ok"),
        ("a.csv", ["a.csv", "b.csv.ok"], None),
    ],
)
def test_a_marker_is_found_as_names_are_and_vouches_for_no_other_file(
    name: str, lying: list[str], expected: str | None
) -> None:
    wanted = made("r", compiled_glob("*.csv"), marker="{name}.ok")

    assert marker_for(name, wanted, markers_by_name(lying, [wanted]), [wanted]) == expected


def test_what_is_a_file_of_a_route_itself_is_no_marker_of_another_file() -> None:
    data, other = (
        made("dat", compiled_glob("*.dat"), marker="{stem}.csv"),
        made("csv", compiled_glob("*.csv")),
    )
    lying = markers_by_name(["x.dat", "x.csv"], [data, other])

    assert marker_for("x.dat", data, lying, [data, other]) is None
    assert marker_for("x.dat", data, lying, [data]) == "x.csv"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("event_types.json", "types"),
        ("event_types.20261123T192439Z.json", "types"),
        ("event_types.20261123T192439Z-2.json", "types"),
        ("event_types.20261123T192439Z.20261124T192439Z.json", "types"),
        ("event_types.20261123T192439Z.json.gz", "types"),
        ("event_types.2026.json", None),
        ("event_types.20261123T192439Z.json.error.txt", None),
    ],
)
def test_a_file_that_got_our_stamp_on_its_way_back_keeps_its_route(name: str, expected: str | None) -> None:
    found = matching_route(name, [made("types", compiled_glob("event_types.json"))])

    assert (found.name if found else None) == expected


def test_a_name_that_matches_as_it_is_is_not_taken_for_a_stamped_one() -> None:
    routes = [made("plain", compiled_glob("a.csv")), made("daily", compiled_glob("a.2026*.csv"))]

    found = matching_route("a.20261123T192439Z.csv", routes)

    assert found is not None
    assert found.name == "daily"


def test_the_stamp_is_no_part_of_the_acd_type() -> None:
    found = matching_route(
        "events-avaya.20261123T192439Z.csv", [made("r", compiled_regex(r"events-(?P<acd_type>.+)\.csv"))]
    )

    assert found is not None
    assert found.acd_type == "avaya"
