"""What may be sent about a key, and what it makes of one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.control.body import faults_of
from gateway.control.key_bodies import EditKey, NewKey
from gateway.core.narrowing import Narrowing
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action
from tests.contract.sample import NOW, key

READ = frozenset({Action.READ})


def _narrowed(body: type[NewKey | EditKey], before: tuple[Narrowing, ...] = (), **sent: Any) -> Any:
    given = sent | ({"app": "billing"} if body is NewKey else {})
    return body.model_validate(given).apply_to(key(narrowed=before), NOW).narrowed


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, ()),
        ({"bucket": "reports"}, (Narrowing(bucket="reports"),)),
        ({"bucket": "reports", "prefix": "2026/"}, (Narrowing(bucket="reports", prefix="2026/"),)),
        ({"bucket": "reports", "prefix": "2026"}, (Narrowing(bucket="reports", prefix="2026/"),)),
        ({"bucket": "reports", "prefix": ""}, (Narrowing(bucket="reports"),)),
        ({"bucket": "reports", "keys": ["a", "b", "a"]}, (Narrowing(bucket="reports", keys=frozenset("ab")),)),
        ({"actions": ["read"]}, (Narrowing(actions=READ),)),
        (
            {"scopes": [{"bucket": "reports", "prefix": "a/", "actions": ["read"]}, {"bucket": "drafts"}]},
            (Narrowing(bucket="reports", prefix="a/", actions=READ), Narrowing(bucket="drafts")),
        ),
    ],
)
def test_a_place_is_read_as_it_was_written(sent: dict[str, Any], expected: tuple[Narrowing, ...]) -> None:
    """One place by its fields, several as scopes, and none for a key that may do what its app may."""
    assert expected == _narrowed(NewKey, **sent)


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"prefix": "a/"}, "/bucket"),
        ({"keys": ["a"]}, "/bucket"),
        ({"bucket": "reports", "prefix": "a/", "keys": ["a"]}, "/keys"),
        ({"bucket": "reports", "prefix": "a/../b/"}, "/prefix"),
        ({"bucket": "reports", "keys": []}, "/keys"),
        ({"bucket": "reports", "keys": ["a"], "actions": ["list"]}, "/actions"),
        ({"bucket": "reports", "actions": ["share"]}, "/actions/0"),
        ({"bucket": "reports", "scopes": [{"bucket": "reports"}]}, "/scopes"),
        ({"scopes": [{"prefix": "a/"}]}, "/scopes/0/bucket"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": None}, "/scopes"),
        ({"bucket": None}, "/bucket"),
        ({"actions": None}, "/actions"),
        ({"uses": 0}, "/uses"),
    ],
)
def test_what_is_no_place_is_refused_and_never_read_as_no_limit(sent: dict[str, Any], pointer: str) -> None:
    """An empty or missing part of a new key's place is a fault: it must not widen what the key may do."""
    with pytest.raises(ValidationError) as refused:
        NewKey.model_validate({"app": "billing", **sent})
    assert pointer in {at for at, _ in faults_of(refused.value)}


PLACE = Narrowing(bucket="reports", prefix="a/", actions=READ)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"label": "x"}, (PLACE,)),
        ({"prefix": "b/"}, (Narrowing(bucket="reports", prefix="b/", actions=READ),)),
        ({"keys": ["k"]}, (Narrowing(bucket="reports", keys=frozenset("k"), actions=READ),)),
        ({"bucket": "drafts"}, (Narrowing(bucket="drafts", prefix="a/", actions=READ),)),
        ({"actions": None}, (Narrowing(bucket="reports", prefix="a/"),)),
        ({"bucket": None}, (Narrowing(actions=READ),)),
        ({"bucket": None, "actions": None}, ()),
        ({"scopes": []}, ()),
        ({"scopes": [{"bucket": "drafts"}]}, (Narrowing(bucket="drafts"),)),
    ],
)
def test_an_edit_changes_what_was_sent_and_nothing_else(sent: dict[str, Any], expected: tuple[Narrowing, ...]) -> None:
    """What is not sent of the place stays; null takes a part of it away."""
    assert expected == _narrowed(EditKey, (PLACE,), **sent)


def test_one_of_several_places_is_not_guessed() -> None:
    """A field of the only place says nothing about a key that has several; and keys alone are nowhere."""
    for before, sent in (((PLACE, Narrowing(bucket="drafts")), {"prefix": "b/"}), ((), {"keys": ["a"]})):
        with pytest.raises(Refused) as refused:
            _narrowed(EditKey, before, **sent)
        assert Reason.BAD_ARGUMENT is refused.value.reason
