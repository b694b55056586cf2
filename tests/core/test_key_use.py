"""What has to hold of a key beside its secret."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core.approval import Approval
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind
from gateway.core.key_use import require_session, stands_for_owner
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action
from gateway.core.token import hash_secret
from gateway.core.units import Rate

KEY = Grant(id="k_1", kind=GrantKind.KEY, hash=hash_secret("id"), owner=Principal("app", "billing"), issued_at=1.0)
PLAIN = {"expires_at": 9.0, "not_before": 2.0, "label": "x", "source": ("entry",), "session_hash": hash_secret("t")}
PLAIN |= {"rule": "reports", "approvals": (Approval("reports", "admin:ops", 3.0),)}


@pytest.mark.parametrize(
    ("stored", "shown", "right"),
    [(None, None, True), (None, "t", False), ("t", None, False), ("t", "", False), ("t", "T", False), ("t", "t", True)],
)
def test_a_session_token_comes_with_its_key_alone(stored: str | None, shown: str | None, right: bool) -> None:
    """A key with one needs that one, a key without needs none."""
    key = replace(KEY, session_hash=None if stored is None else hash_secret(stored))
    if right:
        require_session(key, shown)
    else:
        with pytest.raises(Refused) as refused:
            require_session(key, shown)
        assert Reason.BAD_SESSION_TOKEN is refused.value.reason


@pytest.mark.parametrize("field", PLAIN)
def test_a_key_for_a_time_stands_for_its_app(field: str) -> None:
    """Times, labels and sources narrow nothing that an app may do."""
    assert stands_for_owner(KEY)
    assert stands_for_owner(replace(KEY, **{field: PLAIN[field]}))


NARROWED: dict[str, Any] = {
    "actions": frozenset({Action.READ}),
    "uses": 1,
    "budget": 1,
    "max_size": 1,
    "rate": Rate(1, 1.0, 1),
    "cidrs": (ip_network("10.0.0.0/8"),),
}


@pytest.mark.parametrize("field", NARROWED)
def test_a_narrowed_key_does_not(field: str) -> None:
    """Whatever holds it to less than its app has."""
    assert not stands_for_owner(replace(KEY, **{field: NARROWED[field]}))


def test_a_field_that_nobody_thought_of_narrows() -> None:
    """Every field of a grant but those that are known to say nothing has to be as it is where nothing was said."""
    said = {*PLAIN, "id", "kind", "hash", "owner", "issued_at", "serial", "version", "issued_by", "sealed"}
    said |= {"revoked_at", "revoked_reason", "scope"}
    for each in fields(Grant):
        if each.name not in said:
            changed = replace(KEY)
            object.__setattr__(changed, each.name, object())
            assert not stands_for_owner(changed), each.name
