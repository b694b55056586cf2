"""The sentences: place, path, what is wrong, what is allowed, and what was probably meant."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field, StrictBool, StrictInt, ValidationError
from pydantic_core import PydanticCustomError

from gateway.settings.entry import Section
from gateway.settings.faults import INSIDE_TEXT, describe_errors, did_you_mean, sort_faults
from gateway.settings.source import parse_document


def _never(value: str) -> str:
    if value == "here":
        raise PydanticCustomError(INSIDE_TEXT, "x", {"text": "is wrong inside", "line": 1, "column": 3})
    raise ValueError("is never right")


class Inner(Section):
    name: Annotated[str, Field(min_length=1, max_length=3)] = "x"
    region: str = "x"


class Outer(Section):
    count: Annotated[StrictInt, Field(ge=1, le=9)] = 1
    flag: StrictBool = True
    word: Literal["path", "virtual"] = "path"
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}
    short: Annotated[tuple[str, ...], Field(min_length=1)] = ("x",)
    never: Annotated[str, AfterValidator(_never)] = "x"
    needed: str


def faults(text: str) -> list[str]:
    document = parse_document(text, "f")
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(document.data)
    return list(describe_errors(raised.value, Outer, document))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("needed: 5", "f:1:9: needed: must be a text"),
        ("{needed: x, count: '5'}", "f:1:20: count: must be a whole number"),
        ("{needed: x, count: 0}", "f:1:20: count: must be at least 1"),
        ("{needed: x, count: 10}", "f:1:20: count: must be at most 9"),
        ("{needed: x, flag: no}", "f:1:19: flag: must be true or false"),
        ("{needed: x, several: 5}", "f:1:22: several: must be a list"),
        ("{needed: x, named: []}", "f:1:20: named: must be a mapping of keys and values"),
        ("{needed: x, inner: a}", "f:1:20: inner: must be a mapping of keys and values"),
        ("{needed: x, short: []}", "f:1:20: short: must have at least 1 entry"),
        ("{needed: x, inner: {name: ''}}", "f:1:27: inner.name: must not be empty"),
        ("{needed: x, inner: {name: abcd}}", "f:1:27: inner.name: must have at most 3 characters"),
        ("{needed: x, never: x}", "f:1:20: never: is never right"),
        ("{needed: x, never: here}", "f:1:22: never: is wrong inside"),
        ("{}", "f:1:1: the key 'needed' is missing"),
        ("5", "f:1:1: must be a mapping of keys and values"),
        ("{needed: x, word: pth}", "f:1:19: word: 'pth' is not allowed (did you mean 'path'? allowed: path, virtual)"),
        ("{needed: x, word: [1]}", "f:1:19: word: 'this' is not allowed (allowed: path, virtual)"),
        (
            "{needed: x, inner: {regoin: x}}",
            "f:1:21: inner.regoin: unknown key (did you mean 'region'? allowed: name, region)",
        ),
        ("{needed: x, several: [{x: 1}]}", "f:1:24: several[0].x: unknown key (allowed: name, region)"),
        (
            "{needed: x, named: {a: {nam: 1}}}",
            "f:1:25: named.a.nam: unknown key (did you mean 'name'? allowed: name, region)",
        ),
    ],
)
def test_each_kind_of_error_has_its_sentence(text: str, fault: str) -> None:
    """The place is the value's, or the key's where the key is wrong."""
    assert [fault] == faults(text)


def test_all_errors_are_told_at_once() -> None:
    """Nobody fixes a file one fault at a time."""
    assert [
        "f:1:9: count: must be a whole number",
        "f:1:18: flag: must be true or false",
        "f:1:1: the key 'needed' is missing",
        "f:1:21: x: unknown key (allowed: count, flag, inner, named, needed, never, several, short, word)",
    ] == faults("{count: a, flag: b, x: 1}")


def test_a_guess_is_made_only_when_it_is_close() -> None:
    """Otherwise what is allowed is listed; a long list gives way to a good guess."""
    assert " (did you mean 'read'? allowed: list, read)" == did_you_mean("raed", ["read", "list"])
    assert " (allowed: list, read)" == did_you_mean("zzz", ["read", "list"])
    assert "" == did_you_mean("x", [])
    many = [f"name{number}" for number in range(30)]
    assert " (did you mean 'name7'?)" == did_you_mean("nmae7", many)
    assert did_you_mean("zzz", many).startswith(" (allowed: name0, ")
    assert "" == did_you_mean("zzz", [f"name{number}" for number in range(50)])


def test_faults_are_told_in_the_order_of_the_file() -> None:
    """Line 10 comes after line 9, and what has no line comes first; each once."""
    assert ["GATEWAY_X: y", "a:9:2: x", "a:9:10: x", "a:10:1: x", "b:1:1: x"] == sort_faults(
        ["b:1:1: x", "a:10:1: x", "a:9:10: x", "a:9:2: x", "a:9:2: x", "GATEWAY_X: y"]
    )
