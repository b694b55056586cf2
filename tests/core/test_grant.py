"""The laws of a grant: its scope, its life and what it objects to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.approval import Waiting
from gateway.core.attempt import Attempt, Principal
from gateway.core.grant import Grant, GrantKind, GrantState, Scope
from gateway.core.reasons import Reason
from gateway.core.request import Action, Operation
from gateway.core.token import hash_secret

WAITING = Waiting(1.0, 8.0, ("app:billing",))

_LINK = Grant(
    id="l_1",
    kind=GrantKind.LINK,
    hash=hash_secret("x"),
    owner=Principal("app", "billing"),
    issued_at=0.0,
    scope=Scope("reports", prefix="a/"),
    actions=frozenset({Action.READ}),
)
_READ = Attempt(
    principal=_LINK.principal,
    operation=Operation.GET_OBJECT,
    action=Action.READ,
    bucket="reports",
    key="a/x",
    peer=ip_address("192.0.2.7"),
    now=100.0,
)


def _reasons(grant: Grant, attempt: Attempt) -> list[Reason]:
    return [reason for reason, _ in grant.objections(attempt)]


@given(st.text("ab/", max_size=6), st.text("ab/", max_size=6))
def test_a_prefix_reaches_exactly_what_starts_with_it(prefix: str, key: str) -> None:
    """A prefix scope reaches a key if and only if the key starts with the prefix, in its own bucket only."""
    scope = Scope("reports", prefix=prefix + "/" if prefix else "")
    assert key.startswith(scope.root) == scope.reaches("reports", key)
    assert not scope.reaches("report", scope.root + key)


@given(st.text("ab/", min_size=1, max_size=4), st.text("ab/", max_size=6))
def test_a_key_reaches_itself_alone(key: str, other: str) -> None:
    """An object scope reaches one key; what continues or precedes it is out."""
    assert (key == other) == Scope("reports", key).reaches("reports", other)


def test_a_grants_repr_holds_no_hash_and_no_seal() -> None:
    """What is kept in place of secrets is not printed either."""
    secretive = replace(_LINK, hash=b"secret", password="secret", sealed=b"secret", session_hash=b"secret")
    assert "secret" not in repr(secretive)


@pytest.mark.parametrize(("key", "prefix"), [(None, None), ("a", "a/"), ("", None), (None, "a")])
def test_scopes_that_could_leak_cannot_be_made(key: str | None, prefix: str | None) -> None:
    """Neither both nor none, no empty key, no prefix that would reach its siblings."""
    with pytest.raises(ValueError):
        Scope("reports", key, prefix)


@pytest.mark.parametrize(
    "change", [{"scope": None}, {"actions": frozenset()}, {"kind": GrantKind.KEY}], ids=["no scope", "no action", "key"]
)
def test_grants_that_mean_nothing_cannot_be_made(change: dict[str, object]) -> None:
    """A link has a scope and an action, a key has no scope."""
    with pytest.raises(ValueError):
        replace(_LINK, **change)


@pytest.mark.parametrize(
    ("change", "now", "state", "reason"),
    [
        ({}, 5.0, GrantState.ACTIVE, None),
        ({"not_before": 5.0}, 4.9, GrantState.PENDING, Reason.NOT_YET_VALID),
        ({"not_before": 5.0}, 5.0, GrantState.ACTIVE, None),
        ({"expires_at": 5.0}, 4.9, GrantState.ACTIVE, None),
        ({"expires_at": 5.0}, 5.0, GrantState.EXPIRED, Reason.EXPIRED),
        ({"suspended_at": 1.0}, 5.0, GrantState.SUSPENDED, Reason.SUSPENDED),
        ({"suspended_at": 1.0, "not_before": 9.0}, 5.0, GrantState.SUSPENDED, Reason.SUSPENDED),
        ({"suspended_at": 1.0, "expires_at": 5.0}, 5.0, GrantState.EXPIRED, Reason.EXPIRED),
        ({"suspended_at": 1.0, "revoked_at": 1.0}, 5.0, GrantState.REVOKED, Reason.REVOKED),
        ({"waiting": WAITING}, 5.0, GrantState.AWAITING_APPROVAL, Reason.AWAITING_APPROVAL),
        ({"waiting": WAITING, "not_before": 9.0}, 5.0, GrantState.AWAITING_APPROVAL, Reason.AWAITING_APPROVAL),
        ({"waiting": WAITING, "suspended_at": 1.0}, 5.0, GrantState.SUSPENDED, Reason.SUSPENDED),
        ({"waiting": WAITING}, 8.0, GrantState.EXPIRED, Reason.EXPIRED),
        ({"waiting": WAITING, "suspended_at": 1.0}, 8.0, GrantState.EXPIRED, Reason.EXPIRED),
        ({"waiting": WAITING, "expires_at": 5.0}, 5.0, GrantState.EXPIRED, Reason.EXPIRED),
        ({"waiting": WAITING, "revoked_at": 1.0}, 9.0, GrantState.REVOKED, Reason.REVOKED),
        ({"expires_at": 5.0, "revoked_at": 1.0}, 9.0, GrantState.REVOKED, Reason.REVOKED),
        ({"not_before": 9.0, "expires_at": 5.0}, 6.0, GrantState.EXPIRED, Reason.EXPIRED),
    ],
)
def test_the_life_of_a_grant(change: dict[str, float], now: float, state: GrantState, reason: Reason | None) -> None:
    """Valid from its first instant to before its last; revoked before expired before suspended before waiting before
    pending. What nobody approved of in time has expired."""
    grant = replace(_LINK, **change)
    assert (state, reason) == (grant.state(now), grant.lapsed(now))


@pytest.mark.parametrize(
    ("grant", "attempt", "reasons"),
    [
        ({}, {}, []),
        ({}, {"key": "b/x"}, [Reason.OUT_OF_SCOPE]),
        ({}, {"bucket": "other"}, [Reason.OUT_OF_SCOPE]),
        ({}, {"action": Action.WRITE}, [Reason.METHOD_NOT_ALLOWED]),
        ({}, {"action": None}, [Reason.METHOD_NOT_ALLOWED]),
        ({"expires_at": 50.0}, {"key": "b"}, [Reason.EXPIRED, Reason.OUT_OF_SCOPE]),
        ({"cidrs": (ip_network("192.0.2.0/24"),)}, {}, []),
        ({"cidrs": (ip_network("10.0.0.0/8"),)}, {}, [Reason.PEER_NOT_ALLOWED]),
        ({"cidrs": (ip_network("192.0.2.0/24"),)}, {"peer": None}, [Reason.PEER_NOT_ALLOWED]),
        ({"cidrs": (ip_network("192.0.2.0/24"),)}, {"peer": ip_address("2001:db8::1")}, [Reason.PEER_NOT_ALLOWED]),
        ({"max_size": 10}, {"size": 10}, []),
        ({"max_size": 10}, {"size": 11}, [Reason.TOO_LARGE]),
    ],
)
def test_what_a_grant_objects_to(grant: dict[str, object], attempt: dict[str, object], reasons: list[Reason]) -> None:
    """Every objection is named, the most public one first."""
    assert reasons == _reasons(replace(_LINK, **grant), replace(_READ, **attempt))


def test_who_acts_through_a_grant() -> None:
    """A link acts under its own name, a key as the app it was issued to."""
    assert "link:l_1" == str(_LINK.principal)
    key = replace(_LINK, kind=GrantKind.KEY, scope=None, actions=frozenset())
    assert "app:billing" == str(key.principal)
