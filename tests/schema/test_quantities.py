"""Durations, sizes, rates, instants and counts: one type for one meaning, in files and in the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.core.units import Rate
from gateway.schema import quantities
from tests.schema.conftest import no_surprise, parsed, sentence

DURATION = "must be a duration: seconds or a text like 90s, 15m, 12h, 30d, 2w"
SIZE = "must be a size: bytes or a text like 64KiB, 200MB, 5GiB"


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (quantities.Duration, "1h30m", 5400.0),
        (quantities.Duration, 90, 90.0),
        (quantities.Duration, "0.5y", 15768000.0),
        (quantities.DurationOrNone, "none", None),
        (quantities.DurationOrNone, None, None),
        (quantities.DurationOrNone, "1h", 3600.0),
        (quantities.PresignedLife, "7d", 604800.0),
        (quantities.ByteSize, "5GiB", 5 * 1024**3),
        (quantities.ByteSize, 0, 0),
        (quantities.ByteSize, 2**63 - 1, 2**63 - 1),
        (quantities.ByteLimit, 1, 1),
        (quantities.ByteRate, "200MiB/s", 200 * 1024**2),
        (quantities.ByteRate, "1kB / s", 1000),
        (quantities.ByteRate, 1024, 1024),
        (quantities.RequestRate, "1000/15m", Rate(1000, 900.0, 1000)),
        (quantities.RequestRate, "10 / min", Rate(10, 60.0, 10)),
        (quantities.Instant, "2030-01-01", 1893456000.0),
        (quantities.End, "2030-01-01", 1893456000.0 + 86399),
        (quantities.Count, 1, 1),
        (quantities.Uses, 2**63 - 1, 2**63 - 1),
    ],
)
def test_values_are_read_into_their_units(kind: Any, value: object, result: object) -> None:
    """Seconds, bytes, bytes per second, requests a period, seconds since the epoch."""
    assert result == parsed(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (quantities.Duration, True, "a duration is a number of seconds or a text like 30d"),
        (quantities.Duration, [1], DURATION),
        (quantities.Duration, "1h" * 20, DURATION),
        (quantities.Duration, "soon", "'soon' is not a duration: write seconds or a text like 90s, 15m, 12h, 30d, 2w"),
        (quantities.DurationOrNone, [1], "must be a duration: seconds or a text like 90s, 15m, 12h, 30d, 2w, or none"),
        (quantities.PresignedLife, "8d", "a presigned URL lives from one second to seven days"),
        (quantities.PresignedLife, "10ms", "a presigned URL lives from one second to seven days"),
        (quantities.ByteSize, 1.5, SIZE),
        (quantities.ByteSize, True, "a size is a number of bytes or a text like 5GiB"),
        (quantities.ByteSize, "10000PiB", "a size is at most 8 EiB"),
        (quantities.ByteSize, "9" * 33, SIZE),
        (quantities.ByteLimit, 0, "this size is at least 1 byte"),
        (quantities.ByteRate, "5MiB/min", "'5MiB/min' is not a bandwidth: write bytes per second, like 200MiB/s"),
        (quantities.ByteRate, 0, "a bandwidth is at least 1 byte per second"),
        (quantities.RequestRate, "200", "'200' is not a rate: write a text like 200/s, 10/min, 1000/15m"),
        (quantities.RequestRate, 200, "must be a rate: a text like 200/s, 10/min, 1000/15m"),
        (quantities.RequestRate, "1000000001/s", "a rate has at most 1000000000 requests a period"),
        (quantities.Instant, "2031", "'2031' is not a time: write RFC 3339, like 2027-01-31T12:00:00Z"),
        (quantities.Instant, 7, "must be a time in RFC 3339, like 2027-01-31T12:00:00Z"),
        (quantities.Instant, "1969-12-31", "the time is out of range"),
        (quantities.End, 7, "must be a time in RFC 3339, like 2027-01-31T12:00:00Z, or a date"),
    ],
)
def test_what_is_not_of_the_type_is_told(kind: Any, value: object, why: str) -> None:
    """With what to write instead."""
    assert why == sentence(kind, value)


def test_a_truth_value_is_no_count() -> None:
    """`max_transfers: true` must not mean 1."""
    for kind in (quantities.Count, quantities.Uses):
        for value in (True, "5", 1.0, 0):
            with pytest.raises(ValidationError):
                parsed(kind, value)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever is written, each type ends in a value or in a validation error."""
    no_surprise(quantities, value)


@given(st.from_regex(r"[0-9]{1,3}(\.[0-9])? ?([smhdwy]|ms|k|Ki?B|MB|/s|/15m|/min)?", fullmatch=True))
def test_what_is_read_is_what_the_schema_describes(text: str) -> None:
    """An editor marks no text that is accepted: whatever a type reads matches the pattern that its schema gives."""
    for name in ("Duration", "ByteSize", "ByteLimit", "ByteRate", "RequestRate"):
        adapter = TypeAdapter(getattr(quantities, name))
        try:
            adapter.validate_python(text)
        except ValidationError:
            continue
        schema = adapter.json_schema()
        patterns = [one["pattern"] for one in (schema, *schema.get("anyOf", ())) if "pattern" in one]
        assert any(re.search(pattern, text) for pattern in patterns), (name, text)
