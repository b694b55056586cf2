"""The laws of durations, sizes, rates and instants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.units import (
    LONGEST,
    Rate,
    duration,
    end_instant,
    format_duration,
    format_instant,
    instant,
    size,
    whole_number,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        (90, 90),
        ("1.5", 1.5),
        ("15m", 900),
        ("1h30m", 5400),
        ("30d", 2592000),
        ("2w", 1209600),
        ("1y", 31536000),
        ("500ms", 0.5),
    ],
)
def test_durations_in_all_their_forms(text: str | int, seconds: float) -> None:
    """Seconds, units and sums of units are understood."""
    assert seconds == duration(text)


@pytest.mark.parametrize(
    "text", ["", "0", 0, -1, "-5m", "5 m", "m", "1h 30m", "inf", "nan", "1e3", True, "101y", "٣d", "5M"]
)
def test_what_is_no_duration_is_refused(text: str | int) -> None:
    """Zero, negative, endless, boolean, non-ASCII and unknown units are errors, never a guess."""
    with pytest.raises(ValueError, match="duration"):
        duration(text)


def test_floats_that_are_no_numbers_are_refused() -> None:
    """NaN and infinity are no durations."""
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="out of range"):
            duration(number)


@given(st.integers(1, int(LONGEST)))
def test_a_formatted_duration_names_its_two_largest_units(seconds: int) -> None:
    """The text for people parses back to at most the duration, and to within its second largest unit."""
    text = format_duration(seconds)
    back = duration(text.replace(" ", ""))
    assert back <= seconds < back + 86400 if "d" in text else back <= seconds < back + 3600


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        (0, 0),
        ("1024", 1024),
        ("64KiB", 65536),
        ("200MB", 200_000_000),
        ("5 GiB", 5 * 1024**3),
        ("1.5k", 1500),
        ("2TiB", 2 * 1024**4),
    ],
)
def test_sizes_in_all_their_forms(text: str | int, count: int) -> None:
    """Powers of 1000 and of 1024 are told apart by the i."""
    assert count == size(text)


@pytest.mark.parametrize("text", ["", "-1", -1, "5 XB", "KiB", True, "1e3", "5Gi5"])
def test_what_is_no_size_is_refused(text: str | int) -> None:
    """Negative, boolean and unknown texts are errors."""
    with pytest.raises(ValueError, match="size"):
        size(text)


@pytest.mark.parametrize(
    ("text", "count", "per"), [("200/s", 200, 1), ("10/min", 10, 60), ("1000/15m", 1000, 900), (" 5 / 2 h ", 5, 7200)]
)
def test_rates_in_all_their_forms(text: str, count: int, per: float) -> None:
    """A count, a slash and a period; the burst is one period's count unless given."""
    assert Rate(count, per, count) == Rate.parse(text)
    assert 7 == Rate.parse(text, burst=7).burst


@pytest.mark.parametrize("text", ["", "0/s", "-1/s", "5", "5/", "5/y", "x/s", "5/0s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """A rate of nothing, or over no time, is an error."""
    with pytest.raises(ValueError):
        Rate.parse(text)


@given(st.integers(0, 4102444800))
def test_instants_come_back(seconds: int) -> None:
    """A formatted instant parses to the same second."""
    assert seconds == instant(format_instant(seconds))


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_what_no_calendar_has_in_utc_is_no_instant(text: str) -> None:
    """A store's date, or a person's, is refused when it is read, and not where it is to be written."""
    with pytest.raises(ValueError, match="is not a time"):
        instant(text)
    assert "9999-12-31T23:59:59Z" == format_instant(instant("9999-12-31T23:59:59Z"))


def test_a_date_that_ends_something_is_its_last_second() -> None:
    """In UTC; a time is itself."""
    assert instant("2027-01-31T23:59:59Z") == end_instant("2027-01-31")
    assert instant("2027-01-31T00:00:00Z") == end_instant("2027-01-31T00:00:00Z")
    with pytest.raises(ValueError, match="offset"):
        end_instant("2027-01-31T00:00:00")


def test_a_whole_number_is_one_that_an_object_can_have() -> None:
    """Plain digits, and no more of them than fit; whatever else a store writes is unknown."""
    assert [0, 5, 7, 10**18 - 1] == [whole_number(text) for text in ("0", "5", "007", "9" * 18)]
    none = ("", "-1", "+1", "1.0", " 1", chr(0xB2), chr(0x663), "9" * 19, "9" * 5000)
    assert {None} == {whole_number(text) for text in none}


def test_instants_need_an_offset_unless_they_are_dates() -> None:
    """A date alone is its first second in UTC; a local time is refused, since nobody knows whose."""
    assert instant("2027-01-31T00:00:00Z") == instant("2027-01-31")
    assert instant("2027-01-31T12:00:00Z") == instant("2027-01-31T13:00:00+01:00")
    for text in ("2027-01-31T12:00:00", "yesterday", ""):
        with pytest.raises(ValueError):
            instant(text)
