"""The laws of passwords at rest."""

from __future__ import annotations

import pytest

from gateway.core.password import SALT_BYTES, hash_password, password_matches

_STORED = hash_password("correct horse", bytes(SALT_BYTES))


def test_only_the_password_matches() -> None:
    """The right one matches; a longer, shorter, empty or differently written one does not."""
    assert password_matches("correct horse", _STORED)
    for wrong in ("correct horse ", "correct", "", "Correct horse"):
        assert not password_matches(wrong, _STORED)


def test_the_salt_makes_equal_passwords_different() -> None:
    """The same password under another salt is stored as another text, which holds no password."""
    other = hash_password("correct horse", b"\x01" * SALT_BYTES)
    assert other != _STORED
    assert "horse" not in _STORED


@pytest.mark.parametrize("stored", ["", "scrypt", "scrypt$", "scrypt$AAAA", "scrypt$AAAA$", "md5$AAAA$AAAA"])
def test_a_stored_text_of_another_form_matches_nothing(stored: str) -> None:
    """A damaged or foreign text refuses every password, the empty one included."""
    assert not password_matches("", stored)
    assert not password_matches("x", stored)


def test_a_short_salt_is_refused() -> None:
    """Nobody can weaken a hash by passing less salt."""
    with pytest.raises(ValueError, match="salt"):
        hash_password("x", b"\0" * (SALT_BYTES - 1))
