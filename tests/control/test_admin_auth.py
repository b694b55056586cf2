"""Bearer tokens and the throttle on wrong ones."""

from __future__ import annotations

import pytest

from gateway.control.admin_auth import Door, named_by
from gateway.core.reasons import Reason, Refused
from gateway.core.token import hash_secret

KNOWN = {hash_secret("one"): "first", hash_secret("two"): "second"}


def test_the_name_is_that_of_the_token() -> None:
    """Each token gives its own name, and nothing else gives any."""
    assert named_by("one", KNOWN) == "first"
    assert named_by("two", KNOWN) == "second"
    for wrong in ("", "on", "onee", "ONE", "\ud800"):
        assert named_by(wrong, KNOWN) is None


@pytest.mark.parametrize("value", ["Bearer one", "bearer one", "BEARER   one "])
def test_the_scheme_is_read_like_any_other(value: str) -> None:
    """The scheme's case and the blanks after it mean nothing (RFC 9110, section 11.1)."""
    assert Door(lambda: 0.0).admit(value, None, KNOWN) == "first"


def test_an_empty_token_is_never_known() -> None:
    """Not even if somebody configured the hash of nothing."""
    with pytest.raises(Refused) as refused:
        Door(lambda: 0.0).admit("Bearer ", None, {hash_secret(""): "nobody"})
    assert refused.value.reason is Reason.CREDENTIALS_MISSING


def _refusal(door: Door, peer: str | None) -> Reason:
    with pytest.raises(Refused) as refused:
        door.match("wrong", peer, KNOWN)
    return refused.value.reason


def test_addresses_are_throttled_apart() -> None:
    """One address's wrong tokens do not count against another, but one IPv6 customer is one address."""
    door = Door(lambda: 0.0)
    for number in range(10):
        assert _refusal(door, f"2001:db8::{number}") is Reason.CREDENTIALS_MISSING
    assert _refusal(door, "2001:db8::99") is Reason.TOO_MANY_GUESSES
    assert _refusal(door, "192.0.2.7") is Reason.CREDENTIALS_MISSING
    assert _refusal(door, None) is Reason.CREDENTIALS_MISSING


def test_memory_is_bounded() -> None:
    """A flood from many addresses is remembered for at most 10,000 of them."""
    door = Door(lambda: 0.0)
    for number in range(10_050):
        _refusal(door, f"10.0.{number // 250}.{number % 250}")
    assert len(door._failed) == 10_000
