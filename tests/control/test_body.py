"""Field types and the collection of faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.control.bodies import EditLink, ExplainBody, LinkQuery, NewLink, NewRevocation, PresignBody
from gateway.control.body import Body, Fault, faults_of
from gateway.control.key_bodies import NewKey
from gateway.control.rows import ROWS
from gateway.core.said import Said
from gateway.pages.languages import SOURCE, languages

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
BODIES = (NewLink, EditLink, NewKey, NewRevocation, PresignBody, ExplainBody, LinkQuery)


def _faults(body: type[Body], sent: Any) -> tuple[Fault, ...] | None:
    try:
        body.model_validate(sent)
    except ValidationError as error:
        return faults_of(error)
    return None


@pytest.mark.parametrize("body", BODIES)
def test_any_json_is_a_body_or_faults(body: type[Body]) -> None:
    """Whatever JSON is sent, a body reads it or names faults; nothing else is ever raised."""
    names = [field.alias or name for name, field in body.model_fields.items()]

    @given(st.dictionaries(st.sampled_from(names), JSON) | JSON)
    def holds(sent: Any) -> None:
        found = _faults(body, sent)
        assert found is None or found

    holds()


@given(st.text(max_size=30))
def test_units_never_break_out(text: str) -> None:
    """Any text for a duration, size, rate or time is a value or a fault."""
    members = {"expires_in": text, "bytes": text, "rate": text, "not_before": text, "max_size": "9" * 31}
    with pytest.raises(ValidationError) as error:
        EditLink.model_validate(members)
    assert "/max_size" in dict(faults_of(error.value))


def test_pointers_are_escaped() -> None:
    """A pointer to a strange name follows RFC 6901."""
    with pytest.raises(ValidationError) as error:
        NewKey.model_validate({"app": "a", "x/y~z": 1})
    assert [pointer for pointer, _ in faults_of(error.value)] == ["/x~1y~0z"]


def test_faults_are_told_in_our_words() -> None:
    """No name of a class, and the pointer to a whole body is the empty text (RFC 6901, 5)."""
    assert (("", "send an object"),) == _faults(NewKey, [])
    assert (("/x", "is not known here"), ("/app", "is needed")) == tuple(reversed(_faults(NewKey, {"x": 1}) or ()))
    assert [""] == [pointer for pointer, _ in _faults(NewRevocation, {}) or ()]


def test_what_is_allowed_is_told_by_its_values() -> None:
    """Of an enumeration, too: nobody is told a name in Python."""
    faults = _faults(NewLink, {"bucket": "reports", "key": "a", "actions": ["delete"]})
    assert (("/actions/0", "must be one of these: 'read', 'list', 'write'"),) == faults


def test_faults_between_and_inside_fields_come_together() -> None:
    """A conflict between two fields does not hide a fault of a third."""
    with pytest.raises(ValidationError) as error:
        NewLink.model_validate({"bucket": "bbb", "key": "a", "prefix": "b/", "uses": "many"})
    assert {pointer for pointer, _ in faults_of(error.value)} == {"/prefix", "/uses"}


def test_secrets_stay_out_of_faults() -> None:
    """Neither the error's text nor its faults repeat what was sent."""
    with pytest.raises(ValidationError) as error:
        NewLink.model_validate({"bucket": "bbb", "key": "a", "password": ["hunter2"], "hunter3": "hunter2"})
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(faults_of(error.value))


_JUNK: tuple[Any, ...] = (
    None,
    True,
    5,
    -1,
    0.5,
    "",
    "x",
    "x" * 5000,
    "../..",
    "\x07",
    [],
    ["x"],
    [5],
    ["x"] * 5000,
    {},
)


@pytest.mark.parametrize("model", [NewLink, NewKey, LinkQuery, ExplainBody, NewRevocation])
def test_every_fault_has_a_sentence_in_each_language(model: type[Body]) -> None:
    """Whatever a form sends, what is wrong with it is said by a key that every language has."""
    faults: list[str] = []
    for name, field in model.model_fields.items():
        for value in _JUNK:
            faults += [text for _, text in _faults(model, {field.alias or name: value}) or ()]
    assert len(faults) > 20
    unsaid = {text for text in faults if not isinstance(text, Said)}
    assert set() == unsaid
    keys = {f"said.{text.key}" for text in faults if isinstance(text, Said)}
    assert {} == {
        code: lacks for code, one in languages().items() if code != SOURCE and (lacks := keys - one.texts.keys())
    }


_MODELS = sorted({model for row in ROWS for model in (row.body, row.query) if model}, key=lambda one: one.__name__)


@pytest.mark.parametrize("model", _MODELS)
def test_no_fault_is_told_in_the_words_of_a_library(model: type[Body]) -> None:
    """Of no row of the API: what is wrong with a value's type is said in a sentence of ours that says what to write."""
    faults = list(_faults(model, []) or ())
    for name, field in model.model_fields.items():
        for value in (*_JUNK, 1e30, 10**40, {"x": {}}, [[]]):
            faults += _faults(model, {field.alias or name: value}) or ()
    assert faults
    told = {text for _, text in faults}
    assert set() == {text for text in told if not text or "Input should" in text or " should " in text}
    assert set() == {text for text in told if getattr(text, "key", "") == "type_other"}
    assert set() == {text for text in told if " or '" in text}, "values are listed, in any language"
