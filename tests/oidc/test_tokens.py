"""The proof behind a token, by itself; `test_identity.py` has every kind that must not be believed."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest

from gateway.core.identity import IdentityRules
from gateway.oidc.tokens import Keys, claims_of, issuer_of, key_id, read_keys
from tests.oidc.test_issuers import EC, ED, GOOD, ISSUER, NOW, RSA, SECRET, SUBJECT, key_set, token

RULES = IdentityRules(ISSUER, "gateway", "https://issuer.example/jwks", {})


def subject_of(text: str, keys: Keys, rules: IdentityRules, now: int) -> object:
    claims = claims_of(text, keys, rules, now)
    return None if claims is None else claims["sub"]


def test_a_good_token_speaks_of_its_subject() -> None:
    """Signed by a known key, for us, and in time."""
    keys = read_keys(key_set(RSA, EC).encode())
    assert SUBJECT == subject_of(token(), keys, RULES, int(NOW))
    assert None is subject_of(token(), read_keys(key_set(EC).encode()), RULES, int(NOW))
    assert None is subject_of(token(), keys, RULES, int(GOOD["exp"]) + 61)


def test_an_algorithm_that_the_rules_do_not_name_proves_nothing() -> None:
    """Whatever key of the issuer it was made with."""
    keys = read_keys(key_set(RSA, EC).encode())
    narrow = replace(RULES, algorithms=("ES256",))
    assert None is subject_of(token(), keys, narrow, int(NOW))
    assert SUBJECT == subject_of(token(EC, "ES256"), keys, narrow, int(NOW))


def test_a_tokens_word_about_its_issuer_is_read_without_belief() -> None:
    """Only to see whose keys it would have to be signed with; what is no token has none."""
    assert ISSUER == issuer_of(token())
    assert ISSUER == issuer_of(token(SECRET, "HS256"))
    for text in (token(iss=None), token(iss=["x"]), "no.token", "e30.W10.x", "e30.eA.x", ""):
        assert None is issuer_of(text)


def test_a_tokens_word_about_its_key_is_read_without_belief() -> None:
    """Only to see whether the key is known; what is no token has none."""
    assert "one" == key_id(token())
    assert None is key_id(token(header={"kid": None}))
    assert None is key_id("no.token")


_DEEP = "[" * 3000 + "]" * 3000


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        f"{encoded(_DEEP)}.{encoded('{}')}.eA",
        f"{encoded(json.dumps({'alg': 'RS256', 'kid': 'one'}))}.{encoded(_DEEP)}.eA",
        f"{encoded(json.dumps({'alg': 'RS256', 'kid': 'one'}))}.{encoded('9' * 5000)}.eA",
        token(exp=10**400),
        token(exp=1e308),
        token(exp=float("nan")),
    ],
    ids=[
        "deep head",
        "deep claims",
        "long number",
        "end beyond floats",
        "end beyond calendars",
        "no number as its end",
    ],
)
def test_a_token_that_nobody_can_read_is_none(text: str) -> None:
    """However deep it nests and however large its numbers are: whoever may show one is a stranger."""
    keys = read_keys(key_set(RSA).encode())
    assert None is claims_of(text, keys, RULES, int(NOW))
    assert issuer_of(text) in {None, ISSUER}
    assert key_id(text) in {None, "one"}
    assert SUBJECT == subject_of(token(exp=253_402_300_799), keys, RULES, int(NOW))


def test_only_public_keys_are_keys() -> None:
    """A shared secret in a public set would be everybody's; a lone key answers for tokens that name none."""
    assert {"one", "two", "three"} == set(read_keys(key_set(RSA, EC, ED, SECRET).encode()))
    assert {"one", None} == set(read_keys(key_set(RSA).encode()))


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", _DEEP, json.dumps({"keys": [{"kty": "RSA", "kid": "x"}]})])
def test_a_set_without_a_readable_key_is_none(text: str) -> None:
    """The keys that were known before stay."""
    with pytest.raises((ValueError, LookupError, TypeError)):
        read_keys(text.encode())
