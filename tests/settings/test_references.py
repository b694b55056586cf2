"""The small types of policy files, and references that lead nowhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.core.request import Action, Operation
from gateway.settings import references
from gateway.settings.conditions import Condition
from gateway.settings.grammar import Doing
from gateway.settings.references import References
from tests.settings.conftest import PROFILES

NOBODY = "'bob' names nobody: write app:NAME, app:*, user:NAME, admin:NAME, link:ID, anonymous or *"
MEDAI = "no bucket is named 'medai' (did you mean 'media'? allowed: media, reports)"
REFERENCES = References({}, Path(), profiles=PROFILES, backends=["near", "far"], buckets=["reports", "media"])


def parsed(kind: Any, value: object, references: References = REFERENCES) -> Any:
    return TypeAdapter(kind).validate_python(value, context=references)


def sentence(kind: Any, value: object, references: References = REFERENCES) -> str:
    with pytest.raises(ValidationError) as raised:
        parsed(kind, value, references)
    return raised.value.errors()[0]["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (
            references.Patterns,
            "report/**",
            "'report/**' names no bucket there is (did you mean 'reports'? allowed: media, reports)",
        ),
        (references.Patterns, "x*/**", "'x*/**' names no bucket there is (allowed: media, reports)"),
        (references.Patterns, "reports/a/**/b", "'reports/a/**/b': ** may stand only as the whole last segment"),
        (references.Patterns, "reports/../b", "'reports/../b': empty segments, . and .. are not allowed in a pattern"),
        (references.Patterns, [7], "must be a pattern: BUCKET/**, BUCKET/folder/**, BUCKET/folder/*.pdf or **"),
        (references.Patterns, "reports/a\0", "has a NUL or is not UTF-8, so no key can match it"),
        (
            references.PrincipalPatterns,
            "bob",
            "'bob' names nobody: write app:NAME, app:*, user:NAME, admin:NAME, link:ID, anonymous or *",
        ),
        (
            references.PrincipalPatterns,
            [7],
            "must name somebody: app:NAME, app:*, user:NAME, admin:NAME, anonymous or *",
        ),
        (
            references.ProfileRef,
            "regionl",
            "no profile is named 'regionl' (did you mean 'regional'? allowed: own, regional)",
        ),
        (references.BackendRef, "fra", "no backend is named 'fra' (did you mean 'far'? allowed: far, near)"),
        (
            references.ExamplePlace,
            "medai/x",
            MEDAI,
        ),
        (Doing, "getobject", "must be an S3 operation, share or sign (did you mean 'GetObject'?)"),
        (Doing, ["x"], "must be an S3 operation, share or sign"),
        (Condition, " ", "must be a CEL expression, like size < 1000000"),
        (Condition, 7, "must be a CEL expression, like size < 1000000"),
        (Condition, "key < 7", "found no matching overload for '_<_' applied to '(string, int)'"),
    ],
)
def test_what_is_not_of_the_type_is_told(kind: Any, value: object, why: str) -> None:
    """With what to write instead, or what was probably meant."""
    assert why == sentence(kind, value).partition(" (allowed: Abort")[0]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (references.ProfileRef, "own"),
        (references.BackendRef, "near"),
        (references.ExamplePlace, "media"),
    ],
)
def test_what_is_right_stays_as_it_is(kind: Any, value: str) -> None:
    """These types check; they do not change."""
    assert value == parsed(kind, value)


def test_patterns_are_compiled_one_or_several() -> None:
    """A text is a list of one; a star may stand for buckets as long as one matches."""
    assert ["reports/**"] == [pattern.text for pattern in parsed(references.Patterns, "reports/**")]
    assert ["**", "rep*/a/*"] == [pattern.text for pattern in parsed(references.Patterns, ["**", "rep*/a/*"])]
    assert "at least 1 item" in sentence(references.Patterns, [])


def test_names_that_may_be_in_an_unreadable_file_are_not_blamed() -> None:
    """One broken file does not make every other file look wrong."""
    unknown = References({}, Path(), profiles=PROFILES)
    assert "elsewhere" == parsed(references.BackendRef, "elsewhere", unknown)
    assert "elsewhere/x" == parsed(references.ExamplePlace, "elsewhere/x", unknown)
    assert "elsewhere/**" == parsed(references.Patterns, "elsewhere/**", unknown)[0].text


def test_an_example_does_an_operation_or_shares_or_signs() -> None:
    """Sharing and signing are no S3 operations but can be tested too."""
    assert Operation.GET_OBJECT is parsed(Doing, "GetObject")
    assert Action.SHARE is parsed(Doing, "share")
    assert Action.SIGN is parsed(Doing, "sign")


def test_a_bare_truth_value_is_an_expression_too() -> None:
    """`when: true` is read by YAML as a truth value and meant as the expression."""
    assert "true" == parsed(Condition, True).text
    assert "false" == parsed(Condition, False).text


@given(st.text() | st.integers() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever stands in a file, each type ends in a value or in a validation error."""
    for name, kind in vars(references).items():
        if not name.startswith("_") and get_origin(kind) is Annotated:
            with suppress(ValidationError):
                parsed(kind, value)
