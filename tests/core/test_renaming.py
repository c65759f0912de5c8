"""The name of a file that goes back into the drop folder, where its own is taken and too long for a stamp."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from tests.core.test_names import NAMES
from tests.core.test_route import made
from watcher.core.errors import Outside, TooSlow
from watcher.core.model import Route
from watcher.core.names import LONGEST_NAME_BYTES, stamped_names
from watcher.core.renaming import any_name, keeping, stamped
from watcher.core.route import compiled_glob, compiled_regex, matching_route
from watcher.core.target import Target

NOW = datetime(2026, 11, 23, 19, 24, 39, tzinfo=UTC)
LONG = LONGEST_NAME_BYTES


def renamed(name: str, *routes: Route, serial: int = 1) -> str:
    return stamped(name, NOW, serial, keeping(lambda: routes))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*_end.csv", "q" * 240 + "_end.csv"),
        ("start_*.csv", "start_" + "q" * 238 + ".csv"),
        ("a_*_mid_*_z.csv", "a_" + "q" * 110 + "_mid_" + "q" * 120 + "_z.csv"),
        ("a_*_mid_*_z.csv", "a_" + "q" * 3 + "_mid_" + "q" * 230 + "_z.csv"),
        ("ü_*_ende.csv", "ü_" + "ä" * 115 + "_ende.csv"),
        ("*_end.csv", "q" * 237 + "_end.csv.gz"),
        ("*.long_extension_that_is_none", "q" * 220 + ".long_extension_that_is_none"),
    ],
)
@pytest.mark.parametrize("serial", [1, 12_345_678_901_234_567_890])
def test_what_is_left_out_of_a_long_name_is_nothing_that_its_route_needs(
    pattern: str, name: str, serial: int
) -> None:
    routes = [made("r", compiled_glob(pattern))]
    assert matching_route(name, routes) is not None

    new = renamed(name, *routes, serial=serial)

    assert matching_route(new, routes) is not None
    assert "20261123T192439Z" in new
    assert len(os.fsencode(new)) <= LONG


def test_the_end_is_left_out_first_as_in_a_folder_without_routes() -> None:
    name = "q" * 251 + ".csv"

    assert renamed(name, made("r", compiled_glob("*.csv"))) == stamped(name, NOW, 1, any_name)


@pytest.mark.parametrize("name", ["genesis_q.csv", "genesis_" + "q" * 240 + ".csv"])
def test_a_name_that_another_route_takes_with_a_stamp_is_none_to_go_back_under(name: str) -> None:
    routes = made("r", compiled_regex(r"(?P<acd_type>[a-z]+)_q+\.csv")), made("all", compiled_glob("*.csv"))

    with pytest.raises(Outside, match="its route would not match it"):
        renamed(name, *routes)


def test_a_name_of_which_an_expression_does_not_say_is_stamped_as_any_other() -> None:
    def slow(_name: str, _new: str) -> bool:
        raise TooSlow("(a+)+")

    assert stamped("q" * 251 + ".csv", NOW, 1, slow) == stamped("q" * 251 + ".csv", NOW, 1, any_name)


def test_a_file_that_can_keep_its_route_in_no_way_is_held_alone() -> None:
    name = "q" * 251 + ".csv"

    with pytest.raises(Outside, match="its name is taken in the drop folder") as raised:
        renamed(name, made("r", compiled_regex(r"q{251}\.csv")))

    assert raised.value.target == Target("file", name)
    assert "another name" in raised.value.check


def test_a_file_without_a_route_has_none_to_keep() -> None:
    assert renamed("q" * 251 + ".csv", made("r", compiled_glob("*.json"))).endswith(".20261123T192439Z.csv")


@settings(derandomize=True, deadline=None, max_examples=50)
@given(NAMES)
def test_no_way_to_cut_a_name_makes_one_that_is_too_long(name: str) -> None:
    assert all(len(os.fsencode(new)) <= LONG for new in stamped_names(name, NOW))
