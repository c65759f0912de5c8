"""Expressions of the settings: they mean what they mean in `re`, and end whatever text they meet."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.errors import TooSlow
from watcher.core.expressions import Expression, _swift_chars, expression

ENDLESS = r"(a|aa)+\.csv"  # as many ways through a text as there are ways to sum up its length
LONG = "a" * 60 + ".txt"


def watched(text: str, ignore_case: bool = False) -> Expression:
    """An expression each of whose matches is watched, whatever the length of the text."""
    made = Expression(text, ignore_case=ignore_case, dot_all=True)
    made._swift_chars = -1
    return made


@pytest.mark.parametrize(
    "text", [ENDLESS, r"(?:\w*_?)*\.csv", r"(.*a){30}\.csv", r"((a?)+)+\.csv", "(a|a)*b"]
)
def test_a_match_without_end_is_given_up(text: str) -> None:
    with suppress(TooSlow):  # the package sees through some
        assert expression(text).fullmatch(LONG) is None


def test_what_took_too_long_is_not_tried_again_and_others_are() -> None:
    endless = Expression(ENDLESS, ignore_case=False, dot_all=False)
    with pytest.raises(TooSlow):
        endless.fullmatch(LONG)
    tries = endless._tries_left

    for _ in range(1000):
        with pytest.raises(TooSlow):
            endless.fullmatch(LONG)

    assert endless._tries_left == tries
    assert endless.fullmatch("aaaa.csv")
    assert endless.fullmatch("aaaa.txt") is None


def test_many_such_texts_gain_no_more_time_than_a_few() -> None:
    endless = Expression(ENDLESS, ignore_case=False, dot_all=False)
    endless._tries_left = 0

    for number in range(30):
        with pytest.raises(TooSlow):
            endless.search("a" * 60 + str(number))

    assert endless._tries_left == 0
    assert endless.fullmatch("aaaa.csv")


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("a{e<=1}", "b", False),  # fuzzy for `regex`
        ("a{e<=1}", "a{e<=1}", True),
        ("(ab){s}", "(ab){s}", False),
        ("(ab){s}", "ab{s}", True),
        ("a{,2}b{1,}c{2}", "aabcc", True),
        ("[{]x[}]", "{x}", True),
        (r"\{x\}", "{x}", True),
        (r"\N{DIGIT ONE}x", "1x", True),
        ("[:;]", ":", True),
        (r"[a-z&]+", "a&b", True),
        (r"(?P<one>a)(?P=one)\Z", "aa", True),
        (r"(?i:A)b", "ab", True),
        (r"a++b", "aab", True),
    ],
)
def test_an_expression_means_what_it_means_in_python(text: str, value: str, expected: bool) -> None:
    assert bool(re.fullmatch(text, value)) is expected
    assert bool(expression(text).fullmatch(value)) is expected
    assert bool(watched(text).fullmatch(value)) is expected


@given(
    st.text("ab.*+?|[]^$(){},1\\dw:", max_size=12),
    st.lists(st.text("ab1.{}:\n", max_size=8), max_size=5),
    st.booleans(),
)
def test_whatever_is_an_expression_gives_the_answers_of_python(
    text: str, values: list[str], ignore_case: bool
) -> None:
    try:
        ours = watched(text, ignore_case)
    except ValueError:
        return
    except FutureWarning:  # Python says that it may mean another thing one day
        return
    theirs = re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))

    for value in values:
        assert bool(ours.fullmatch(value)) is bool(theirs.fullmatch(value))
        assert bool(ours.search(value)) is bool(theirs.search(value))


@pytest.mark.parametrize(
    "text", ["(a", r"\p{L}", "(?<n>a)", "(?|a|b)", "a{1}{2}", r"(?R)", "(?<=a*)b", r"\L<x>", "(?1)", r"a\K"]
)
def test_what_python_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - in Python's words
        expression(text)
    assert str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        r"[A-Z]{3}", r"\d{4}-\d{2}-\d{2}", r"(?P<acd_type>\w+)_events_.*\.csv", r"agent[_-]?events.*\.csv",
        r"(event|reason)-(types|codes)\.json", r"(?:(?P<acd_type>[a-z]+)_)?events\.csv",
    ],
)  # fmt: skip
def test_what_people_write_needs_no_watching(text: str) -> None:
    assert _swift_chars(text) >= 40


@pytest.mark.parametrize("text", [ENDLESS, "(a+) +", "(?x)(a+)#\n+", "(a*){9}", "(a+)(?#x)*", "(a)+?"])
def test_what_repeats_a_group_is_always_watched(text: str) -> None:
    assert _swift_chars(text) == -1
