"""Grants as Redis holds them."""

from __future__ import annotations

from gateway.core.grant_codec import GrantRow
from gateway.stores.redis.grants import _grant_from, edited_fields
from tests.contract.sample import full_link


def test_a_missing_grant_is_none() -> None:
    """A hash that is not there has no field."""
    assert _grant_from([None] * len(GrantRow._fields)) is None


def test_only_short_lived_keys_carry_their_end() -> None:
    """A grant without a session or without an end is never forgotten by age."""
    words = edited_fields(full_link())
    fields = dict(zip(words[::2], words[1::2], strict=True))
    assert fields["session"] == repr(full_link().expires_at)
    assert fields["bucket"] == "reports"
