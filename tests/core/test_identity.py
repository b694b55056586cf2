"""Whom a role is given to."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.attempt import Principal
from gateway.core.identity import IdentityRules, Role, User, UserRules, groups_of
from gateway.core.pattern import NamePattern

RULES = IdentityRules(
    "https://issuer.example",
    "gateway",
    "https://issuer.example/jwks",
    {"billing": Role("billing", ("sa:billing:one", "sa:team:*"))},
    bearer="a-pods-own-token",
)


@pytest.mark.parametrize("subject", ["sa:billing:one", "sa:team:", "sa:team:two"])
def test_a_role_is_given_to_the_subjects_it_names(subject: str) -> None:
    """Letter by letter, or by what stands before a star at the end."""
    assert "billing" == RULES.app_of("https://issuer.example", "gateway", "billing", subject)


@pytest.mark.parametrize(
    ("issuer", "audience", "role", "subject"),
    [
        ("https://issuer.example", "gateway", "billing", "sa:billing:one2"),
        ("https://issuer.example", "gateway", "billing", "sa:teams"),
        ("https://issuer.example", "gateway", "billing", ""),
        ("https://issuer.example", "gateway", "other", "sa:billing:one"),
        ("https://issuer.example", "other", "billing", "sa:billing:one"),
        ("https://other.example", "gateway", "billing", "sa:billing:one"),
    ],
)
def test_nobody_else_gets_it(issuer: str, audience: str, role: str, subject: str) -> None:
    """Another issuer's subject of the same name is somebody else."""
    assert None is RULES.app_of(issuer, audience, role, subject)


USERS = UserRules("email", "groups", (NamePattern.parse("user:*@acme.example"),))
ANN = {"email": "ann@acme.example", "email_verified": True, "groups": ["b", "a", "b"], "exp": 9}


def test_a_user_is_whom_the_claims_name() -> None:
    """With each group once; without the claim they are in none."""
    principal = Principal("user", "ann@acme.example")
    assert User(principal, ("a", "b"), 9.0) == USERS.user_of(ANN)
    assert User(principal, (), 9.0) == USERS.user_of({**ANN, "groups": []})
    assert User(principal, (), 9.0) == UserRules("email", None, USERS.admit).user_of(ANN)
    named = UserRules("sub", None, (NamePattern.parse("user:ci"),))
    assert User(Principal("user", "ci"), (), 9.0) == named.user_of({"sub": "ci", "exp": 9})


@pytest.mark.parametrize(
    "changes",
    [
        {"email": None},
        {"email": ["ann@acme.example"]},
        {"email": "ann@other.example"},
        {"email": "ann@acme.example/x"},
        {"email": "ann@acme.example\n"},
        {"email": " ann@acme.example"},
        {"email": ""},
        {"email": "a" * 128 + "@acme.example"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"groups": {"a": 1}},
        {"groups": ["a", 1]},
        {"groups": ["a\nb"]},
        {"groups": [""]},
        {"groups": ["g"] * 1001},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_claims_that_do_not_say_it_name_nobody(changes: dict[str, Any]) -> None:
    """A name that is no name here, that nobody verified, or that the issuer may not give; groups that do not read."""
    assert None is USERS.user_of(ANN | changes)


def test_one_group_may_be_a_text() -> None:
    """Some issuers write a single group so."""
    assert ("/finance/eu",) == groups_of("/finance/eu")
    assert None is groups_of(None)


def test_the_bearer_token_is_not_shown() -> None:
    """A repr ends in logs."""
    assert "a-pods-own-token" not in repr(RULES)


@pytest.mark.parametrize(
    ("verified", "strictly", "believed"),
    [({"email_verified": True}, True, True), ({}, False, True)]
    + [({"email_verified": word}, False, False) for word in (False, "true", 1, None)],
)
def test_an_address_counts_only_if_it_is_said_to_be_the_persons(verified, strictly: bool, believed: bool) -> None:
    """`email_verified` is true, and no word like it. An issuer that leaves it out is believed if that is written."""
    admit = (NamePattern.parse("user:*@acme.example"),)
    claims = {"email": "ann@acme.example", "exp": 1} | verified
    strict = UserRules("email", None, admit).user_of(claims)
    lenient = UserRules("email", None, admit, unverified=True).user_of(claims)
    assert (strictly, believed) == (strict is not None, lenient is not None)
