"""Dates in fields."""

from __future__ import annotations

from email.utils import formatdate

from gateway.wire.http.date import http_date


def test_the_example_of_the_standard() -> None:
    """RFC 9110, 5.6.7."""
    assert "Sun, 06 Nov 1994 08:49:37 GMT" == http_date(784111777)


def test_each_day_and_month_is_written_as_mail_writes_it() -> None:
    """Over more than a year, at odd seconds: what the standard library says."""
    moments = [1.5 + 100_003 * number for number in range(16_000, 16_400)]
    assert [formatdate(moment, usegmt=True) for moment in moments] == [http_date(moment) for moment in moments]
