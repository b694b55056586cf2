"""The laws of secrets' text forms."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.token import (
    ENTROPY_BYTES,
    LinkToken,
    access_key_id,
    grant_id,
    hash_secret,
    secret_access_key,
)

_entropy = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(_entropy)
def test_a_minted_token_parses_and_is_one_word(entropy: bytes) -> None:
    """What was minted is accepted, has one length, and needs no escape in a URL or a shell."""
    token = LinkToken.mint(entropy)
    assert LinkToken(token.text) == token
    assert 37 == len(token.text)
    assert token.text.replace("_", "").isalnum()
    assert token.text.isascii()


@given(_entropy, st.data())
def test_one_changed_character_is_always_refused(entropy: bytes, data: st.DataObject) -> None:
    """A token with any single character changed is no token, so most guesses and typos cost no look-up."""
    text = LinkToken.mint(entropy).text
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters().filter(lambda c: c != text[place]))
    with pytest.raises(ValueError, match="not a link token"):
        LinkToken(text[:place] + character + text[place + 1 :])


@given(_entropy, st.integers(0, 36))
def test_a_cut_token_is_refused(entropy: bytes, length: int) -> None:
    """Every proper start of a token is refused."""
    with pytest.raises(ValueError, match="not a link token"):
        LinkToken(LinkToken.mint(entropy).text[:length])


@given(st.text())
def test_any_text_is_judged_without_another_error(text: str) -> None:
    """Parsing arbitrary text raises ValueError; it never fails in another way."""
    with pytest.raises(ValueError, match="not a link token"):
        LinkToken(text)


@given(_entropy, _entropy)
def test_tokens_are_as_different_as_their_entropy(one: bytes, other: bytes) -> None:
    """Two tokens are equal only when all 168 bits are."""
    assert (one == other) == (LinkToken.mint(one).text == LinkToken.mint(other).text)
    assert (one == other) == (access_key_id(one) == access_key_id(other))


def test_secrets_do_not_show_in_reprs() -> None:
    """Neither repr nor str of a token holds any part of it."""
    token = LinkToken.mint(bytes(range(ENTROPY_BYTES)))
    assert token.text[3:9] not in f"{token!r} {token}"


def test_too_little_entropy_is_refused() -> None:
    """A token is never minted from fewer than 168 bits."""
    with pytest.raises(ValueError, match="21 random bytes"):
        LinkToken.mint(b"\0" * (ENTROPY_BYTES - 1))


def test_a_hash_is_plain_sha256_even_of_broken_text() -> None:
    """The stored form is SHA-256 of the UTF-8 text, and a lone surrogate is hashed instead of failing."""
    assert hashlib.sha256(b"gl_x").digest() == hash_secret("gl_x")
    assert 32 == len(hash_secret("\udcff"))


@given(_entropy, st.binary(min_size=31, max_size=31))
def test_key_ids_and_secrets_have_their_shape(entropy: bytes, secret: bytes) -> None:
    """Access key ids, secrets and public ids have fixed lengths and letters that no client trips over."""
    key_id = access_key_id(entropy)
    assert (37, True) == (len(key_id), key_id.isalnum())
    assert (43, True) == (len(secret_access_key(secret)), secret_access_key(secret).isalnum())
    assert 19 == len(grant_id("l", entropy))
