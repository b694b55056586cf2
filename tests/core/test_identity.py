"""Whom a role is given to."""

from __future__ import annotations

import pytest

from gateway.core.identity import IdentityRules, Role

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


def test_the_bearer_token_is_not_shown() -> None:
    """A repr ends in logs."""
    assert "a-pods-own-token" not in repr(RULES)
