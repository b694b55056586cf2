"""Sealed secrets open only under the right id, and show nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import DependencyDown
from gateway.stores.seal import NONCE_BYTES, Sealer

NONCE = bytes(range(NONCE_BYTES))
KEY_ID = "GWK" + "A" * 34


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_what_is_sealed_opens(secret: str) -> None:
    """Every secret comes back."""
    sealer = Sealer()
    assert sealer.open(KEY_ID, sealer.seal(KEY_ID, secret, NONCE)) == secret


def test_a_sealed_secret_shows_nothing() -> None:
    """The sealed bytes hold neither the secret nor the id."""
    sealed = Sealer().seal(KEY_ID, "the secret", NONCE)
    assert b"secret" not in sealed
    assert KEY_ID.encode() not in sealed


def test_another_id_does_not_open() -> None:
    """The whole id is needed."""
    sealed = Sealer().seal(KEY_ID, "the secret", NONCE)
    with pytest.raises(DependencyDown):
        Sealer().open(KEY_ID + "B", sealed)


def test_no_byte_can_be_changed() -> None:
    """A change of any byte, or a cut at any place, is noticed, and the error tells no secret."""
    sealer = Sealer()
    sealed = sealer.seal(KEY_ID, "the secret", NONCE)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        for broken in (changed, sealed[:place]):
            with pytest.raises(DependencyDown) as caught:
                sealer.open(KEY_ID, broken)
            assert "the secret" not in str(caught.value)


def test_nonces_of_other_lengths_are_refused() -> None:
    """GCM is used with 96-bit nonces only."""
    for length in (0, NONCE_BYTES - 1, NONCE_BYTES + 1):
        with pytest.raises(ValueError, match="nonce"):
            Sealer().seal(KEY_ID, "the secret", bytes(length))


def test_the_form_is_stable() -> None:
    """What an older gateway sealed is opened by a newer one: the form, the derivation and the cipher are fixed."""
    sealed = bytes.fromhex("01000102030405060708090a0b95e16f5f49f064b953f7aa5bf62760540d0069573a7942bb7655")
    assert Sealer().seal(KEY_ID, "the secret", NONCE) == sealed
