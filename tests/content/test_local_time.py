"""Times as exports write them become UTC, or are told to be none: by columns and one by one alike."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.content.convert import Converter, Unreadable
from watcher.core.shape import Shape

PRAGUE = "Europe/Prague"
DAY_FIRST = "%d/%m/%Y %H:%M:%S"


def converter(*formats: str, zone: str | None = PRAGUE, ambiguous: str | None = None) -> Converter:
    """Of a column with these settings."""
    return Converter(Shape(times=formats, timezone=zone, ambiguous=ambiguous))  # type: ignore[arg-type]


def refused(text: str, *formats: str, **more: str) -> str:
    """Why it is no time."""
    with pytest.raises(Unreadable) as caught:
        converter(*formats, **more).one(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        (DAY_FIRST, "18/01/2019 23:15:07", "2019-01-18T22:15:07Z"),
        (DAY_FIRST, "18/07/2019 00:15:07", "2019-07-17T22:15:07Z"),
        (DAY_FIRST, "8/1/2019 9:05:07", "2019-01-08T08:05:07Z"),
        (DAY_FIRST, " 18/01/2019 23:15:07 ", "2019-01-18T22:15:07Z"),
        ("%m/%d/%Y %I:%M:%S %p", "1/18/2019 11:15:07 PM", "2019-01-18T22:15:07Z"),
        ("%m/%d/%y %I:%M %p", "01/18/19 12:15 am", "2019-01-17T23:15:00Z"),
        ("%d.%m.%Y %H:%M", "18.01.2019 23:15", "2019-01-18T22:15:00Z"),
        ("%d.%m.%Y %H.%M.%S", "18.01.2019 23.15.07", "2019-01-18T22:15:07Z"),
        ("%Y-%m-%d %H:%M:%S.%f", "2019-01-18 23:15:07.999", "2019-01-18T22:15:07Z"),
        ("%Y-%m-%dT%H:%M:%S.%f", "2019-01-18T23:15:07.9999999", "2019-01-18T22:15:07Z"),
        ("%Y-%m-%dT%H:%M:%S%z", "2019-01-18T23:15:07+05:30", "2019-01-18T17:45:07Z"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2019-01-18T23:15:07.5Z", "2019-01-18T23:15:07Z"),
        ("%d %b %Y %H:%M:%S", "18 Jan 2019 23:15:07", "2019-01-18T22:15:07Z"),
        ("%Y%m%d%H%M%S", "20190118231507", "2019-01-18T22:15:07Z"),
        ("%Y-%m-%d", "2019-01-18", "2019-01-17T23:00:00Z"),
    ],
)
def test_a_local_time_becomes_utc(form: str, text: str, utc: str) -> None:
    assert converter(form).one(text) == utc
    assert list(converter(form).many([text] * 3)) == [utc] * 3


@pytest.mark.parametrize("text", ["31/02/2019 10:00:00", "18/01/2019 23:15:61", "18/01/2019 24:00:00",
                                  "18/01/2019 23:15", "2019-01-18 23:15:07", "18/01/201923:15:07",
                                  "18/01/2019 23:15:07 x", "18/01/2019 23:5x:07"])  # fmt: skip
def test_what_is_no_time_is_told_with_the_format(text: str) -> None:
    assert refused(text, DAY_FIRST) == f"is no time such as {DAY_FIRST}"
    with pytest.raises(Unreadable):
        converter(DAY_FIRST).many(["18/01/2019 23:15:07", text])


@pytest.mark.parametrize(
    ("text", "words", "earlier", "later"),
    [
        ("31/03/2019 02:30:05", "never was in Europe/Prague", "2019-03-31T00:30:05Z", "2019-03-31T01:30:05Z"),
        ("27/10/2019 02:30:05", "was twice in Europe/Prague", "2019-10-27T00:30:05Z", "2019-10-27T01:30:05Z"),
    ],
)
def test_a_time_of_a_clock_change_is_none_unless_it_is_said_which_is_meant(
    text: str, words: str, earlier: str, later: str
) -> None:
    assert refused(text, DAY_FIRST).startswith(words)
    assert converter(DAY_FIRST, ambiguous="earlier").one(text) == earlier
    assert list(converter(DAY_FIRST, ambiguous="later").many([text] * 2)) == [later] * 2


def test_the_clock_change_is_told_even_where_another_format_is_to_be_tried() -> None:
    assert "was twice" in refused("27/10/2019 02:30:05", DAY_FIRST, "%Y-%m-%d")


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        ("epoch", "1547849707", "2019-01-18T22:15:07Z"),
        ("epoch", "1547849707.950", "2019-01-18T22:15:07Z"),
        ("epoch_ms", "1547849707950", "2019-01-18T22:15:07Z"),
        ("excel", "43483.9271643519", "2019-01-18T21:15:07Z"),
        ("excel", "43483,9271643519", "2019-01-18T21:15:07Z"),
    ],
)
def test_numbers_are_times_too(form: str, text: str, utc: str) -> None:
    assert converter(form).one(text) == utc
    assert list(converter(form).many([text] * 2)) == [utc] * 2


@pytest.mark.parametrize(
    ("form", "text"),
    [("epoch", "1547849707950"), ("epoch_ms", "1547849707"), ("epoch", "-1547849707"), ("epoch", "1.5e9"),
     ("excel", "12"), ("excel", "1547849707"), ("excel", "x"), ("epoch", "١٥٤٧٨٤٩٧٠٧")],
)  # fmt: skip
def test_seconds_milliseconds_and_days_are_not_taken_for_each_other(form: str, text: str) -> None:
    assert refused(text, form) == f"is no time such as {form}"


def test_of_several_formats_the_first_that_fits_counts() -> None:
    both = converter("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "epoch")
    texts = ["02/03/2019 10:00:00", "03/13/2019 10:00:00", "1547849707", ""]
    utc = ["2019-03-02T09:00:00Z", "2019-03-13T09:00:00Z", "2019-01-18T22:15:07Z", ""]

    assert list(both.many(texts)) == utc
    assert [both.one(text) for text in texts] == utc


ZONES = [PRAGUE, "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo",
         "Africa/Cairo", "Europe/Amsterdam", "UTC"]  # fmt: skip
FORMATS = [DAY_FIRST, "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S.%fZ", "%d.%m.%Y %H:%M", "%Y-%m-%d %H.%M.%S"]


def expected(local: datetime, zone: str, ambiguous: str | None) -> str | None:
    """What a time becomes, by the rule of PEP 495; None: it is none."""
    both = [local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
    if both[0] != both[1] and ambiguous is None:
        return None
    return (max if ambiguous == "later" else min)(both).strftime("%Y-%m-%dT%H:%M:%SZ")


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(FORMATS),
    st.sampled_from([None, "earlier", "later"]),
    st.datetimes(datetime(1935, 1, 1), datetime(2037, 1, 1)),  # noqa: DTZ001
    st.lists(st.integers(0, 400 * 86_400), min_size=1, max_size=40),
)
def test_quick_or_not_every_time_is_what_the_time_zone_database_says(
    zone: str, form: str, ambiguous: str | None, begin: datetime, gaps: Sequence[int]
) -> None:
    locals_ = [begin + timedelta(seconds=gap) for gap in gaps]
    if "%S" not in form:
        locals_ = [each.replace(second=0) for each in locals_]
    texts = [each.strftime(form) for each in locals_]
    wanted = [expected(each.replace(microsecond=0), zone, ambiguous) for each in locals_]
    column = converter(form, zone=zone, ambiguous=ambiguous)

    for text, utc in zip(texts, wanted, strict=True):
        if utc is None:
            with pytest.raises(Unreadable):
                column.one(text)
        else:
            assert column.one(text) == utc
    if None not in wanted:
        assert list(converter(form, zone=zone, ambiguous=ambiguous).many(texts)) == wanted


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("ambiguous", [None, "earlier", "later"])
def test_every_quarter_of_an_hour_of_a_day_on_which_the_clock_changes_is_right(
    zone: str, ambiguous: str | None
) -> None:
    column = converter(DAY_FIRST, zone=zone, ambiguous=ambiguous)
    begin = datetime(2010, 1, 1)  # noqa: DTZ001 - of the zone that is asked for
    for day in (begin + timedelta(days=number) for number in range(365)):
        offsets = {(day + timedelta(days=at)).replace(tzinfo=ZoneInfo(zone)).utcoffset() for at in (0, 1)}
        for local in (day + timedelta(minutes=15 * at) for at in range(96 * (len(offsets) - 1))):
            utc = expected(local, zone, ambiguous)
            if utc is None:
                with pytest.raises(Unreadable):
                    column.one(local.strftime(DAY_FIRST))
            else:
                assert column.one(local.strftime(DAY_FIRST)) == utc
