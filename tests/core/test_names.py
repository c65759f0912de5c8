"""File names are data: shown without harm, stamped, shortened, compared."""

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.names import (
    LONGEST_NAME_BYTES,
    folded,
    is_usable,
    report_name,
    shown,
    stamped,
    unstamped,
)

deterministic = settings(derandomize=True, deadline=None)
NOW = datetime(2026, 11, 23, 19, 24, 39, tzinfo=UTC)
# Names as os.scandir gives them: any text without NUL and slash, undecodable bytes as surrogates.
NAMES = st.binary(min_size=1, max_size=LONGEST_NAME_BYTES).map(
    lambda raw: os.fsdecode(raw.translate(bytes.maketrans(b"\0/", b"__")))
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("agent_events.csv", "agent_events.csv"),
        ("Übersicht 2026.csv", "Übersicht 2026.csv"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("caf\udce9.csv", r"caf\xe9.csv"),
        ("a\u202efdp.exe", r"a\u202efdp.exe"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_a_shown_name_has_escapes_for_what_people_cannot_see(name: str, expected: str) -> None:
    assert shown(name) == expected


@deterministic
@given(NAMES)
def test_a_shown_name_is_printable_and_can_be_encoded_whatever_the_name(name: str) -> None:
    assert shown(name).isprintable()
    assert shown(name).encode("utf-8")


def test_names_compare_without_case_and_without_regard_to_unicode_composition() -> None:
    assert folded("Übersicht.CSV") == folded("u\u0308bersicht.csv")
    assert folded("STRASSE.csv") == folded("straße.CSV")
    assert folded("a.csv") != folded("b.csv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("agent_events.csv", "agent_events.20261123T192439Z.csv"),
        ("no_extension", "no_extension.20261123T192439Z"),
        ("two.dots.csv", "two.dots.20261123T192439Z.csv"),
        (".hidden", ".hidden.20261123T192439Z"),
    ],
)
def test_the_stamp_goes_before_the_extension(name: str, expected: str) -> None:
    assert stamped(name, NOW) == expected


def test_a_serial_number_tells_two_stamps_of_one_second_apart() -> None:
    assert stamped("a.csv", NOW, serial=1) == "a.20261123T192439Z.csv"
    assert stamped("a.csv", NOW, serial=2) == "a.20261123T192439Z-2.csv"


def test_a_stamped_long_name_keeps_its_extension_and_fits() -> None:
    result = stamped("ä" * 125 + ".csv", NOW)

    assert result.endswith(".20261123T192439Z.csv")
    assert LONGEST_NAME_BYTES - 1 <= len(os.fsencode(result)) <= LONGEST_NAME_BYTES


@pytest.mark.timeout(2)
def test_a_name_that_is_nearly_all_extension_is_stamped_and_fits() -> None:
    """`os.path.splitext` calls 253 bytes behind a dot an extension; the stamp must still find room."""
    result = stamped("a." + "b" * 253, NOW)

    assert "20261123T192439Z" in result
    assert len(os.fsencode(result)) <= LONGEST_NAME_BYTES


def test_a_report_is_named_after_its_file() -> None:
    assert report_name("agent_events.csv") == "agent_events.csv.error.txt"


def test_files_that_differ_in_what_a_report_name_has_no_room_for_have_reports_of_their_own() -> None:
    names = ["x" * 240 + f"{number}.csv" for number in range(3)]

    assert len({report_name(name) for name in names}) == 3
    assert report_name("x" * (LONGEST_NAME_BYTES - 10)).endswith("x.error.txt")


@deterministic
@given(NAMES)
def test_a_report_name_is_never_too_long_and_always_ignored_in_the_drop_folder(name: str) -> None:
    result = report_name(name)

    assert result.endswith(".error.txt")
    assert len(os.fsencode(result)) <= LONGEST_NAME_BYTES


@pytest.mark.parametrize(
    "name", ["agent_events.csv", "a.b.csv", "a.csv.gz", "bare", ".hidden", "two\nlines.json"]
)
def test_a_stamp_can_be_taken_off_again(name: str) -> None:
    assert unstamped(stamped(name, NOW)) == name
    assert unstamped(stamped(stamped(name, NOW), NOW, serial=3)) == name
    assert unstamped(name) == name


@pytest.mark.parametrize(
    ("name", "usable"),
    [
        ("agent_events.csv", True),
        ("Übersicht 2026.csv", True),
        ("x" * 251 + ".csv", True),
        ("x" * 252 + ".csv", False),
        ("ü" * 126 + ".csv", False),  # bytes count, and not characters
        (".bad.part", False),
        (".hidden.csv", False),
        ("a.csv.Error.txt", False),
        ("C:a.csv", False),
        ("a\\b.csv", False),
        ("a\nb.csv", False),
        ("caf\udce9.csv", False),
        ("nul.csv", False),
        ("a.csv ", False),
        ("..", False),
        ("", False),
    ],
)
def test_a_name_that_others_chose_is_used_where_every_file_system_takes_and_shows_it(
    name: str, usable: bool
) -> None:
    assert is_usable(name) is usable
