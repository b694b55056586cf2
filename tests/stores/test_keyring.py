"""What a sealing key wraps opens with it, at its place, and with nothing else."""

from __future__ import annotations

import pytest

from gateway.core.reasons import DependencyDown
from gateway.core.sealing import NONCE_BYTES, number_of
from gateway.stores.keyring import KeyRing

NONCE = bytes(range(NONCE_BYTES))
FIRST, SECOND = (1, "a sealing key of enough characters, 1"), (2, "a sealing key of enough characters, 2")


def test_every_key_opens_and_the_first_one_wraps() -> None:
    """So a new key can be known everywhere before anything is under it."""
    old = KeyRing([FIRST]).wrap(b"secret", "key k_1", NONCE)
    ring = KeyRing([SECOND, FIRST])
    new = ring.wrap(b"secret", "key k_1", NONCE)
    assert (1, 2) == (number_of(old), number_of(new))
    assert (b"secret", b"secret") == (ring.unwrap(old, "key k_1"), ring.unwrap(new, "key k_1"))
    assert b"secret" not in new


@pytest.mark.parametrize(
    ("ring", "place", "told"),
    [
        (KeyRing([SECOND]), "key k_1", "key 1, which state.sealing_keys does not hold"),
        (KeyRing([(1, SECOND[1])]), "key k_1", "does not open with key 1"),
        (KeyRing([FIRST]), "key k_2", "does not open"),
        (KeyRing([FIRST]), "password k_1", "does not open"),
    ],
    ids=["missing", "another value", "another grant", "another use"],
)
def test_only_its_own_key_opens_it_at_its_own_place(ring: KeyRing, place: str, told: str) -> None:
    """And the sentence says which number is at fault, and no secret."""
    wrapped = KeyRing([FIRST]).wrap(b"secret", "key k_1", NONCE)
    assert b"secret" == KeyRing([FIRST]).unwrap(wrapped, "key k_1")
    with pytest.raises(DependencyDown, match=told) as caught:
        ring.unwrap(wrapped, place)
    assert "secret" not in caught.value.detail.replace("sealing", "")


def test_no_byte_can_be_changed() -> None:
    """A change of any byte, the number's too, or a cut at any place, is noticed."""
    ring = KeyRing([FIRST, (257, "another sealing key of enough characters")])
    wrapped = ring.wrap(b"secret", "key k_1", NONCE)
    for place in range(len(wrapped)):
        changed = wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :]
        for broken in (changed, wrapped[:place]):
            with pytest.raises(DependencyDown):
                ring.unwrap(broken, "key k_1")


def test_a_mark_tells_keys_apart_and_is_no_part_of_one() -> None:
    """It is stored in clear, so it must not help anybody to open anything."""
    marks = KeyRing([FIRST, SECOND]).marks
    assert {1, 2} == set(marks)
    assert marks[1] != marks[2]
    assert KeyRing([FIRST]).marks[1] == marks[1]
    assert marks[1] not in FIRST[1].encode().hex()


def test_the_form_is_stable() -> None:
    """What an older gateway wrapped is opened by a newer one: form, derivation and cipher are fixed."""
    wrapped = bytes.fromhex("020001000102030405060708090a0b65fbafef764662ad9d7f27a43733189366af596cd6ec47984d9e")
    assert wrapped == KeyRing([FIRST]).wrap(b"the secret", "key k_1", NONCE)


@pytest.mark.parametrize("number", [0, 65536])
def test_a_number_outside_the_bounds_is_refused(number: int) -> None:
    """It would not fit beside what it seals."""
    with pytest.raises(ValueError, match="65535"):
        KeyRing([(number, FIRST[1])])


def test_nonces_of_other_lengths_are_refused() -> None:
    """GCM is used with 96-bit nonces only."""
    with pytest.raises(ValueError, match="nonce"):
        KeyRing([FIRST]).wrap(b"", "", NONCE + b"0")
