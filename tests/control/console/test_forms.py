"""Forms and bodies: each becomes the other, and what was not said is not sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from gateway.control.console import forms
from gateway.control.console.visit import Form

FIELDS = (
    forms.Field("label"),
    forms.Field("uses", "number"),
    forms.Field("once", "flag"),
    forms.Field("actions", "words", choices=("read", "write")),
    forms.Field("cidrs", "lines"),
    forms.Field("password", "secret"),
    forms.Field("scopes", "json"),
)
VIEW = {"label": "a", "uses": 3, "once": True, "actions": ["write", "read"], "cidrs": ["10.0.0.0/8"], "password": True}


def said(*pairs: tuple[str, str]) -> Form:
    return Form(pairs)


def test_what_is_empty_is_not_sent() -> None:
    """And what is not is what it means."""
    empty = said(*((field.name, "") for field in FIELDS))
    assert {} == forms.read(FIELDS, empty)
    full = said(
        ("label", " a "), ("uses", "3"), ("once", "yes"), ("actions", "read"), ("actions", "write"),
        ("cidrs", "10.0.0.0/8\r\n\r\n 192.0.2.0/24 "), ("password", " p "), ("scopes", '[{"bucket": "b"}]'),
    )  # fmt: skip
    expected = {
        "label": "a",
        "uses": 3,
        "once": True,
        "actions": ["read", "write"],
        "cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        "password": " p ",
        "scopes": [{"bucket": "b"}],
    }
    assert expected == forms.read(FIELDS, full)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-4", -4), ("+3", 3), ("007", 7), ("9" * 19, "9" * 19), ("three", "three"), ("²", "²")],
)
def test_what_was_typed_as_a_number_is_sent(text: str, number: object) -> None:
    """Whatever it is, so that the API says what is wrong: a nought that was dropped would set no limit at all."""
    assert {"uses": number} == forms.read(FIELDS, said(("uses", text)))


def test_a_box_that_stands_for_a_default_is_sent_when_it_is_not_ticked() -> None:
    """Else it could not be taken away; ticked, it says nothing new."""
    fields = (forms.Field("credentials", "flag", set=True), forms.Field("once", "flag"))
    assert {"credentials": False} == forms.read(fields, said())
    assert {"once": True} == forms.read(fields, said(("credentials", "yes"), ("once", "yes")))
    assert {"credentials": True, "actions": ["read"]} == forms.defaults(fields, "reports/a.pdf")


def test_people_are_lines() -> None:
    """Addresses, domains and groups, as the command line takes them, and shown again; nobody is no restriction."""
    fields = (forms.Field("holders", "people"),)
    lines = "a@acme.example\r\n@b.example\r\ngroup:staff\r\nnot:eve@b.example"
    people = {"emails": ["a@acme.example"], "domains": ["b.example"], "groups": ["staff"]}
    body = people | {"excluded": ["eve@b.example"], "by": "oidc"}
    form = said(("holders", lines), ("holders_by", "oidc"))
    assert {"holders": body} == forms.read(fields, form)
    shown = forms.shown(fields, {"holders": body})
    assert shown["holders"] == forms.typed(fields, form)["holders"]
    assert {} == forms.changes(fields, form, shown)
    by_code = said(("holders", lines), ("holders_by", "code"))
    assert {"holders": body | {"by": "code"}} == forms.changes(fields, by_code, shown)
    assert {"holders": None} == forms.changes(fields, said(("holders", ""), ("holders_by", "oidc")), shown)
    nobody = said(("holders", ""), ("holders_by", "code"))
    assert ({}, {}) == (forms.read(fields, nobody), forms.changes(fields, nobody, forms.shown(fields, {})))


def test_what_cannot_be_read_is_left_to_the_api() -> None:
    """Its models say what is wrong with it."""
    assert {"uses": "x", "scopes": "{"} == forms.read(FIELDS, said(("uses", "x"), ("scopes", "{")))


def test_an_edit_sends_what_was_changed() -> None:
    """Nothing if nothing was; null for what was emptied; a password only if one was typed, or taken away."""
    shown = forms.shown(FIELDS, VIEW)
    same = [("label", "a"), ("uses", "3"), ("once", "yes"), ("actions", "read"), ("actions", "write")]
    same += [("cidrs", "10.0.0.0/8"), ("password", ""), ("scopes", "")]
    assert {} == forms.changes(FIELDS, said(*same), shown)
    other = [("label", ""), ("uses", "4"), ("actions", "read"), ("cidrs", ""), ("scopes", ""), ("password", "new")]
    expected = {"label": None, "uses": 4, "once": False, "actions": ["read"], "cidrs": None, "password": "new"}
    assert expected == forms.changes(FIELDS, said(*other), shown)
    assert {"password": None} == forms.changes(FIELDS, said(*same, ("remove_password", "yes")), shown)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("", {}),
        ("b/a.pdf", {"bucket": "b", "key": "a.pdf"}),
        ("b/x/a", {"bucket": "b", "key": "x/a"}),
        ("b/x/", {"bucket": "b", "prefix": "x/"}),
        ("b/", {"bucket": "b", "prefix": ""}),
        ("b", {"bucket": "b", "prefix": ""}),
    ],
)
def test_a_place_is_one_text(text: str, body: dict[str, str]) -> None:
    """Read and shown again."""
    assert body == forms.read_place(text)
    view: dict[str, Any] = {"bucket": None, "key": None, "prefix": None} | body
    assert forms.read_place(forms.show_place(view)) == body


class Grown(BaseModel):
    bucket: str
    label: str
    budget: int = Field(alias="bytes")
    holders: list[str]
    sealed: bool | None


def test_what_a_body_gains_has_a_field() -> None:
    """A box for what is yes or no, else one that takes JSON; by its public name."""
    found = forms.fields_of(Grown, FIELDS)
    assert ["label", "bytes", "holders", "sealed"] == [field.name for field in found]
    assert ["text", "json", "json", "flag"] == [field.kind for field in found]
