"""Grants as Redis holds them."""

from __future__ import annotations

from gateway.stores.redis.grants import edited_fields
from tests.contract.sample import full_link


def test_only_short_lived_keys_carry_their_end() -> None:
    """A grant without a session or without an end is never forgotten by age."""
    words = edited_fields(full_link())
    fields = dict(zip(words[::2], words[1::2], strict=True))
    assert fields["session"] == repr(full_link().expires_at)
    assert fields["bucket"] == "reports"
