"""The proof behind a token, by itself; `test_identity.py` has every kind that must not be believed."""

from __future__ import annotations

import json

import pytest

from gateway.control.web_tokens import key_id, read_keys, subject_of
from gateway.core.identity import IdentityRules
from tests.control.test_identity import EC, ED, GOOD, ISSUER, NOW, RSA, SECRET, SUBJECT, key_set, token

RULES = IdentityRules(ISSUER, "gateway", "https://issuer.example/jwks", {})


def test_a_good_token_speaks_of_its_subject() -> None:
    """Signed by a known key, for us, and in time."""
    keys = read_keys(key_set(RSA, EC).encode())
    assert SUBJECT == subject_of(token(), keys, RULES, int(NOW))
    assert None is subject_of(token(), read_keys(key_set(EC).encode()), RULES, int(NOW))
    assert None is subject_of(token(), keys, RULES, int(GOOD["exp"]) + 61)


def test_a_tokens_word_about_its_key_is_read_without_belief() -> None:
    """Only to see whether the key is known; what is no token has none."""
    assert "one" == key_id(token())
    assert None is key_id(token(header={"kid": None}))
    assert None is key_id("no.token")


def test_only_public_keys_are_keys() -> None:
    """A shared secret in a public set would be everybody's; a lone key answers for tokens that name none."""
    assert {"one", "two", "three"} == set(read_keys(key_set(RSA, EC, ED, SECRET).encode()))
    assert {"one", None} == set(read_keys(key_set(RSA).encode()))


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", json.dumps({"keys": [{"kty": "RSA", "kid": "x"}]})])
def test_a_set_without_a_readable_key_is_none(text: str) -> None:
    """The keys that were known before stay."""
    with pytest.raises((ValueError, LookupError, TypeError)):
        read_keys(text.encode())
