"""Laws of `gateway.core.approval`."""

from __future__ import annotations

import pytest

from gateway.core.approval import ApprovalTerms
from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern


@pytest.mark.parametrize(
    ("by", "who", "groups", "named"),
    [
        ("user:ann@acme.example", "user:ann@acme.example", (), True),
        ("user:*@acme.example", "user:bob@acme.example", (), True),
        ("user:*@acme.example", "user:bob@other.example", (), False),
        ("user:*", "app:user", (), False),
        ("group:finance", "user:ann", ("staff", "finance"), True),
        ("group:finance", "user:ann", ("finance2",), False),
        ("group:finance", "user:ann", (), False),
        ("user:finance", "user:ann", ("finance",), False),
    ],
)
def test_who_is_named(by: str, who: str, groups: tuple[str, ...], named: bool) -> None:
    """By a pattern over principals, or by a group that they are in; a group is never taken for a person."""
    terms = ApprovalTerms((NamePattern.of("admin:nobody"), NamePattern.of(by)), 60.0)
    assert named is terms.names(Principal.parse(who), groups)
