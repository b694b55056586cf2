"""Dates in fields."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

import pytest

from gateway.wire.http.date import LONGEST_WAIT, http_date, read_http_date, told_wait


def test_the_example_of_the_standard() -> None:
    """RFC 9110, 5.6.7."""
    assert "Sun, 06 Nov 1994 08:49:37 GMT" == http_date(784111777)


def test_each_day_and_month_is_written_as_mail_writes_it() -> None:
    """Over more than a year, at odd seconds: what the standard library says."""
    moments = [1.5 + 100_003 * number for number in range(16_000, 16_400)]
    assert [formatdate(moment, usegmt=True) for moment in moments] == [http_date(moment) for moment in moments]


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "6 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 10:19:37 +0130",
    ],
)
def test_each_form_of_the_standard_is_read(text: str) -> None:
    """The three forms that a recipient has to know (RFC 9110, 5.6.7), and mail's."""
    assert 784111777 == read_http_date(text)


@pytest.mark.parametrize("offset", ["+0000", "-0000", "+0130", "-0700"])
def test_a_date_may_have_an_offset(offset: str) -> None:
    """Mail's form of a date names its distance from Greenwich, and means the same instant."""
    moment = datetime.fromisoformat(f"2026-03-01T23:59:58{offset}")
    assert int(moment.timestamp()) == read_http_date(
        moment.strftime("%a, %d %b %Y %H:%M:%S %z").replace("+0000", offset)
    )


@pytest.mark.parametrize("year", [0, 69, 70, 99])
def test_a_year_of_two_digits_is_of_this_time(year: int) -> None:
    """Two digits are a year between 1970 and 2069."""
    assert year == datetime.fromtimestamp(read_http_date(f"Sunday, 06-Nov-{year:02} 08:49:37 GMT"), UTC).year % 100
    assert 1970 <= datetime.fromtimestamp(read_http_date(f"Sunday, 06-Nov-{year:02} 08:49:37 GMT"), UTC).year < 2070


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-11-30T03:22:23Z", "Sun, 31 Feb 2026 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "1"],
)
def test_nothing_else_is_a_date(text: str) -> None:
    """What no form of HTTP's is, or no calendar has, is no moment."""
    with pytest.raises(ValueError):
        read_http_date(text)


LATER = "Sun, 06 Nov 1994 08:49:47 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "999999999"}, LONGEST_WAIT),
        ({"retry-after": LATER, "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"retry-after": LATER, "date": "Sun, 06 Nov 1993 08:49:37 GMT"}, LONGEST_WAIT),
        ({"retry-after": LATER, "date": "Sun, 06 Nov 1995 08:49:37 GMT"}, 0.0),
        ({}, None),
        ({"retry-after": LATER}, None),
        *(({"retry-after": text}, None) for text in ("", "-1", "1.5", "soon", "9" * 10, "1, 2", "\u0663")),
    ],
)
def test_the_wait_that_an_answer_asks_for_is_read_and_bounded(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, or a moment by the answer's own clock (RFC 9110, 10.2.3); what cannot be read asks for nothing."""
    assert seconds == told_wait(headers)
