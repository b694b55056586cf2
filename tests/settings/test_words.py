"""The small types of policy files, and references that lead nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.core.request import Action, Operation
from gateway.settings import words
from gateway.settings.words import References, backend_name_fault, bucket_name_fault
from tests.settings.conftest import PROFILES

REFERENCES = References({}, Path(), profiles=PROFILES, backends=["near", "far"], buckets=["reports", "media"])


def parsed(kind: Any, value: object, references: References = REFERENCES) -> Any:
    return TypeAdapter(kind).validate_python(value, context=references)


def sentence(kind: Any, value: object, references: References = REFERENCES) -> str:
    with pytest.raises(ValidationError) as raised:
        parsed(kind, value, references)
    return raised.value.errors()[0]["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b", "a" * 63, "123", "1.2.3", "my-reports.2030"])
def test_s3_bucket_names_are_ours(name: str) -> None:
    """Three to 63 characters, so that one-letter paths stay the gateway's."""
    assert None is bucket_name_fault(name)


@pytest.mark.parametrize(
    "name",
    [
        "s",
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "a..b",
        "a.-b",
        "a-.b",
        "1.2.3.4",
        "a/b",
        "äbc",
        "abc\n",
        "",
    ],
)
def test_other_names_cannot_be_buckets(name: str) -> None:
    """No client could address them, or another parser would read them differently."""
    assert bucket_name_fault(name)


def test_a_backends_name_is_plain() -> None:
    """It becomes a metric label and part of log lines."""
    for name in ("near", "a", "eu-west_1", "9"):
        assert None is backend_name_fault(name)
    for name in ("", "Near", "a b", "-a", "a" * 64, "a.b", "a\n"):
        assert backend_name_fault(name)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (
            words.Prefix,
            "prod",
            "must end with a slash (did you mean 'prod/'?): without it, it would reach its siblings",
        ),
        (words.Prefix, "/prod/", "must not begin with a slash or have an empty segment"),
        (words.Prefix, "a//b/", "must not begin with a slash or have an empty segment"),
        (words.Prefix, "a/../b/", "has a dot segment, which no key may have"),
        (words.Prefix, "./", "has a dot segment, which no key may have"),
        (words.Prefix, "x" * 1024 + "/", "is longer than 1024 bytes, which no key may have"),
        (
            words.Patterns,
            "report/**",
            "'report/**' names no bucket there is (did you mean 'reports'? allowed: media, reports)",
        ),
        (words.Patterns, "x*/**", "'x*/**' names no bucket there is (allowed: media, reports)"),
        (words.Patterns, "reports/a/**/b", "'reports/a/**/b': ** may stand only as the whole last segment"),
        (words.Patterns, "reports/../b", "'reports/../b': empty segments, . and .. are not allowed in a pattern"),
        (words.Patterns, [7], "must be a pattern: BUCKET/**, BUCKET/folder/**, BUCKET/folder/*.pdf or **"),
        (words.Patterns, "reports/a\0", "has a NUL or is not UTF-8, so no key can match it"),
        (words.Names, "bob", "'bob' names nobody: write app:NAME, app:*, admin:NAME, link:ID, anonymous or *"),
        (words.Names, [7], "must name somebody: app:NAME, app:*, admin:NAME, anonymous or *"),
        (words.RateText, "200", "'200' is not a rate: write a text like 200/s, 10/min, 1000/15m"),
        (words.RateText, 200, "must be a rate: a text like 200/s, 10/min, 1000/15m"),
        (words.Peer, "10.0.0.0/8", "must be an IP address like 10.1.2.3"),
        (words.Peer, 7, "must be an IP address like 10.1.2.3"),
        (words.Instant, "2031", "'2031' is not a time: write RFC 3339, like 2027-01-31T12:00:00Z"),
        (words.Instant, 7, "must be a time in RFC 3339, like 2027-01-31T12:00:00Z"),
        (
            words.ProfileRef,
            "regionl",
            "no profile is named 'regionl' (did you mean 'regional'? allowed: own, regional)",
        ),
        (words.BackendRef, "fra", "no backend is named 'fra' (did you mean 'far'? allowed: far, near)"),
        (words.ExamplePlace, "medai/x", "no bucket is named 'medai' (did you mean 'media'? allowed: media, reports)"),
        (words.Doing, "getobject", "must be an S3 operation, share or sign (did you mean 'GetObject'?)"),
        (words.Doing, ["x"], "must be an S3 operation, share or sign"),
        (words.Condition, " ", "must be a CEL expression, like size < 1000000"),
        (words.Condition, 7, "must be a CEL expression, like size < 1000000"),
        (words.Condition, "siz < 7", "undeclared reference to 'siz'"),
        (words.Origin, "app.example.com", "must be an origin like https://app.example.com, or *"),
        (words.Origin, "https://a.example/\r\nX: y", "must be an origin like https://app.example.com, or *"),
        (words.HeaderName, "X Y", "must be the name of a header"),
        (words.HeaderName, "ETag\n", "must be the name of a header"),
        (words.RealBucket, "a/b", "must be the name of a bucket"),
        (words.Region, "eu west", "must be a region like us-east-1"),
        (words.Region, "{0.__class__}", "must be a region like us-east-1"),
    ],
)
def test_what_is_not_of_the_type_is_told(kind: Any, value: object, why: str) -> None:
    """With what to write instead, or what was probably meant."""
    assert why == sentence(kind, value).partition(" (allowed: Abort")[0]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (words.Prefix, ""),
        (words.Prefix, "prod/2030/"),
        (words.RateText, "200/s"),
        (words.ProfileRef, "own"),
        (words.BackendRef, "near"),
        (words.ExamplePlace, "media"),
        (words.Origin, "https://*.example.com:8443"),
        (words.Origin, "*"),
        (words.HeaderName, "x-amz-meta-a"),
        (words.RealBucket, "Old_Style.Bucket"),
        (words.Region, "default"),
    ],
)
def test_what_is_right_stays_as_it_is(kind: Any, value: str) -> None:
    """These types check; they do not change."""
    assert value == parsed(kind, value)


def test_patterns_are_compiled_one_or_several() -> None:
    """A text is a list of one; a star may stand for buckets as long as one matches."""
    assert ["reports/**"] == [pattern.text for pattern in parsed(words.Patterns, "reports/**")]
    assert ["**", "rep*/a/*"] == [pattern.text for pattern in parsed(words.Patterns, ["**", "rep*/a/*"])]
    assert "at least 1 item" in sentence(words.Patterns, [])


def test_names_that_may_be_in_an_unreadable_file_are_not_blamed() -> None:
    """One broken file does not make every other file look wrong."""
    unknown = References({}, Path(), profiles=PROFILES)
    assert "elsewhere" == parsed(words.BackendRef, "elsewhere", unknown)
    assert "elsewhere/x" == parsed(words.ExamplePlace, "elsewhere/x", unknown)
    assert "elsewhere/**" == parsed(words.Patterns, "elsewhere/**", unknown)[0].text


def test_an_example_does_an_operation_or_shares_or_signs() -> None:
    """Sharing and signing are no S3 operations but can be tested too."""
    assert Operation.GET_OBJECT is parsed(words.Doing, "GetObject")
    assert Action.SHARE is parsed(words.Doing, "share")
    assert Action.SIGN is parsed(words.Doing, "sign")


def test_a_bare_truth_value_is_an_expression_too() -> None:
    """`when: true` is read by YAML as a truth value and meant as the expression."""
    assert "true" == parsed(words.Condition, True).text
    assert "false" == parsed(words.Condition, False).text


@given(st.text() | st.integers() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever stands in a file, each type ends in a value or in a validation error."""
    for name in words.__all__:
        kind = getattr(words, name)
        if name not in {"References", "backend_name_fault", "bucket_name_fault"}:
            try:
                parsed(kind, value)
            except ValidationError:
                continue
